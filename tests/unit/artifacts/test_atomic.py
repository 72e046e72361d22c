"""Files that appear completely or not at all."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from safetensors import SafetensorError

from bias_amplification.artifacts.atomic import free_space, new_file, new_folder, one_line, remove_leftovers
from bias_amplification.artifacts.copies import copy_file

WRITER = """
import sys, time
from bias_amplification.artifacts import new_file
with new_file(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "table.csv"

    with new_file(target) as temporary:
        temporary.write_text("whole")
        seen_within = target.exists()

    assert not seen_within
    assert target.read_text() == "whole"
    assert temporary.suffix == ".csv"
    assert os.listdir(target.parent) == ["table.csv"]


def test_after_an_exception_the_old_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")

    with pytest.raises(RuntimeError, match="stop"), new_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")

    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_killed_writers_leave_nothing_under_the_final_name(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout.readline() == b"writing\n"

        writer.send_signal(signal.SIGKILL)
        writer.wait()

    assert not target.exists()
    # The temporary file is hidden, and a second writer does not use its name.
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".model.")
    with new_file(target) as temporary:
        temporary.write_text("whole")
        assert remove_leftovers(tmp_path) == [left]
    assert target.read_text() == "whole"
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_leftovers_of_other_machines_are_removed_after_a_day(tmp_path: Path) -> None:
    folder = tmp_path / ".new.0123abcd-77-xyz"
    folder.mkdir()
    (folder / "model.safetensors").write_text("half")
    file = tmp_path / "deep" / ".articles.0123abcd-77-xyz.parquet"
    file.parent.mkdir()
    file.write_text("half")
    for name in (".hidden", ".articles.parquet", "articles.0123abcd-77-xyz.parquet"):
        (tmp_path / name).write_text("someone else's")
    others = set(tmp_path.iterdir()) - {folder}
    old = (time.time() - 25 * 3600,) * 2

    assert remove_leftovers(tmp_path) == []
    for path in (folder, file, *others):
        os.utime(path, old)
    assert remove_leftovers(tmp_path) == [file]
    os.utime(folder / "model.safetensors", old)
    assert remove_leftovers(tmp_path) == [folder]
    assert set(tmp_path.iterdir()) == others


def test_folders_of_running_writers_stay(tmp_path: Path) -> None:
    with new_folder(tmp_path) as temporary:
        (temporary / "config.json").write_text("whole")
        os.utime(temporary, (0, 0))
        assert remove_leftovers(tmp_path) == []
    assert os.listdir(tmp_path) == ["config.json"]


@pytest.mark.parametrize("kind", [new_file, new_folder])
def test_full_disk_is_an_os_error_whatever_the_library_raises(tmp_path: Path, kind) -> None:
    with pytest.raises(OSError, match="No space left") as caught, kind(tmp_path / "base"):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "base"))
    with pytest.raises(SafetensorError, match="other"), kind(tmp_path / "base"):
        raise SafetensorError("other")


def test_two_writers_do_not_mix_their_files(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    meeting = threading.Barrier(2)

    def write(letter: str) -> None:
        with new_file(target) as temporary:
            temporary.write_text(letter * 1000)
            meeting.wait()
            temporary.write_text(letter * 100_000)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert target.read_text() in ("a" * 100_000, "b" * 100_000)
    assert os.listdir(tmp_path) == ["table.csv"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with new_file(tmp_path / "table.csv"):
            pass
        now = os.umask(umask)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "table.csv").stat().st_mode) == mode
    assert now == umask


def test_files_of_a_new_folder_join_the_others(tmp_path: Path) -> None:
    (tmp_path / "articles.parquet").write_text("other")
    (tmp_path / "config.json").write_text("old")

    with new_folder(tmp_path) as temporary:
        (temporary / "config.json").write_text("new")
        (temporary / "model.safetensors").write_text("weights")
        seen_within = (tmp_path / "config.json").read_text()

    assert seen_within == "old"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "articles.parquet": "other",
        "config.json": "new",
        "model.safetensors": "weights",
    }


def test_after_an_exception_the_folder_is_unchanged(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_folder(tmp_path / "base") as temporary:
        (temporary / "config.json").write_text("new")
        raise RuntimeError

    assert list((tmp_path / "base").iterdir()) == []


def test_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(b"\x00\x01")

    copy_file(source, target)
    copy_file(source, target)
    source.write_bytes(b"changed")

    assert target.read_bytes() == b"\x00\x01"
    assert os.listdir(target.parent) == ["target"]


def test_copy_is_newer_than_its_source(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("old")
    os.utime(tmp_path / "source", (1e9, 1e9))

    copy_file(tmp_path / "source", tmp_path / "target")

    assert (tmp_path / "target").stat().st_mtime > 1e9


def test_nothing_is_copied_from_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_file(tmp_path / "source", tmp_path / "target")

    assert os.listdir(tmp_path) == []


def test_an_error_is_told_in_one_line() -> None:
    assert one_line(OSError()) == "OSError"
    assert one_line(ValueError("the first line\n  the second")) == "the first line the second"
    assert len(one_line(ValueError("x" * 1000))) == 200


def test_space_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    there = shutil.disk_usage(tmp_path).free

    assert free_space(tmp_path / "not" / "yet" / "made") == pytest.approx(there, rel=0.01)
