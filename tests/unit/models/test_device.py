"""The device of a job, and whether it trains in bfloat16."""

import pytest
import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.models.device import choose_device, use_bfloat16


def test_auto_is_cuda_where_there_is_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


def test_cuda_without_a_gpu_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(StudyError, match=r"compute\.device is cuda, but PyTorch finds no CUDA device here"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("precision", "device", "native", "expected"),
    [
        ("auto", "cpu", True, False),
        ("auto", "cuda", False, False),
        ("auto", "cuda", True, True),
        ("float32", "cuda", True, False),
        ("bfloat16", "cpu", False, True),
    ],
)
def test_auto_is_bfloat16_where_a_gpu_supports_it_natively(monkeypatch, precision, device, native, expected) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)

    assert use_bfloat16(precision, device) is expected
