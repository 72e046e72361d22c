"""What the machine offers, found without loading PyTorch."""

import os
from pathlib import Path


def gpus_per_job(device: str) -> int:
    """Tell how many GPUs a job that computes with a model should ask for: 1 where one will be used, else 0.

    Parameters
    ----------
    device
        The config's `compute.device`. "auto" looks for an NVIDIA device that the environment does not hide; on a
        cluster whose head node has none, set "cuda".
    """
    if device == "cuda":
        return 1
    if device == "cpu" or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return 0
    return int(any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists())
