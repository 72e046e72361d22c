"""Files that appear whole or not at all."""

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

#: How libraries in Rust (safetensors, tokenizers) tell a fault of the system, in exceptions of their own.
_SYSTEM_FAULT = re.compile(r"\(os error (\d+)\)")

#: Temporary names: hidden, with the machine and the process that write under them.
_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-[^/]+")

#: After so many seconds without a change nobody writes a file any more.
_DAY = 24 * 3600


class StudyError(Exception):
    """A fault that the user can mend.

    The message is one sentence: what is wrong, where (file, row or config key) and what to do. It is shown without
    a traceback.
    """


@contextmanager
def new_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends well.

    A process that is killed, or that outlives its killed scheduler, can then never leave half a file under the
    final name: every writer has a name of its own until `os.replace`, which is atomic within a file system.

    Parameters
    ----------
    path
        The file's final name. Its folder is made if need be.

    Yields
    ------
    Path
        A name of this process's own in the same folder, with the same ending.

    Raises
    ------
    OSError
        If the disk refuses, whatever exception the library that writes tells it in.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.{_writer()}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        with _system_faults(path):
            yield temporary
        # mkstemp makes private files; results are meant to be shared as the user's umask says.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder whose files move to `path`, one rename each, when the block ends well."""
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
    """Name the space in which process ids are unique: this machine since its start, and in it the container."""
    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        facts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _writer() -> str:
    return f"{_machine()}-{os.getpid()}"


def remove_leftovers(folder: Path | str) -> list[Path]:
    """Remove what killed writers have left under their temporary names.

    What a process of this machine writes is left alone while that process lives; what another machine writes, until
    nothing of it has changed for a day.

    Parameters
    ----------
    folder
        Looked through with all folders in it.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(place, name)
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
    if machine == _machine():
        return psutil.pid_exists(process)
    times = [0.0]
    for file in [path, *path.rglob("*")]:
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return time.time() - max(times) < _DAY
