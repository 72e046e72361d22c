"""The device that a job computes on, and the precision of matrix products there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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


def claim_device(wanted: str, needed_mb: int) -> None:
    """Start a GPU for a job, say how long that took, and refuse to begin if its free memory is too small for the job.

    Parameters
    ----------
    wanted
        As for `choose_device`; nothing is done for a CPU.
    needed_mb
        Memory of the GPU that the job is expected to need, MB.

    Raises
    ------
    StudyError
        If less is free, because other jobs or programs use the GPU.
    """
    if choose_device(wanted) != "cuda":
        return
    start = time.perf_counter()
    free, total = (number / 1e6 for number in torch.cuda.mem_get_info())
    seconds = time.perf_counter() - start
    print(f"{torch.cuda.get_device_name()}: ready in {seconds:.1f} s, {free:,.0f} MB free", flush=True)
    _check_free(free, total, needed_mb)


def claim_share(device: torch.device, share: float) -> None:
    """Refuse to go on if less than a share of a GPU's memory is free for this process; nothing is done for a CPU."""
    if device.type == "cuda":
        free, total = (number / 1e6 for number in torch.cuda.mem_get_info(device))
        free += (torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)) / 1e6
        _check_free(free, total, share * total)


def _check_free(free: float, total: float, needed: float) -> None:
    """Raise an error if less memory is free than needed; all in MB."""
    if free < needed:
        raise StudyError(
            f"The GPU has {free:,.0f} of {total:,.0f} MB free, and this job needs about {needed:,.0f} MB: end other "
            "programs there, or run fewer jobs at once (--resources gpu=1, or gpu_mb=MB for the sum of all jobs)."
        )


def device_memory(device: torch.device) -> int | None:
    """Return the total memory of a GPU in bytes; None for a CPU."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def choose_precision(wanted: str, device: str) -> str:
    """Return the precision of a training for a value of the config's `compute.precision`.

    Parameters
    ----------
    wanted
        "float32", "tf32", "bfloat16" or "auto"; "auto" is bfloat16 on a GPU that supports it natively, and float32
        otherwise.
    device
        "cpu" or "cuda". Only a GPU has TF32: on a CPU, "tf32" is "float32".
    """
    if wanted == "auto":
        native = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bfloat16" if native else "float32"
    return "float32" if wanted == "tf32" and device == "cpu" else wanted


def autocast(precision: str, device: str) -> Any:
    """Return a context in which matrix products run in bfloat16 if that is the precision; weights stay in float32."""
    # The cache of converted weights saves nothing, because a step uses each weight once; a CUDA graph cannot have it.
    return torch.autocast(device, torch.bfloat16, cache_enabled=False) if precision == "bfloat16" else nullcontext()


@contextmanager
def products_in(precision: str, device: str) -> Iterator[None]:
    """Compute the products of a model that is only read in a precision within a context.

    Parameters
    ----------
    precision
        "float32", "tf32" or "bfloat16" (autocast).
    device
        "cpu" or "cuda".
    """
    with autocast(precision, device), tf32_products(precision):
        yield


@contextmanager
def tf32_products(precision: str) -> Iterator[None]:
    """Let a GPU round the factors of float32 products to 10 bits within a context if the precision is "tf32"."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
