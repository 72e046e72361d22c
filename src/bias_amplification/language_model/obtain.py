"""Take models from folders and hubs into the run: the base model, and generations that were trained elsewhere."""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import new_folder, one_line
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.language_model.load import end_tokens, load_model, read_model, save_model
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES, MODEL_FILES, keep_only, read_json
from bias_amplification.models.given import LanguageModelUse, check_tokens
from bias_amplification.models.sources import key_of, obtain_folder
from bias_amplification.models.special_tokens import end_ids, read_tokenizer, set_begin, wanted_begin
from bias_amplification.study.sections import BaseModelSettings, ModelSource

#: The config key of the base model, for messages.
_BASE_MODEL = "base_model"

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def obtain_base_model(out: Path | str, source: BaseModelSettings, use: LanguageModelUse | None = None) -> None:
    """Copy the base model from a hub or a folder into the run, in the format that later steps read.

    Parameters
    ----------
    out
        Folder to write model.safetensors, config.json, tokenizer.json, tokenizer_config.json and metadata.json into.
    source
        The config's `base_model`, with source "hub" or "folder". Its `begin_token` decides whether the tokenizer in
        `out` puts the begin-of-text token before a text; it adds nothing else.
    use
        What the study does with the model, by which its files are checked.

    Raises
    ------
    StudyError
        If the model or its tokenizer cannot be loaded, does not fit the other, or does not fit the study.
    """
    folder = obtain_folder(source, _BASE_MODEL, use or LanguageModelUse(begin_token=source.begin_token))
    model = _read_source(source, folder, _BASE_MODEL)
    tokenizer, key = _read_tokenizer(source, folder), key_of(source, _BASE_MODEL)
    with new_folder(out) as temporary:
        tokenizer.save_pretrained(temporary)
        if not (temporary / "tokenizer.json").exists():
            raise StudyError(f"{_place(source)} has no fast tokenizer (tokenizer.json): choose a model that has one.")
        keep_only(temporary, _TOKENIZER_FILES)
        words = read_tokenizer(temporary / "tokenizer.json", key)
        generation = read_json(folder / "generation_config.json", key)
        ends = end_ids([model.config.to_dict(), generation], tokenizer.eos_token_id)
        check_tokens(words, ends, model.get_input_embeddings().num_embeddings, _place(source))
        _set_begin(words, temporary, wanted_begin(folder, words, source.begin_token, _place(source), key))
    # A single id stays a number, as most models have it.
    model.config.eos_token_id = ends if len(ends) > 1 else (ends or [None])[0]
    end_tokens(model)
    save_model(model, out)
    write_metadata(
        Path(out) / "metadata.json",
        source={"folder": source.path}
        if source.source == "folder"
        else {"hub_id": source.hub_id, "revision": source.revision},
        checksums=checksums(out, MODEL_AND_TOKENIZER_FILES),
    )


def _set_begin(tokenizer: Tokenizer, folder: Path, begin: list[int]) -> None:
    """Make the tokenizer in a folder put the begin-of-text token, or nothing, before a text."""
    if not set_begin(tokenizer, begin):
        return
    tokenizer.save(str(folder / "tokenizer.json"))
    # transformers builds some tokenizers anew from these two entries.
    settings = read_json(folder / "tokenizer_config.json")
    settings |= {
        name: value for name, value in (("add_bos_token", bool(begin)), ("add_eos_token", False)) if name in settings
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", "utf-8")


def obtain_generation(
    out: Path | str, base_model: Path | str, source: ModelSource, key: str, use: LanguageModelUse | None = None
) -> None:
    """Copy the model of a generation that was trained elsewhere, such as a published checkpoint, into the run.

    Parameters
    ----------
    out
        The generation's folder, to write model.safetensors, config.json and metadata.json into.
    base_model
        The run's folder of the base model, whose tokenizer the generation uses.
    source
        Where the model comes from: source "hub" or "folder".
    key
        The config key of the source, for messages.
    use
        What the study does with the model, by which its files are checked.

    Raises
    ------
    StudyError
        If the model cannot be loaded, does not fit the study, or its weights do not have the base model's shapes.
    """
    folder = obtain_folder(source, key, use or LanguageModelUse(own_tokenizer=False))
    model = _read_source(source, folder, key)
    base = load_model(base_model)
    shapes, expected = ({name: tuple(p.shape) for name, p in m.named_parameters()} for m in (model, base))
    if shapes != expected:
        differing = shapes.keys() ^ expected.keys() or {name for name in expected if shapes[name] != expected[name]}
        raise StudyError(
            f"The model {_place(source)} does not have the shape of the base model ({min(differing)}): {key} needs a "
            "model that was made from the base model."
        )
    # Its texts are made of the base model's tokens, and end with them.
    model.config.eos_token_id = base.config.eos_token_id
    save_model(model, out)
    write_metadata(
        Path(out) / "metadata.json",
        given=source.model_dump(include={"source", "hub_id", "revision", "path"}),
        checksums=checksums(out, MODEL_FILES),
    )


def _place(source: ModelSource) -> str:
    return str(source.path if source.source == "folder" else source.hub_id)


def _read_source(source: ModelSource, folder: Path, key: str) -> PreTrainedModel:
    """Read a model from its folder, in float32."""
    try:
        return read_model(folder, local_files_only=True)
    except ValueError as error:
        raise StudyError(_cannot_load(source, key, str(error))) from error


def _read_tokenizer(source: ModelSource, folder: Path) -> PreTrainedTokenizerBase:
    """Read the base model's tokenizer, and check that it has words."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False, local_files_only=True)
        # Some tokenizer classes load without a vocabulary if its files are missing.
        tokens = tokenizer("Some words.", add_special_tokens=False).input_ids
    except Exception as error:  # transformers and tokenizers raise errors of many types
        raise StudyError(_cannot_load(source, _BASE_MODEL, one_line(error))) from error
    if len(set(tokens)) < 2:
        raise StudyError(f"{_place(source)} has no tokenizer that fits its model: put its tokenizer.json beside it.")
    return tokenizer


def _cannot_load(source: ModelSource, key: str, why: str) -> str:
    model = "base model" if key == _BASE_MODEL else "model"
    return f"The {model} {_place(source)} cannot be loaded ({why}): correct {key_of(source, key)}."
