"""Sequence classifiers: where they come from, and how they are saved.

The leaning classifier and the quality detector are the same kind of model: an encoder with a classification head,
either pretrained elsewhere or made by the run. A classifier's folder is in Hugging Face format with its weights in
safetensors. Labels are matched by name, never by position.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import new_folder, one_line
from bias_amplification.artifacts.provenance import check_checksums, checksums
from bias_amplification.measures.scratch import make_encoder
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES, check_model_folder, keep_only, read_json
from bias_amplification.models.given import COUNTS_FROM_PADDING, positions_of
from bias_amplification.models.sources import obtain_folder
from bias_amplification.study.label_names import REMEDY, named_as_the_study
from bias_amplification.study.sections import Encoder
from bias_amplification.study.sections.section import plain_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Remedy for a damaged folder that the run has made.
_MAKE_AGAIN = "delete the folder and run snakemake again"


class TextClassifier(NamedTuple):
    """A sequence classifier with its tokenizer.

    Attributes
    ----------
    model, tokenizer
        The model's config has every label in `label2id`.
    labels
        Label names in the order in which probabilities are reported, which may differ from the model's own order.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    labels: Sequence[str]

    @property
    def positions(self) -> list[int]:
        """Position of each label among the model's outputs."""
        return [self.model.config.label2id[label] for label in self.labels]

    def longest(self, max_tokens: int) -> int:
        """Return how many tokens of a text are read, special tokens included.

        Parameters
        ----------
        max_tokens
            The most that the config asks for. The tokenizer's own limit and the model's positions may be lower.
        """
        return int(min(max_tokens, self.tokenizer.model_max_length, positions_of(self.model.config.to_dict())))


def obtain_encoder(
    source: Encoder, texts: Iterable[str], labels: Sequence[str], max_tokens: int, seed: int, key: str
) -> TextClassifier:
    """Return an encoder with a fresh classification head, ready for training.

    Parameters
    ----------
    source
        A hub model, a model folder, or an architecture to make from scratch.
    texts
        The training texts, on which the tokenizer of a scratch encoder is trained.
    labels
        Label names. Their positions become the model's label ids.
    max_tokens
        Longest input in tokens, special tokens included. If an encoder from elsewhere reads fewer, the log says how
        many.
    seed
        Seed of the fresh weights.
    key
        The config key that describes the source, for error messages.

    Returns
    -------
    TextClassifier
        On the CPU, in float32.

    Raises
    ------
    StudyError
        If the hub or the folder does not hold an encoder in safetensors.
    """
    import torch

    torch.manual_seed(seed)
    label_ids = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    if source.source == "scratch":
        return TextClassifier(*make_encoder(source, texts, max_tokens, label_ids), labels)
    # A head that was trained for other labels is replaced by a fresh one.
    classifier = TextClassifier(*_from_pretrained(source, key, fresh_head=True, **label_ids), labels)
    return _said(classifier, max_tokens, key)


def load_given_encoder(
    source: Encoder,
    labels: Sequence[str],
    key: str,
    aliases: Mapping[str, str] | None = None,
    max_tokens: int | None = None,
) -> TextClassifier:
    """Load a classifier that was trained elsewhere and give its labels the study's names.

    Parameters
    ----------
    source
        A hub model or a model folder.
    labels
        The labels that the classifier must have, in any order and in any case.
    key
        The config key that describes the source, for error messages.
    aliases
        From the classifier's label names to the study's, where they differ.
    max_tokens
        Longest input in tokens that the config asks for. If the classifier reads fewer, the log says how many.

    Raises
    ------
    StudyError
        If weights, config or tokenizer are missing, or if the classifier has other labels.
    """
    model, tokenizer = _from_pretrained(source, key)
    _name_labels(model, labels, aliases or {}, _describe(source), f" ({key}): {REMEDY}")
    return _said(TextClassifier(model.eval(), tokenizer, labels), max_tokens, key)


def load_encoder(folder: Path | str, labels: Sequence[str], max_tokens: int | None = None) -> TextClassifier:
    """Load a classifier that the run has made, after comparing its files with the checksums in `scores.json`.

    Parameters
    ----------
    folder
        Without a `scores.json`, no checksums are compared.
    labels
        The labels that the classifier must have, in any order and in any case.
    max_tokens
        Longest input in tokens that the config asks for. If the classifier reads fewer, the log says how many.

    Raises
    ------
    StudyError
        If a file is missing or damaged, or if the classifier has other labels.
    """
    if Path(folder, "scores.json").exists():
        check_encoder(folder)
    source = Encoder(source="folder", path=str(folder))
    model, tokenizer = _from_pretrained(source, None)
    _name_labels(model, labels, {}, _describe(source), f": {_MAKE_AGAIN}")
    return _said(TextClassifier(model.eval(), tokenizer, labels), max_tokens, str(folder))


