"""Take models from folders and hubs into the run: the base model, and generations that were trained elsewhere."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import new_folder, one_line
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.language_model.load import load_model, read_model, save_model
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES, MODEL_FILES, check_model_folder, keep_only
from bias_amplification.study.sections import ModelSource

#: The config key of the base model, for messages.
_BASE_MODEL = "base_model"


def obtain_base_model(out: Path | str, source: ModelSource) -> None:
    """Copy the base model from a hub or a folder into the run, in the format that later steps read.

    Parameters
    ----------
    out
        Folder to write model.safetensors, config.json, tokenizer.json, tokenizer_config.json and metadata.json into.
    source
        The config's `base_model`, with source "hub" or "folder".

    Raises
    ------
    StudyError
        If the model or its tokenizer cannot be loaded or does not fit the other.
    """
    model = _read_source(source, _BASE_MODEL)
    tokenizer = _read_tokenizer(source, model)
    with new_folder(out) as temporary:
        tokenizer.save_pretrained(temporary)
        if not (temporary / "tokenizer.json").exists():
            raise StudyError(f"{_place(source)} has no fast tokenizer (tokenizer.json): choose a model that has one.")
        keep_only(temporary, ("tokenizer.json", "tokenizer_config.json"))
    save_model(model, out)
    write_metadata(
        Path(out) / "metadata.json",
        source={"folder": source.path}
        if source.source == "folder"
        else {"hub_id": source.hub_id, "revision": source.revision},
        checksums=checksums(out, MODEL_AND_TOKENIZER_FILES),
    )


def obtain_generation(out: Path | str, base_model: Path | str, source: ModelSource, key: str) -> None:
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

    Raises
    ------
    StudyError
        If the model cannot be loaded, or its weights do not have the base model's shapes.
    """
    model = _read_source(source, key)
    base = load_model(base_model)
    shapes, expected = ({name: tuple(p.shape) for name, p in m.named_parameters()} for m in (model, base))
    if shapes != expected:
        differing = shapes.keys() ^ expected.keys() or {name for name in expected if shapes[name] != expected[name]}
        raise StudyError(
            f"The model {_place(source)} does not have the shape of the base model ({min(differing)}): {key} needs a "
            "model that was made from the base model."
        )
    save_model(model, out)
    write_metadata(
        Path(out) / "metadata.json",
        given=source.model_dump(include={"source", "hub_id", "revision", "path"}),
        checksums=checksums(out, MODEL_FILES),
    )


def _place(source: ModelSource) -> str:
    return str(source.path if source.source == "folder" else source.hub_id)


def _options(source: ModelSource) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that fix where a model is read from."""
    return {"local_files_only": True} if source.source == "folder" else {"revision": source.revision}


def _read_source(source: ModelSource, key: str) -> PreTrainedModel:
    """Read a model from its source, in float32."""
    if source.source == "folder":
        check_model_folder(source.path, f"{key}.path")
    try:
        return read_model(_place(source), **_options(source))
    except ValueError as error:
        raise StudyError(_cannot_load(source, key, error)) from error


def _read_tokenizer(source: ModelSource, model: PreTrainedModel) -> PreTrainedTokenizerBase:
    """Read the base model's tokenizer, and check that it has words and no id beyond the model's embeddings."""
    place = _place(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True, trust_remote_code=False, **_options(source))
    except (OSError, ValueError, RuntimeError) as error:
        raise StudyError(_cannot_load(source, _BASE_MODEL, error)) from error
    # Some tokenizer classes load without a vocabulary if its files are missing.
    tokens = tokenizer("Some words.", add_special_tokens=False).input_ids
    if len(set(tokens)) < 2 or max(tokens) >= model.get_input_embeddings().num_embeddings:
        raise StudyError(f"{place} has no tokenizer that fits its model: put its tokenizer.json beside the weights.")
    return tokenizer


def _cannot_load(source: ModelSource, key: str, error: Exception) -> str:
    model = "base model" if key == _BASE_MODEL else "model"
    return (
        f"The {model} {_place(source)} cannot be loaded ({one_line(error)}): correct "
        f"{key}.{'path' if source.source == 'folder' else 'hub_id'}."
    )
