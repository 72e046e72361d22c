"""Sequence classifiers: where they come from, and how they lie on disk.

The leaning classifier and the detector of text quality are the same kind of model: an encoder with a classification
head, pretrained elsewhere or made here. On disk it is a folder in Hugging Face format, safetensors only, and its
labels are read by name, never by number.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.provenance import check_checksums
from bias_amplification.study.sections import Encoder

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

#: What an encoder's folder holds besides its scores, whatever its architecture.
MODEL_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")

#: What to do about a folder that the run has made.
_ANEW = "delete the folder and run snakemake again"

#: Special tokens of an encoder's own BPE, in the order of their ids.
_SPECIAL_TOKENS = {
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
_PAD_ID = list(_SPECIAL_TOKENS).index("pad_token")
_SEP_ID = list(_SPECIAL_TOKENS).index("sep_token")

#: Standard deviation of fresh weights times the square root of the width. The libraries' 0.02 is made for a width of
#: 768; in a model of width 64 it hides the words from the first token for hundreds of steps.
_INITIAL_SCALE = 0.8

#: Tokens that a local layer of ModernBERT attends to.
_LOCAL_ATTENTION = 8

#: Dropout before the classification head of a scratch encoder. Inside the blocks it is `Encoder.dropout`.
_HEAD_DROPOUT = 0.1


def obtain_encoder(
    source: Encoder, texts: Iterable[str], labels: Sequence[str], max_tokens: int, seed: int, key: str
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """An encoder with a fresh classification head, to be trained.

    Parameters
    ----------
    source
        A hub id with a pinned revision, a folder, or an architecture to be made from scratch.
    texts
        The training texts, from which a scratch encoder's BPE is trained.
    labels
        Label names; their positions are the model's label ids.
    max_tokens
        Longest input of a scratch encoder, special tokens included.
    seed
        Fixes the fresh weights.
    key
        The config key that describes the source, for messages.

    Returns
    -------
    model, tokenizer
        On the CPU in float32.

    Raises
    ------
    StudyError
        If the hub or the folder does not hold an encoder in safetensors.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    if source.source == "scratch":
        tokenizer = train_tokenizer(texts, source.vocabulary, max_tokens)
        config = _scratch_config(source, len(tokenizer), max_tokens, names)
        return AutoModelForSequenceClassification.from_config(config), tokenizer
    # A head trained for other labels is left behind.
    return _from_pretrained(source, key, ignore_mismatched_sizes=True, **names)


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_tokens: int) -> "PreTrainedTokenizerBase":
    """Train a byte-level BPE with the special tokens of RoBERTa.

    Parameters
    ----------
    texts
        Texts to learn merges from.
    vocabulary
        Tokens, the 256 bytes and five special ones included.
    max_tokens
        Longest input, special tokens included.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(_SPECIAL_TOKENS.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, bpe.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        bos_token="<s>",
        eos_token="</s>",
        **_SPECIAL_TOKENS,
    )


def _scratch_config(source: Encoder, vocabulary: int, max_tokens: int, names: Mapping) -> "PretrainedConfig":
    from transformers import AutoConfig

    if source.width % source.heads:
        raise StudyError(
            f"An encoder of width {source.width} cannot have {source.heads} heads: let heads divide width."
        )
    common = {
        "vocab_size": vocabulary,
        "pad_token_id": _PAD_ID,
        "initializer_range": _INITIAL_SCALE / source.width**0.5,
        **names,
    }
    if source.architecture == "modernbert":
        return AutoConfig.for_model(
            "modernbert",
            num_hidden_layers=source.layers,
            hidden_size=source.width,
            num_attention_heads=source.heads,
            intermediate_size=2 * source.width,  # gated: three matrices instead of two
            max_position_embeddings=max_tokens,
            local_attention=_LOCAL_ATTENTION,
            # Local layers first, where broken grammar shows; the last one sees the whole text.
            layer_types=["sliding_attention"] * (source.layers - 1) + ["full_attention"],
            classifier_pooling="mean",
            classifier_dropout=_HEAD_DROPOUT,
            embedding_dropout=source.dropout,
            mlp_dropout=source.dropout,
            attention_dropout=0.0,
            cls_token_id=0,
            bos_token_id=0,
            sep_token_id=_SEP_ID,
            eos_token_id=_SEP_ID,
            **common,
        )
    if source.architecture == "distilbert":
        return AutoConfig.for_model(
            "distilbert",
            n_layers=source.layers,
            dim=source.width,
            n_heads=source.heads,
            hidden_dim=4 * source.width,
            max_position_embeddings=max_tokens,
            dropout=source.dropout,
            attention_dropout=0.0,  # attention with dropout leaves the fused path
            seq_classif_dropout=_HEAD_DROPOUT,
            **common,
        )
    return AutoConfig.for_model(
        source.architecture,
        num_hidden_layers=source.layers,
        hidden_size=source.width,
        num_attention_heads=source.heads,
        intermediate_size=4 * source.width,
        # RoBERTa counts positions from the padding id on.
        max_position_embeddings=max_tokens + (_PAD_ID + 1 if source.architecture == "roberta" else 0),
        type_vocab_size=1,
        hidden_dropout_prob=source.dropout,
        attention_probs_dropout_prob=0.0,
        classifier_dropout=_HEAD_DROPOUT,
        **common,
    )


def load_encoder(
    source: Encoder | Path, labels: Sequence[str], key: str, aliases: Mapping[str, str] | None = None
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load a trained classifier and give its labels the study's names.

    Parameters
    ----------
    source
        A folder, in which scores.json tells the checksums if the run has made it; or a description of a folder or a
        hub model.
    labels
        The label set that it must have, in any order and in any case.
    key
        The config key that names or describes the model, for messages.
    aliases
        From the model's label names to the study's, where they differ.

    Returns
    -------
    model, tokenizer
        `model.config.id2label` holds the names of `labels`, each at the model's own position.

    Raises
    ------
    StudyError
        If weights or config are missing or the label set is another one.
    """
    remedy = "name a model with these labels, or map its label names to them in the config"
    if isinstance(source, Path):
        if (source / "scores.json").exists():
            check_encoder(source)
            key, remedy = None, _ANEW
        source = Encoder(source="folder", path=str(source))
    model, tokenizer = _from_pretrained(source, key)
    found = [model.config.id2label[index] for index in range(model.config.num_labels)]
    known = {_plain(label): label for label in labels}
    named = {_plain(name): label for name, label in (aliases or {}).items()}
    names = [known.get(_plain(named.get(_plain(name), name))) for name in found]
    if None in names or sorted(names) != sorted(labels):
        raise StudyError(
            f"{_where(source)} classifies into {', '.join(found)}, but the study needs {', '.join(labels)}"
            f"{f' ({key})' if key else ''}: {remedy}."
        )
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    return model.eval(), tokenizer


