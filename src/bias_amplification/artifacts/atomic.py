"""Files that appear completely or not at all."""

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

#: Libraries in Rust (safetensors, tokenizers) report errors of the operating system as text in their own exceptions.
_SYSTEM_FAULT = re.compile(r"\(os error (\d+)\)")

#: Names of temporary files and folders. They are hidden and contain the machine and the process that write them.
_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-[^/]+")

#: Seconds without a change after which another machine's temporary files are taken for abandoned.
_DAY = 24 * 3600


class StudyError(Exception):
    """An error that the user can correct.

    The message is one sentence: what is wrong, where (file, row or config key), and what to do. It is shown without a
    traceback.
    """


def one_line(error: Exception) -> str:
    """Return an error's message in one line of at most 200 characters; the error's type if it has no message."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def free_space(path: Path | str) -> int:
    """Return the free bytes of the disk that a file or folder is on, or would be made on."""
    path = Path(path).absolute()
    return shutil.disk_usage(next(place for place in (path, *path.parents) if place.exists())).free


@contextmanager
def new_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` when the block ends without an exception.

    Each writer has its own temporary name until `os.replace`, which is atomic within a file system. So a process that
    is killed, or that still runs when its scheduler is gone, cannot leave part of a file under the final name.

    Parameters
    ----------
    path
        The file's final name. Its folder is created if it does not exist.

    Yields
    ------
    Path
        A name that only this process uses, in the same folder and with the same suffix.

    Raises
    ------
    OSError
        If the disk cannot be written to, also if the library that writes raises another exception.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.{_writer()}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        with _system_faults(path):
            yield temporary
        # mkstemp creates private files. Results get the permissions of the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder and move its files into `path`, one by one, when the block ends without an exception.

    Parameters
    ----------
    path
        The final folder. It is created if it does not exist; its other files stay.

    Yields
    ------
    Path
        A folder within `path` that only this process uses.

    Raises
    ------
    OSError
        If the disk cannot be written to, also if the library that writes raises another exception.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".new.{_writer()}-", dir=path))
    try:
        with _system_faults(path):
            yield temporary
        for file in sorted(temporary.iterdir()):
            with new_file(path / file.name) as target:
                os.replace(file, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _system_faults(path: Path) -> Iterator[None]:
    """Raise errors of the operating system as OSError if a library reports them in another exception."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if found := _SYSTEM_FAULT.search(str(error)):
            number = int(found[1])
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


@cache
def _machine() -> str:
    """Return a name for the scope in which process ids are unique: this machine since its last start, this container.

    It changes when the machine restarts.
    """
    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        facts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _writer() -> str:
    """Return the part of a temporary name that identifies the writer: machine and process."""
    return f"{_machine()}-{os.getpid()}"


def remove_leftovers(folder: Path | str) -> list[Path]:
    """Remove temporary files and folders that killed jobs have left.

    Those of a running process of this machine are kept. Those of another machine are removed after a day without a
    change.

    Parameters
    ----------
    folder
        Searched with all its subfolders.

    Returns
    -------
    list of Path
        The files and folders that were removed.
    """
    removed = []
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent, name)
            found = _TEMPORARY.fullmatch(name)
            if not found or _is_written(path, found[1], int(found[2])):
                continue
            if name in folders:
                folders.remove(name)
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
            removed.append(path)
    return removed


def _is_written(path: Path, machine: str, process: int) -> bool:
    """Return whether somebody may still be writing a temporary file or folder."""
    if machine == _machine():
        return psutil.pid_exists(process)
    times = [0.0]
    for file in [path, *path.rglob("*")]:
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return time.time() - max(times) < _DAY
