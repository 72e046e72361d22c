"""Model folders in Hugging Face format, checked without loading them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bias_amplification.artifacts.atomic import StudyError


def check_model_folder(folder: Path | str, key: str | None = "base_model.path") -> Path:
    """Check that a folder holds a model in Hugging Face format, before hours are spent.

    Parameters
    ----------
    folder
        With config.json and weights in safetensors.
    key
        The config key that names the folder; None for one that the run has made.

    Raises
    ------
    StudyError
        Naming the folder, what it lacks and the remedy.
    """
    folder = Path(folder)
    remedy = f"give {key} a model in Hugging Face format" if key else "run snakemake again to make it"
    if not folder.is_dir():
        raise StudyError(f"{folder} is no folder: {remedy}.")
    if not (folder / "config.json").exists():
        raise StudyError(f"{folder} has no config.json: {remedy}.")
    if key:  # the run's own files are compared with their checksums
        try:
            _read_config(folder)
        except ValueError as error:
            raise StudyError(f"{folder}/config.json is no JSON object ({error}): {remedy}.") from error
    weights = _weights(folder)
    if not weights:
        convert = f"convert them (pickled weights are never loaded) or correct {key}" if key else remedy
        raise StudyError(f"{folder} has no weights in safetensors (model.safetensors): {convert}.")
    for file in weights:
        try:
            _read_header(file)
        except _FAULTS as error:
            remedy = f"fetch it anew, or correct {key}" if key else "delete it and run snakemake again"
            raise StudyError(f"{file} is not a whole safetensors file ({error}): {remedy}.") from error
    return folder


def count_parameters(folder: Path | str) -> int:
    """Count the numbers in a folder's safetensors files, whatever their precision.

    Raises
    ------
    StudyError
        If a file is not whole.
    """
    tensors = [entry for file in _weights(check_model_folder(folder)) for entry in _read_header(file)]
    return sum(math.prod(entry["shape"]) for entry in tensors)


#: Architectures whose logits are the head's weights times the last hidden state and nothing else.
PLAIN_HEADS = frozenset({"gpt2", "opt", "gpt_neox", "gpt_neo", "llama", "mistral", "qwen2", "qwen3"})


class Shape(NamedTuple):
    """What of a transformer's size decides how much memory it computes in.

    Attributes
    ----------
    layers, width, heads, vocabulary
        Blocks, units of the hidden state, attention heads, tokens.
    plain
        Whether its logits can be made some rows at a time.
    keys
        Width of a token's keys, and of its values, in a block where heads share them or are wider than usual; None: the
        hidden state's.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    plain: bool = True
    keys: int | None = None


#: What config.json calls a shape's parts, in their order; it differs by architecture.
_SHAPE_NAMES = (
    ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    ("hidden_size", "n_embd", "dim", "d_model"),
    ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    ("vocab_size",),
)


def read_shape(folder: Path | str) -> Shape | None:
    """Read a model's shape from a folder's config.json.

    Parameters
    ----------
    folder
        One that `check_model_folder` has found right.

    Returns
    -------
    Shape or None
        None if the file does not tell all of it, in whole numbers.
    """
    config = _read_config(Path(folder))
    text = config.get("text_config")
    config = text if isinstance(text, dict) else config
    found = [next((config[name] for name in names if name in config), None) for names in _SHAPE_NAMES]
    if not all(type(size) is int and size > 0 for size in found):
        return None
    layers, width, heads, vocabulary = found
    keys = _whole(config, "num_key_value_heads", heads) * _whole(config, "head_dim", width // heads)
    plain = config.get("model_type") in PLAIN_HEADS
    return Shape(layers, width, heads, vocabulary, plain, None if keys == width else keys)


def _whole(config: Mapping[str, Any], name: str, otherwise: int) -> int:
    size = config.get(name)
    return size if type(size) is int and size > 0 else otherwise


def _read_config(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"but {type(config).__name__}")
    return config


def _weights(folder: Path) -> list[Path]:
    """Weights in a folder; hidden files are what a writer has under way, or a killed one has left."""
    return sorted(file for file in folder.glob("*.safetensors") if not file.name.startswith("."))


#: What a header that is not whole, or is none, can lead to.
_FAULTS = (ValueError, LookupError, TypeError, AttributeError)


def _read_header(file: Path) -> list[dict[str, Any]]:
    """Return what a file's header says of its tensors, after comparing the file's size with what it announces."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= min(size, 100_000_000):
            raise ValueError("its header is not whole")
        header = json.loads(stream.read(length))
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    end = max((entry["data_offsets"][1] for entry in tensors), default=0)
    if size != 8 + length + end:
        raise ValueError(f"it has {size} bytes instead of {8 + length + end}")
    return tensors
