"""Models and tokenizers from folders and hubs: safetensors only, no remote code, hub revisions pinned."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.activations import NewGELUActivation

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import new_folder
from bias_amplification.artifacts.models import check_model_folder
from bias_amplification.artifacts.provenance import check_made_here, checksums, write_metadata

#: What the base model's folder holds; a generation has the first two of its own.
BASE_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
MODEL_FILES = BASE_FILES[:2]


def load_model(folder: Path | str, device: str = "cpu") -> PreTrainedModel:
    """Load a causal language model that the run has made, in float32, ready to read with (`eval`).

    Parameters
    ----------
    folder
        config.json, model.safetensors and, if there is one, the metadata.json that tells their checksums.
    device
        Where to put it.

    Raises
    ------
    StudyError
        If the folder lacks something or a file is cut short.
    """
    folder = check_model_folder(folder, None)
    check_made_here(folder, MODEL_FILES)
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise StudyError(
            f"{folder} holds no causal language model ({_first_line(error)}): delete its model.safetensors and "
            "config.json and run snakemake again."
        ) from error
    _check_complete(found, folder, "delete its model.safetensors and run snakemake again")
    fuse_activations(model)
    return model.to(device).eval()


def fuse_activations(model: torch.nn.Module) -> None:
    """Let GPT-2's kind of GELU be computed in one pass instead of eight.

    The function is the same but for rounding; the model's config keeps the activation's name.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, torch.nn.GELU(approximate="tanh"))


def _check_complete(found: dict[str, Any], name: Path | str, remedy: str = "fetch it anew") -> None:
    """Refuse weights that leave a part of the model at random: transformers only warns of it."""
    if missing := sorted(found["missing_keys"]):
        raise StudyError(f"{name} lacks weights that its config.json announces, {missing[0]} first: {remedy}.")


def save_model(model: PreTrainedModel, folder: Path | str) -> None:
    """Write model.safetensors and config.json, each whole or not at all."""
    # Training leaves it off, which would slow whoever lets the model write.
    model.config.use_cache = True
    with new_folder(folder) as temporary:
        model.save_pretrained(temporary)
        for file in temporary.iterdir():
            if file.name not in ("model.safetensors", "config.json"):
                file.unlink()


def load_tokenizer(folder: Path | str) -> Tokenizer:
    """Load tokenizer.json of a folder.

    Raises
    ------
    StudyError
        If it is missing or broken.
    """
    file = Path(folder) / "tokenizer.json"
    if not file.exists():
        raise StudyError(f"{file} does not exist: give a folder with a fast tokenizer's tokenizer.json.")
    check_made_here(folder, ["tokenizer.json"])
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        raise StudyError(f"{file} is no tokenizer ({error}): delete it and run snakemake again.") from error
    # A file may carry the cutting and padding of whoever saved it; here texts are cut by who encodes them.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def end_token(model: PreTrainedModel) -> int:
    """Return the end-of-text token's id, which also pads.

    Raises
    ------
    StudyError
        If the model's config names none.
    """
    end = model.config.eos_token_id
    if isinstance(end, list):
        end = end[0]
    if end is None:
        raise StudyError("The base model's config.json names no eos_token_id: add it, it pads and ends texts.")
    return end


def obtain_base_model(
    out: Path | str, *, source: str, hub_id: str | None, revision: str | None, path: str | None
) -> None:
    """Put a model from a hub or a folder into the run, in the one format that later steps read.

    Parameters
    ----------
    out
        The run's folder of the base model: model.safetensors, config.json, tokenizer.json, tokenizer_config.json,
        metadata.json.
    source
        "hub" or "folder".
    hub_id, revision
        The hub's name of the model and the commit.
    path
        The folder.

    Raises
    ------
    StudyError
        If the model cannot be had or lacks something.
    """
    key = "base_model"
    name, options = _place(key, source, hub_id, revision, path)
    model = _fetch(key, source, name, options)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, trust_remote_code=False, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise StudyError(_cannot_load(key, source, name, error)) from error
    # Where the files of a tokenizer are missing, some classes come up with one that knows no words.
    tokens = tokenizer("Some words.", add_special_tokens=False).input_ids
    if len(set(tokens)) < 2 or max(tokens) >= model.get_input_embeddings().num_embeddings:
        raise StudyError(f"{name} has no tokenizer that fits its model: put its tokenizer.json beside the weights.")
    with new_folder(out) as temporary:
        tokenizer.save_pretrained(temporary)
        if not (temporary / "tokenizer.json").exists():
            raise StudyError(f"{name} has no fast tokenizer (tokenizer.json): choose a model that has one.")
        for file in temporary.iterdir():
            if file.name not in ("tokenizer.json", "tokenizer_config.json"):
                file.unlink()
    save_model(model, out)
    write_metadata(
        Path(out) / "metadata.json",
        source={"folder": path} if source == "folder" else {"hub_id": hub_id, "revision": revision},
        checksums=checksums(out, BASE_FILES),
    )


def obtain_generation(
    out: Path | str,
    *,
    base_model: Path | str,
    key: str,
    source: str,
    hub_id: str | None,
    revision: str | None,
    path: str | None,
) -> None:
    """Put the model of a generation that was trained elsewhere into the run: published checkpoints, say.

    Parameters
    ----------
    out
        The generation's folder: model.safetensors, config.json, metadata.json.
    base_model
        The run's folder of the base model, whose tokenizer the model is used with.
    key
        The config key that names the model, for messages.
    source, hub_id, revision, path
        As for `obtain_base_model`.

    Raises
    ------
    StudyError
        If the model cannot be had, lacks something, or is not of the base model's shape.
    """
    name, options = _place(key, source, hub_id, revision, path)
    model = _fetch(key, source, name, options)
    base = load_model(base_model)
    shapes, wanted = ({part: tuple(p.shape) for part, p in m.named_parameters()} for m in (model, base))
    if shapes != wanted:
        odd = min(shapes.keys() ^ wanted.keys() or (part for part in wanted if shapes[part] != wanted[part]))
        raise StudyError(
            f"The model {name} has not the shape of the base model ({odd}): {key} needs a model that was made from the "
            "base model."
        )
    save_model(model, out)
    out = Path(out)
    write_metadata(
        out / "metadata.json",
        given={"source": source, "hub_id": hub_id, "revision": revision, "path": path},
        checksums=checksums(out, MODEL_FILES),
    )


def _place(
    key: str, source: str, hub_id: str | None, revision: str | None, path: str | None
) -> tuple[Path | str, dict[str, Any]]:
    """Return where a model is, and what loading it from there takes."""
    if source == "folder":
        return check_model_folder(path, f"{key}.path"), {"local_files_only": True}
    if not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        raise StudyError(
            f"{key}.revision is {revision!r}: give the 40 hex digits of a commit of {hub_id}, so that every run gets "
            "the same weights."
        )
    return hub_id, {"revision": revision}


def _fetch(key: str, source: str, name: Path | str, options: Mapping[str, Any]) -> PreTrainedModel:
    """Load a model from where it is: safetensors only, whole, in float32."""
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise StudyError(_cannot_load(key, source, name, error)) from error
    _check_complete(found, name)
    model.config.use_cache = True
    return model


def _cannot_load(key: str, source: str, name: Path | str, error: Exception) -> str:
    what = "base model" if key == "base_model" else "model"
    return (
        f"The {what} {name} cannot be loaded ({_first_line(error)}): correct "
        f"{key}.{'path' if source == 'folder' else 'hub_id'}."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
