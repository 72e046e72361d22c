"""The hardware of this machine."""

import pytest

from bias_amplification.study.machine import gpus_per_job


@pytest.mark.parametrize(
    ("device", "visible", "gpus"),
    [("cuda", "", 1), ("cuda", None, 1), ("cpu", None, 0), ("auto", "", 0), ("auto", "-1", 0)],
)
def test_gpus_per_job(monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, gpus: int) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert gpus_per_job(device) == gpus
