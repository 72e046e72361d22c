"""Model folders in Hugging Face format: their files, and checks that do not load PyTorch."""

import errno
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.models.architectures import PLAIN_HEADS

#: Files of a model without a tokenizer. Generations are such models: they use the base model's tokenizer.
MODEL_FILES = ("model.safetensors", "config.json")

#: Files of a model with a tokenizer: the base model and every sequence classifier.
MODEL_AND_TOKENIZER_FILES = (*MODEL_FILES, "tokenizer.json", "tokenizer_config.json")

#: A tokenizer has at least one of these files. Older models have a vocabulary instead of tokenizer.json.
TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)

#: Names the file of each tensor where the weights are in several files.
INDEX = "model.safetensors.index.json"

#: Names of files with pickled weights, for a message.
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")

#: Files of a model's folder that this package or transformers reads, beside weights.
_READ = frozenset(
    {"config.json", "generation_config.json", "adapter_config.json", INDEX}
    | {*TOKENIZERS, "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}
)


class ModelFolders(NamedTuple):
    """The folder of a language model and the folder of its tokenizer, which for a generation is the base model's."""

    model: Path | str
    tokenizer: Path | str


def source_files(folder: Path | str) -> list[str]:
    """List the files of a model folder, sorted, so that a rule can have them as inputs."""
    return [str(file) for file in sorted(Path(folder).iterdir()) if file.suffix in (".json", ".safetensors")]


def keep_only(folder: Path | str, names: Sequence[str]) -> None:
    """Remove all files of a folder except the named ones: libraries save more than is needed."""
    for file in Path(folder).iterdir():
        if file.name not in names:
            file.unlink()


def read_json(file: Path, key: str | None = None) -> dict[str, Any]:
    """Read a JSON file of a model's folder; empty if the file does not exist.

    Parameters
    ----------
    file
        For example a config.json.
    key
        The config key that names the folder; None for a folder of the run.

    Raises
    ------
    StudyError
        If the file holds something else than a JSON object.
    """
    _check_file(file, key)
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it is a {type(content).__name__}")
    except (ValueError, RecursionError, OSError) as error:
        remedy = f"give {key} a model in Hugging Face format" if key else "delete the folder and run snakemake again"
        raise StudyError(f"{file} is not a JSON object ({one_line(error)}): {remedy}.") from error
    return content


def _check_file(file: Path, key: str | None) -> None:
    """Check that a file can be read, if there is one: it is no folder, no link that leads nowhere, and not locked."""
    again = f"copy or download it again, or correct {key}" if key else "delete it and run snakemake again"
    try:
        if not file.exists():
            if file.is_symlink():
                raise StudyError(f"{file} is a link that leads nowhere (to {os.readlink(file)}): {again}.")
            return
        if not file.is_file():
            found = "a folder" if file.is_dir() else "a device or a pipe"
            raise StudyError(f"{file} is {found}, but must be a file: {again}.")
        if not os.access(file, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unreadable(file, error, key) from error


def _unreadable(place: Path, error: OSError, key: str | None) -> StudyError:
    remedy = f"change its access rights, or correct {key}" if key else "change its access rights"
    return StudyError(f"{place} cannot be read ({error.strerror or one_line(error)}): {remedy}.")


def check_model_folder(folder: Path | str, key: str | None = None, *, tokenizer: bool = False) -> Path:
    """Check that a folder holds a model in Hugging Face format.

    Parameters
    ----------
    folder
        Must hold config.json and weights in safetensors, in one file or several.
    key
        The config key that names the folder; None for a folder that the run itself makes.
    tokenizer
        Whether the folder must hold a tokenizer too.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StudyError
        If a file is missing or damaged. The message names the folder, the fault and the remedy.
    """
    folder = Path(folder)
    remedy = f"give {key} a model in Hugging Face format" if key else "delete the folder and run snakemake again"
    check_readable(folder, key)
    if not (folder / "config.json").exists():
        raise StudyError(f"{folder} has no config.json: {remedy}.")
    if key:  # load_model compares the run's own files with their checksums
        read_json(folder / "config.json", key)
    weights = _weights(folder)
    if not weights:
        found = next((file.name for pattern in _PICKLED for file in sorted(folder.glob(pattern))), None)
        beside = f", but {found}, whose pickled weights are never loaded" if found else ""
        if key and found:
            remedy = f"convert them with transformers' save_pretrained, or correct {key}"
        raise StudyError(f"{folder} has no weights in safetensors (model.safetensors){beside}: {remedy}.")
    again = f"download it again, or correct {key}" if key else "delete it and run snakemake again"
    if tokenizer and not any((folder / name).is_file() for name in TOKENIZERS):
        raise StudyError(f"{folder} has no tokenizer (tokenizer.json): {remedy}.")
    for file in weights:
        try:
            _read_header(file)
        except _FAULTS as error:
            raise StudyError(f"{file} is not a whole safetensors file ({error}): {again}.") from error
    if not (folder / "model.safetensors").exists():
        _check_index(folder, again)
    return folder


def check_readable(folder: Path | str, key: str | None = None) -> None:
    """Check that a model's folder can be read, and each of its files that are.

    Raises
    ------
    StudyError
        If the folder is missing, or if a file is a folder, a link that leads nowhere, or without permission to read it.
        `key` is the config key that names the folder, None for a folder of the run.
    """
    folder = Path(folder)
    remedy = f"give {key} a model in Hugging Face format" if key else "delete the folder and run snakemake again"
    try:
        if not folder.is_dir():
            raise StudyError(f"{folder} is not a folder: {remedy}.")
        if not os.access(folder, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        files = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error, key) from error
    for file in files:
        if file.name in _READ or file.suffix == ".safetensors":
            _check_file(file, key)


def _check_index(folder: Path, remedy: str) -> None:
    """Check that the index of weights in several files exists, and that the files hold the tensors that it names."""
    held: dict[str, set[str]] = {}
    try:
        named = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].items()
        if not named:
            raise ValueError("it names no weights")
        for tensor, name in named:
            if not isinstance(name, str) or name != Path(name).name or not name.endswith(".safetensors"):
                raise ValueError(
                    f"the file of {tensor} is {str(name)[:100]!r}, which names no safetensors file beside it"
                )
            file = folder / name
            if name not in held:
                if not file.exists():
                    raise StudyError(f"{file} does not exist, but {INDEX} beside it names it: {remedy}.")
                held[name] = set(_read_header(file))
            if tensor not in held[name]:
                raise StudyError(f"{file} lacks the tensor {tensor}, which {INDEX} beside it names: {remedy}.")
    except FileNotFoundError:
        raise StudyError(f"{folder} has parts of a model but not their index {INDEX}: {remedy}.") from None
    except _FAULTS as error:
        raise StudyError(f"{folder / INDEX} is damaged ({one_line(error)}): {remedy}.") from error


def count_parameters(folder: Path | str) -> int:
    """Count the parameters in a folder's safetensors files, whatever their precision.

    Raises
    ------
    StudyError
        If the folder is not a model folder, or a file is cut short.
    """
    return sum(math.prod(entry["shape"]) for entry in tensors(check_model_folder(folder)).values())


def tensors(folder: Path | str) -> dict[str, dict[str, Any]]:
    """Return the entry of each tensor in the headers of a folder's safetensors files, by name.

    An entry has the `shape` and the `dtype`. Files that are damaged are left out, and files beside the parts of a model
    that its index does not name: another precision or an adapter, which are not loaded.
    """
    entries: dict[str, dict[str, Any]] = {}
    files = _weights(Path(folder))
    if not (Path(folder) / "model.safetensors").exists():
        with suppress(*_FAULTS):
            named = set(json.loads((Path(folder) / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
            files = [file for file in files if file.name in named]
    for file in files:
        with suppress(*_FAULTS):
            entries |= _read_header(file)
    return entries


class Shape(NamedTuple):
    """The parts of a transformer's size that determine how much memory it needs.

    Attributes
    ----------
    layers, width, heads, vocabulary
        Number of blocks, width of the hidden state, number of attention heads, number of tokens.
    plain
        Whether the logits can be computed some rows at a time (see `PLAIN_HEADS`).
    keys
        Width of a token's keys, and of its values, in a block. None where it is the hidden state's width; it differs
        where heads share keys or are wider than usual.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    plain: bool = True
    keys: int | None = None


#: Names in config.json of layers, width, heads and vocabulary; they differ by architecture.
SHAPE_NAMES = (
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
        A folder that passes `check_model_folder`.

    Returns
    -------
    Shape or None
        None if the file lacks a part of the shape, or gives it as something else than a positive whole number.
    """
    config = read_json(Path(folder) / "config.json")
    text = config.get("text_config")
    config = text if isinstance(text, dict) else config
    found = [next((config[name] for name in names if name in config), None) for names in SHAPE_NAMES]
    if not all(type(size) is int and size > 0 for size in found):
        return None
    layers, width, heads, vocabulary = found
    keys = _whole(config, "num_key_value_heads", heads) * _whole(config, "head_dim", width // heads)
    plain = config.get("model_type") in PLAIN_HEADS
    return Shape(layers, width, heads, vocabulary, plain, None if keys == width else keys)


def _whole(config: Mapping[str, Any], name: str, otherwise: int) -> int:
    size = config.get(name)
    return size if type(size) is int and size > 0 else otherwise


def _weights(folder: Path) -> list[Path]:
    """List the weight files of a folder that are read: model.safetensors or, without it, all parts.

    Hidden files are skipped: they are unfinished, or left by a killed job.
    """
    whole = folder / "model.safetensors"
    if whole.exists():
        return [whole]
    return sorted(file for file in folder.glob("*.safetensors") if not file.name.startswith("."))


#: Errors that reading a damaged file can raise.
_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError)


def _read_header(file: Path) -> dict[str, dict[str, Any]]:
    """Return the entry of each tensor in a file's header, after checking that the file has the size they imply."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= min(size, 100_000_000):
            raise ValueError("its header is cut short")
        header = json.loads(stream.read(length))
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for name, entry in entries.items():
        sizes = [*entry["shape"], *entry["data_offsets"]]
        if not isinstance(entry["dtype"], str) or not all(type(one) is int and one >= 0 for one in sizes):
            raise ValueError(f"the entry of {name} in its header is damaged")
    end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    if size != 8 + length + end:
        raise ValueError(f"it has {size} bytes instead of {8 + length + end}")
    return entries