def known_labels(folder: Path | str, among: Sequence[str]) -> tuple[str, ...]:
    """Return those of some labels that a classifier in a folder has, in the given order.

    Raises
    ------
    StudyError
        If its config.json is missing or damaged.
    """
    named = read_json(check_model_folder(folder) / "config.json").get("id2label") or {}
    own = {plain_name(str(name)) for name in named.values()}
    return tuple(label for label in among if plain_name(label) in own)


def _name_labels(
    model: "PreTrainedModel", labels: Sequence[str], aliases: Mapping[str, str], described: str, remedy: str
) -> None:
    """Rename the labels in a model's config to the study's names; each label keeps its position."""
    found = [model.config.id2label[index] for index in range(model.config.num_labels)]
    names = named_as_the_study(found, labels, aliases, described, remedy)
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}


def write_encoder(
    classifier: TextClassifier, out: Path | str, scores: Mapping[str, Any], timing: Mapping[str, Any]
) -> None:
    """Write a classifier's folder.

    Parameters
    ----------
    classifier
        On the CPU.
    out
        Folder for `MODEL_AND_TOKENIZER_FILES`, `scores.json` and `timing.json`.
    scores
        Content of `scores.json`, to which the checksums of the model's files are added. The same inputs give the same
        bytes.
    timing
        Content of `timing.json`, which differs between runs.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    with new_folder(out) as folder:
        classifier.model.save_pretrained(folder)
        classifier.tokenizer.save_pretrained(folder)
        keep_only(folder, MODEL_AND_TOKENIZER_FILES)
        write_json(dict(scores) | {"checksums": checksums(folder, MODEL_AND_TOKENIZER_FILES)}, folder / "scores.json")
        write_json(timing, folder / "timing.json")


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file into a folder that `new_folder` yields."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_scores(folder: Path | str) -> dict[str, Any]:
    """Read `scores.json` from the folder of a classifier that the run has made.

    Raises
    ------
    StudyError
        If the file is missing, damaged, or lacks the validation macro F1.
    """
    path = Path(folder) / "scores.json"
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        if not math.isfinite(scores["validation"]["macro_f1"]):
            raise ValueError("the validation macro F1 is no finite number")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is missing or damaged: delete the folder and run snakemake again.") from error
    return scores


def check_encoder(folder: Path | str) -> None:
    """Compare the files of a classifier that the run has made with the checksums in its `scores.json`.

    Raises
    ------
    StudyError
        Naming the missing or changed file and the remedy.
    """
    check_model_folder(folder, tokenizer=True)
    check_checksums(folder, read_scores(folder).get("checksums", {}), Path(folder) / "scores.json")


def _from_pretrained(
    source: Encoder, key: str | None, *, fresh_head: bool = False, **labels: Any
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load a classifier and its tokenizer, which agree on the padding token.

    With `fresh_head`, the classification head may be missing or have another number of labels, which `labels` name as
    a config.json does. A `key` of None stands for a folder that the run has made.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    from bias_amplification.models.loaded import check_loaded, read_config

    logging.disable_progress_bar()
    remedy = f"check {key}" if key else _MAKE_AGAIN
    folder = obtain_folder(source, key, None) if key else check_model_folder(source.path, tokenizer=True)
    where = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **where)
        model, found = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=read_config(folder, local_files_only=True, **labels),
            **where,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except Exception as error:  # transformers and tokenizers raise errors of many types
        raise StudyError(
            f"{_describe(source)} cannot be loaded as a text classifier with its tokenizer "
            f"({one_line(error)}): {remedy}."
        ) from error
    try:
        check_loaded(model, found, fresh_head=fresh_head)
    except ValueError as error:
        raise StudyError(f"{_describe(source)} cannot be used as a text classifier ({error}): {remedy}.") from error
    # Some tokenizer classes load without a vocabulary if its files are those of another class.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise StudyError(f"{_describe(source)} has a tokenizer without words: put its tokenizer.json beside it.")
    _agree_on_padding(model, tokenizer, _describe(source), f"choose an encoder for {key}" if key else _MAKE_AGAIN)
    return model, tokenizer


def _agree_on_padding(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", described: str, remedy: str
) -> None:
    """Give the model's config the tokenizer's padding token: a decoder classifies by the last token before it.

    A tokenizer without one pads with its end token.
    """
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise StudyError(f"{described} has a tokenizer without a padding token: {remedy}.")
    # RoBERTa counts positions from the padding id that its embeddings were made with.
    if model.config.pad_token_id is None or model.config.model_type not in COUNTS_FROM_PADDING:
        model.config.pad_token_id = tokenizer.pad_token_id


def _said(classifier: TextClassifier, max_tokens: int | None, described: str) -> TextClassifier:
    """Return a classifier, after a line in the log if it can read fewer tokens than the config asks for."""
    if max_tokens and (longest := classifier.longest(max_tokens)) < max_tokens:
        print(
            f"{described}: texts are cut to {longest} tokens instead of {max_tokens}, the most that it can read",
            flush=True,
        )
    return classifier


def _describe(source: Encoder) -> str:
    return f"The model folder {source.path}" if source.source == "folder" else f"The hub model {source.hub_id}"
