"""Model folders in Hugging Face format, checked without loading them."""

import json
from pathlib import Path

from bias_amplification.artifacts.atomic import StudyError


def check_model_folder(folder: Path | str, key: str = "base_model.path") -> Path:
    """Check that a folder holds a model in Hugging Face format, before hours are spent.

    Raises
    ------
    StudyError
        Naming the folder, what it lacks and the config key.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(f"{folder} is no folder: give {key} a model in Hugging Face format.")
    if not (folder / "config.json").exists():
        raise StudyError(f"{folder} has no config.json: give {key} a model in Hugging Face format.")
    weights = list(folder.glob("*.safetensors"))
    if not weights:
        raise StudyError(
            f"{folder} has no weights in safetensors (model.safetensors): convert them (pickled weights are never "
            f"loaded) or correct {key}."
        )
    for file in weights:
        _check_safetensors(file)
    return folder


def _check_safetensors(file: Path) -> None:
    """Compare the file's size with what its header announces."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= min(size, 100_000_000):
                raise ValueError("its header is not whole")
            header = json.loads(stream.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        if size != 8 + length + end:
            raise ValueError(f"it has {size} bytes instead of {8 + length + end}")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{file} is not a whole safetensors file ({error}): delete it and run snakemake again, or fetch it anew."
        ) from error