def label_positions(model: "PreTrainedModel", labels: Sequence[str]) -> list[int]:
    """Where each label stands among a model's outputs."""
    return [model.config.label2id[label] for label in labels]


def save_encoder(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Write `MODEL_FILES` into a folder that exists."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        # Older tokenizers write their vocabulary a second and a third time.
        if file.name not in MODEL_FILES:
            file.unlink()


def read_scores(folder: Path | str) -> dict:
    """Read `scores.json` of a folder that the run has made."""
    path = Path(folder) / "scores.json"
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        assert math.isfinite(scores["validation"]["macro_f1"])
        return scores
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise StudyError(f"{path} is missing or damaged: delete the folder and run snakemake again.") from error


def check_encoder(folder: Path | str) -> None:
    """Check a classifier that the run has made against the checksums in its `scores.json`.

    Raises
    ------
    StudyError
        Naming the file and the remedy.
    """
    check_folder(Path(folder), None)
    check_checksums(folder, read_scores(folder).get("checksums", {}), Path(folder) / "scores.json")


def _from_pretrained(
    source: Encoder, key: str | None, **options
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    where = {"pretrained_model_name_or_path": source.hub_id, "revision": source.revision}
    if source.source == "folder":
        check_folder(Path(source.path), key)
        where = {"pretrained_model_name_or_path": source.path}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where, trust_remote_code=False)
        model = AutoModelForSequenceClassification.from_pretrained(
            **where, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
        )
    except Exception as error:  # transformers raises OSError, ValueError, SafetensorError and more
        raise StudyError(
            f"{_where(source)} cannot be loaded as a text classifier with its tokenizer "
            f"({' '.join(str(error).split())[:200]}): {f'check {key}' if key else _ANEW}."
        ) from error
    if tokenizer.pad_token_id is None:
        remedy = f"choose an encoder for {key}" if key else _ANEW
        raise StudyError(f"{_where(source)} has a tokenizer without a padding token: {remedy}.")
    return model, tokenizer


def check_folder(folder: Path, key: str | None) -> None:
    """Raise a StudyError with a remedy unless config, weights and tokenizer are there; no key: the run has made it."""
    remedy = f"name a whole folder in Hugging Face format with safetensors in {key}" if key else _ANEW
    for what, names in (
        ("config", ["config.json"]),
        ("weights", ["model.safetensors", "model.safetensors.index.json"]),
        ("tokenizer", ["tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model"]),
    ):
        if not any((folder / name).is_file() for name in names):
            raise StudyError(f"The model folder {folder} has no {what} ({names[0]}): {remedy}.")


def _where(source: Encoder) -> str:
    return f"The model folder {source.path}" if source.source == "folder" else f"The hub model {source.hub_id}"


def _plain(label: str) -> str:
    return label.casefold().replace(" ", "_").replace("-", "_").strip("_")
