"""Saved state of unfinished jobs."""

import os
import signal
import subprocess
import time

import pytest
import torch

from bias_amplification.artifacts.checkpoint import Checkpoint, fingerprint
from helpers import mount


@pytest.fixture(autouse=True)
def usual_signals():
    """Set Python's own handlers. A shell that runs the tests in the background ignores Ctrl-C."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def layer(weight: float) -> torch.nn.Module:
    made = torch.nn.Linear(2, 2, bias=False)
    torch.nn.init.constant_(made.weight, weight)
    return made


def test_state_of_the_same_job_is_restored_exactly(tmp_path):
    path = tmp_path / "state" / "a" / "job.safetensors"
    tensors = {"x": torch.rand(3, 4), "n": torch.arange(3)}
    first = Checkpoint(path, seconds=0)
    assert first.open(layer(1), {"rate": 0.1}) is None
    first.save(tensors, {"losses": [0.1, 1 / 3, float("nan")]})

    found, facts = Checkpoint(path).open(layer(1), {"rate": 0.1})

    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert facts["losses"][:2] == [0.1, 1 / 3]
    assert [file.name for file in path.parent.iterdir()] == ["job.safetensors"]


def test_state_has_the_time_of_all_earlier_processes(tmp_path, monkeypatch):
    now, cpu = [0.0], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "process_time", lambda: cpu[0])

    def work(seconds: float) -> Checkpoint:
        now[0] += 1000
        checkpoint = Checkpoint(tmp_path / "job.safetensors")
        checkpoint.open("key")
        now[0] += seconds
        cpu[0] = 2 * seconds
        checkpoint.save({"x": torch.ones(1)}, {})
        return checkpoint

    found = [(job.earlier_seconds, job.earlier_cpu_seconds) for job in map(work, (7, 5, 1))]

    assert found == [(0, 0), (7, 14), (12, 24)]


@pytest.mark.parametrize("parts", [[layer(0), {"rate": 0.1}], [layer(1), {"rate": 0.2}]])
def test_state_of_other_inputs_or_parameters_is_not_used(tmp_path, parts, capsys):
    first = Checkpoint(tmp_path / "job.safetensors")
    first.open(layer(1), {"rate": 0.1})
    first.save({"x": torch.ones(1)}, {})

    assert Checkpoint(tmp_path / "job.safetensors").open(*parts) is None
    assert "belongs to other inputs" in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, 5, 90])
def test_truncated_state_is_not_used(tmp_path, size, capsys):
    path = tmp_path / "job.safetensors"
    first = Checkpoint(path)
    first.open("key")
    first.save({"x": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:size])

    assert Checkpoint(path).open("key") is None
    assert "cannot be read" in capsys.readouterr().out


def test_state_is_removed_and_its_folder_stays_for_other_jobs(tmp_path):
    folder = tmp_path / "state" / "rounds"
    checkpoint = Checkpoint(folder / "job.safetensors", seconds=0)
    checkpoint.open("key")
    assert checkpoint.due()
    checkpoint.save({"x": torch.ones(1)}, {})
    assert list(folder.iterdir())

    checkpoint.remove()

    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_nothing_is_saved_without_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint(seconds=0)

    assert checkpoint.open("key") is None
    checkpoint.save({"x": torch.ones(1)}, {})
    checkpoint.remove()

    assert not checkpoint.due()
    assert list(tmp_path.iterdir()) == []


def test_fingerprints_of_different_values_differ():
    one = torch.arange(4.0)
    different = [
        fingerprint({"a": one}),
        fingerprint({"b": one}),
        fingerprint({"a": one.reshape(2, 2)}),
        fingerprint({"a": one.to(torch.float64)}),
        fingerprint({"a": one + 1e-7}),
        fingerprint({"a": one}, 1),
        fingerprint({"a": one}, "1"),
    ]

    assert len(set(different)) == len(different)
    assert fingerprint({"a": one}, [1, 2]) == fingerprint({"a": one.clone()}, (1, 2))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_to_end_wait_until_the_state_is_saved(tmp_path, capsys, number):
    checkpoint = Checkpoint(tmp_path / "job.safetensors", seconds=1e9)
    checkpoint.open("key")
    assert not checkpoint.due()

    os.kill(os.getpid(), number)

    assert checkpoint.due()
    with pytest.raises(SystemExit) as end:
        checkpoint.save({"x": torch.ones(1)}, {"done": 3})
    assert end.value.code == 128 + number
    assert "Asked to end: state is saved" in capsys.readouterr().out
    assert Checkpoint(tmp_path / "job.safetensors").open("key")[1] == {"done": 3}


def test_second_ctrl_c_ends_at_once(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "job.safetensors", seconds=1e9)
    checkpoint.open("key")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    os.kill(os.getpid(), signal.SIGINT)
    # The terminal and the parent process pass on the same Ctrl-C.
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert checkpoint.due()
    monkeypatch.setattr(time, "monotonic", lambda: now + 2)

    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_ignored_ctrl_c_stays_ignored(tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    checkpoint = Checkpoint(tmp_path / "job.safetensors", seconds=1e9)
    checkpoint.open("key")

    os.kill(os.getpid(), signal.SIGINT)

    assert not checkpoint.due()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_handlers_are_restored_after_the_work(tmp_path, number):
    before = signal.getsignal(number)
    checkpoint = Checkpoint(tmp_path / "job.safetensors")
    checkpoint.open("key")
    assert signal.getsignal(number) != before

    checkpoint.remove()

    assert signal.getsignal(number) == before


def test_state_with_a_flipped_bit_is_not_used(tmp_path, capsys):
    path = tmp_path / "job.safetensors"
    first = Checkpoint(path)
    first.open("key")
    first.save({"x": torch.ones(100)}, {})
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)

    assert Checkpoint(path).open("key") is None
    assert "its checksum is wrong" in capsys.readouterr().out


@pytest.fixture
def full_disk(tmp_path):
    """Mount a disk that is too small for the larger states of these tests."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "none", folder)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_does_not_end_the_job(full_disk, capsys):
    checkpoint = Checkpoint(full_disk / "job.safetensors", seconds=0)
    checkpoint.open("key")
    checkpoint.save({"x": torch.ones(10)}, {"done": 1})

    checkpoint.save({"x": torch.ones(100_000)}, {"done": 2})

    said = capsys.readouterr().out
    assert said == (
        f"State cannot be saved ({full_disk}/job.safetensors: No space left on device): the job continues and will try "
        "again; make room.\n"
    )
    assert checkpoint.due()
    assert [path.name for path in full_disk.iterdir()] == ["job.safetensors"]
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit):
        checkpoint.save({"x": torch.ones(100_000)}, {"done": 3})
    said = capsys.readouterr().out
    assert said.startswith("Asked to end: state cannot be saved") and said.count("\n") == 1
    assert Checkpoint(full_disk / "job.safetensors").open("key")[1] == {"done": 1}
