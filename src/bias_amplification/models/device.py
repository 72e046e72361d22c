"""The device that a job computes on, and whether training there uses bfloat16."""

from contextlib import nullcontext
from typing import Any

import torch

from bias_amplification.artifacts import StudyError


def choose_device(wanted: str) -> str:
    """Return the device for a value of the config's `compute.device`.

    Parameters
    ----------
    wanted
        "auto", "cpu" or "cuda"; "auto" is CUDA if PyTorch finds a GPU, and the CPU otherwise.

    Raises
    ------
    StudyError
        If `wanted` is "cuda" and PyTorch finds no GPU.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise StudyError("compute.device is cuda, but PyTorch finds no CUDA device here: set it to auto or cpu.")
    return wanted


def device_memory(device: torch.device) -> int | None:
    """Return the total memory of a GPU in bytes; None for a CPU."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def use_bfloat16(precision: str, device: str) -> bool:
    """Return whether training runs under bfloat16 autocast; "auto" uses it on GPUs that support it natively."""
    if precision == "auto":
        return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


def autocast(bfloat16: bool, device: str) -> Any:
    """Return a context in which matrix products run in bfloat16, or a context that changes nothing."""
    return torch.autocast(device, dtype=torch.bfloat16) if bfloat16 else nullcontext()
