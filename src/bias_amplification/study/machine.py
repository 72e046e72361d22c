"""What hardware this machine has, found out without loading PyTorch."""

import os
from pathlib import Path

#: The folder in which Linux lists devices. `dxg` is a GPU under the Windows Subsystem for Linux.
_DEVICES = Path("/dev")


def gpus_per_job(device: str) -> int:
    """Return how many GPUs a job that computes with a model asks for: 1 if it will use one, else 0.

    Parameters
    ----------
    device
        The config's `compute.device`. "auto" looks for an NVIDIA device that `CUDA_VISIBLE_DEVICES` does not hide. On
        a cluster whose head node has no GPU, use "cuda".
    """
    if device == "cuda":
        return 1
    if device == "cpu" or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return 0
    return int(any(_DEVICES.glob("nvidia[0-9]*")) or (_DEVICES / "dxg").exists())
