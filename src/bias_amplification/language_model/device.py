"""The device a job computes on, and the precision that is safe there."""

from contextlib import nullcontext
from typing import Any

import torch

from bias_amplification.artifacts import StudyError


def choose_device(wanted: str) -> str:
    """Turn the config's `compute.device` into a device.

    Parameters
    ----------
    wanted
        "auto", "cpu" or "cuda".

    Raises
    ------
    StudyError
        If "cuda" is wanted and there is none.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise StudyError("compute.device is cuda, but PyTorch finds no CUDA device here: set it to auto or cpu.")
    return wanted


def device_memory(device: torch.device) -> int | None:
    """Return a GPU's whole memory in bytes; None for a CPU."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def use_bfloat16(precision: str, device: str) -> bool:
    """Tell whether training runs under bfloat16 autocast: if asked for, or on `auto` where the GPU has it natively."""
    if precision == "auto":
        return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


def autocast(bfloat16: bool, device: str) -> Any:
    """Return a context in which matrix products run in bfloat16, or one that changes nothing."""
    return torch.autocast(device, dtype=torch.bfloat16) if bfloat16 else nullcontext()
