"""Load and save language models and tokenizers: safetensors only, and no code from model folders."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.activations import NewGELUActivation

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import new_folder, one_line
from bias_amplification.artifacts.provenance import check_made_here
from bias_amplification.models.folders import MODEL_FILES, check_model_folder, keep_only
from bias_amplification.models.loaded import check_loaded, read_config
from bias_amplification.models.special_tokens import ids_in, read_tokenizer


def read_model(place: Path | str, **options: Any) -> PreTrainedModel:
    """Read a causal language model in float32.

    Parameters
    ----------
    place
        A folder, or a hub's name of a model.
    options
        Further arguments of `from_pretrained`.

    Raises
    ------
    ValueError
        In one line, if the model cannot be read, or would compute with other weights than its files have
        (see `check_loaded`).
    """
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            place,
            config=read_config(place, **options),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **options,
        )
    except Exception as error:  # transformers raises OSError, ValueError, SafetensorError and more
        raise ValueError(one_line(error)) from error
    check_loaded(model, found)
    return model


def max_positions(model: torch.nn.Module) -> float:
    """Return the largest number of tokens that a model can read at once; infinity if its config sets no limit."""
    return getattr(model.config, "max_position_embeddings", None) or math.inf


def load_model(folder: Path | str, device: str = "cpu") -> PreTrainedModel:
    """Load a causal language model that the run has made, in float32 and in `eval` mode.

    Parameters
    ----------
    folder
        Folder with config.json and model.safetensors. If it has a metadata.json, the files must have the checksums
        recorded there.
    device
        Device of the model.

    Raises
    ------
    StudyError
        If a file is missing, damaged or another than the run made.
    """
    start = time.perf_counter()
    folder = check_model_folder(folder)
    check_made_here(folder, MODEL_FILES)
    try:
        model = read_model(folder, local_files_only=True)
    except ValueError as error:
        raise StudyError(
            f"{folder} does not hold a causal language model ({error}): delete its model.safetensors and config.json "
            "and run snakemake again."
        ) from error
    fuse_activations(model)
    if device == "cpu":
        return model.eval()
    read = time.perf_counter()
    model = model.to(device).eval()
    seconds = f"{read - start:.1f} s, moved to the GPU in {time.perf_counter() - read:.1f} s"
    print(f"{folder}: read in {seconds}", flush=True)
    return model


def to_bfloat16(model: PreTrainedModel) -> PreTrainedModel:
    """Round a model's weights to bfloat16, in place. Its buffers stay: rotary positions need their precision."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    return model


def fuse_activations(model: torch.nn.Module) -> None:
    """Replace GPT-2's GELU, which computes in eight passes, by PyTorch's, which computes in one.

    The results differ by rounding only; the model's config keeps the activation's name.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, torch.nn.GELU(approximate="tanh"))


def save_model(model: PreTrainedModel, folder: Path | str) -> None:
    """Write model.safetensors and config.json, each completely or not at all."""
    # Training switches the cache off. A config that says so would make generation slow for users of the model.
    model.config.use_cache = True
    with new_folder(folder) as temporary:
        model.save_pretrained(temporary)
        keep_only(temporary, MODEL_FILES)


def load_tokenizer(folder: Path | str, key: str | None = None) -> Tokenizer:
    """Load a folder's tokenizer.json.

    Parameters
    ----------
    folder
        A folder that the run has made, whose file must have the checksum in its metadata.json, or one of the user's.
    key
        The config key that names the user's folder; None for the run's own.

    Raises
    ------
    StudyError
        If the file is missing, damaged or, in a folder of the run, another than the run made.
    """
    file = Path(folder) / "tokenizer.json"
    if not file.exists():
        remedy = f"give {key} a folder with a fast tokenizer's tokenizer.json" if key else "run snakemake again"
        raise StudyError(f"{file} does not exist: {remedy}.")
    if key is None:
        check_made_here(folder, ["tokenizer.json"])
    return read_tokenizer(file, key)


def end_tokens(model: PreTrainedModel) -> list[int]:
    """Return the ids that end a text. The first is the one that is learned, and it pads batches.

    Raises
    ------
    StudyError
        If the model's config has no such token.
    """
    ends = ids_in(model.config.eos_token_id)
    if not ends:
        raise StudyError(
            "The base model's config.json has no eos_token_id: add it, because this token ends texts and pads batches."
        )
    return ends


def end_token(model: PreTrainedModel) -> int:
    """Return the first of `end_tokens`: the end-of-text token that is learned, and that pads batches."""
    return end_tokens(model)[0]
