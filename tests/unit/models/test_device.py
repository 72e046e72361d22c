"""The device of a job, and the precision of its products."""

import re

import pytest
import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.models.device import (
    autocast,
    choose_device,
    choose_precision,
    claim_device,
    claim_share,
    tf32_products,
)


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
        ("auto", "cpu", True, "float32"),
        ("auto", "cuda", False, "float32"),
        ("auto", "cuda", True, "bfloat16"),
        ("float32", "cuda", True, "float32"),
        ("bfloat16", "cpu", False, "bfloat16"),
        ("tf32", "cuda", True, "tf32"),
        ("tf32", "cpu", True, "float32"),
    ],
)
def test_auto_is_bfloat16_where_a_gpu_supports_it_natively(monkeypatch, precision, device, native, expected) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)

    assert choose_precision(precision, device) == expected


def test_tf32_is_on_within_its_context_only():
    setting = torch.backends.cuda.matmul
    assert not setting.allow_tf32

    with tf32_products("tf32"):
        assert setting.allow_tf32
        with tf32_products("float32"):
            assert not setting.allow_tf32
        assert setting.allow_tf32
    assert not setting.allow_tf32


@pytest.mark.parametrize(
    ("precision", "expected"), [("bfloat16", torch.bfloat16), ("tf32", torch.float32), ("float32", torch.float32)]
)
def test_products_are_in_bfloat16_under_autocast_only(precision, expected):
    with autocast(precision, "cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 80 GB, of which 20 GB are free."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (20 * 10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")


def test_a_job_that_needs_more_memory_than_is_free_does_not_begin(gpu, capsys):
    claim_device("auto", 19_000)

    assert re.fullmatch(r"a GPU: ready in 0\.\d s, 20,000 MB free\n", capsys.readouterr().out)
    with pytest.raises(StudyError, match=r"has 20,000 of 80,000 MB free, and this job needs about 21,000 MB"):
        claim_device("cuda", 21_000)


def test_a_job_on_the_cpu_claims_nothing(gpu, capsys):
    claim_device("cpu", 21_000)
    assert capsys.readouterr().out == ""


def test_memory_that_the_process_has_reserved_counts_as_free(gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (15 * 10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 9 * 10**9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 3 * 10**9)

    claim_share(torch.device("cuda"), 0.25)
    claim_share(torch.device("cpu"), 1.0)
    with pytest.raises(StudyError, match=r"has 21,000 of 80,000 MB free, and this job needs about 24,000 MB"):
        claim_share(torch.device("cuda"), 0.3)
