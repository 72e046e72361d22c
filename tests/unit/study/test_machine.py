"""The hardware of this machine."""

from pathlib import Path

import pytest

from bias_amplification.study import machine


@pytest.mark.parametrize("present", ["nvidia0", "dxg", "nvidiactl", None])
@pytest.mark.parametrize("visible", [None, "0", "", "-1"])
def test_auto_asks_for_a_gpu_that_is_there_and_not_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, present: str | None, visible: str | None
) -> None:
    monkeypatch.setattr(machine, "_DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if present:
        (tmp_path / present).touch()
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    expected = present in ("nvidia0", "dxg") and visible in (None, "0")
    assert machine.gpus_per_job("auto") == expected
    assert (machine.gpus_per_job("cuda"), machine.gpus_per_job("cpu")) == (1, 0)
