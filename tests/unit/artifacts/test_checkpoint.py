"""The state of unfinished jobs."""

import os
import signal
import subprocess

import pytest
import torch

from bias_amplification.artifacts.checkpoint import Checkpoint, fingerprint


@pytest.fixture(autouse=True)
def usual_signals():
    """Handlers as Python sets them, also where the tests run in the background of a shell that ignores Ctrl-C."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def layer(weight: float) -> torch.nn.Module:
    made = torch.nn.Linear(2, 2, bias=False)
    torch.nn.init.constant_(made.weight, weight)
    return made


def test_comes_back_exactly_under_the_same_key(tmp_path):
    path = tmp_path / "state" / "a" / "job.safetensors"
    tensors = {"x": torch.rand(3, 4), "n": torch.arange(3)}
    first = Checkpoint(path, seconds=0)
    assert first.open(layer(1), {"rate": 0.1}) is None
    first.save(tensors, {"losses": [0.1, 1 / 3, float("nan")]})

    found, facts = Checkpoint(path).open(layer(1), {"rate": 0.1})

    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert facts["losses"][:2] == [0.1, 1 / 3]
    assert [file.name for file in path.parent.iterdir()] == ["job.safetensors"]


@pytest.mark.parametrize("parts", [[layer(0), {"rate": 0.1}], [layer(1), {"rate": 0.2}]])
def test_state_of_other_inputs_or_parameters_is_not_used(tmp_path, parts, capsys):
    first = Checkpoint(tmp_path / "job.safetensors")
    first.open(layer(1), {"rate": 0.1})
    first.save({"x": torch.ones(1)}, {})

    assert Checkpoint(tmp_path / "job.safetensors").open(*parts) is None
    assert "belongs to other inputs" in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, 5, 90])
def test_a_damaged_state_is_as_good_as_none(tmp_path, size, capsys):
    path = tmp_path / "job.safetensors"
    first = Checkpoint(path)
    first.open("key")
    first.save({"x": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:size])

    assert Checkpoint(path).open("key") is None
    assert "cannot be read" in capsys.readouterr().out


def test_nothing_is_kept_without_a_path_and_nothing_left_after_removal(tmp_path):
    nowhere = Checkpoint()
    nowhere.save({"x": torch.ones(1)}, {})
    nowhere.remove()
    assert not nowhere.due()
    kept = Checkpoint(tmp_path / "state" / "rounds" / "a" / "job.safetensors", seconds=0)
    kept.open("key")
    kept.save({"x": torch.ones(1)}, {})
    assert kept.due() == (kept.seconds == 0)

    kept.remove()

    assert list((tmp_path / "state").iterdir()) == []


def test_fingerprints_tell_bytes_shapes_names_and_facts_apart():
    one = torch.arange(4.0)
    prints = [
        fingerprint({"a": one}),
        fingerprint({"b": one}),
        fingerprint({"a": one.reshape(2, 2)}),
        fingerprint({"a": one.to(torch.float64)}),
        fingerprint({"a": one + 1e-7}),
        fingerprint({"a": one}, 1),
        fingerprint({"a": one}, "1"),
    ]

    assert len(set(prints)) == len(prints)
    assert fingerprint({"a": one}, [1, 2]) == fingerprint({"a": one.clone()}, (1, 2))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_waits_for_the_state_to_be_saved(tmp_path, capsys, number):
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


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    checkpoint = Checkpoint(tmp_path / "job.safetensors", seconds=1e9)
    checkpoint.open("key")
    os.kill(os.getpid(), signal.SIGINT)
    # The terminal's and the parent's are one request.
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    checkpoint.asked -= 2

    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_that_is_ignored_stays_so(tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    checkpoint = Checkpoint(tmp_path / "job.safetensors", seconds=1e9)
    checkpoint.open("key")

    os.kill(os.getpid(), signal.SIGINT)

    assert not checkpoint.due()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_the_work_a_request_to_end_means_what_it_meant(tmp_path, number):
    before = signal.getsignal(number)
    checkpoint = Checkpoint(tmp_path / "job.safetensors")
    checkpoint.open("key")
    assert signal.getsignal(number) != before

    checkpoint.remove()

    assert signal.getsignal(number) == before


def test_state_with_a_flipped_bit_is_as_good_as_none(tmp_path, capsys):
    path = tmp_path / "job.safetensors"
    first = Checkpoint(path)
    first.open("key")
    first.save({"x": torch.ones(100)}, {})
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)

    assert Checkpoint(path).open("key") is None
    assert "its bytes are not those that were saved" in capsys.readouterr().out


@pytest.fixture
def full_disk(tmp_path):
    """A disk too small for the state of these tests."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_does_not_end_the_work(full_disk, capsys):
    checkpoint = Checkpoint(full_disk / "job.safetensors", seconds=0)
    checkpoint.open("key")
    checkpoint.save({"x": torch.ones(10)}, {"done": 1})

    checkpoint.save({"x": torch.ones(100_000)}, {"done": 2})

    said = capsys.readouterr().out
    assert said == (
        f"State cannot be saved ({full_disk}/job.safetensors: No space left on device): the work goes on and will try "
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
