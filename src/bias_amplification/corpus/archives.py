"""Members of zip and tar archives, read in memory and never unpacked onto the disk.

An archive from the network is not trusted: a member with an absolute path, with "..", a link, a device or a size
beyond the limit is refused.
"""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from bias_amplification.artifacts import StudyError

MEGABYTE = 2**20
MEMBER_LIMIT = 1024 * MEGABYTE
TOTAL_LIMIT = 4096 * MEGABYTE


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar archive (plain or compressed), by its content."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def read_members(
    path: Path, wanted: Callable[[str], bool], *, member_limit: int = MEMBER_LIMIT, total_limit: int = TOTAL_LIMIT
) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted members of an archive, in the order of their names.

    Parameters
    ----------
    path
        A zip or tar file.
    wanted
        Says by its name in the archive whether a member is wanted; the others are never opened.
    member_limit, total_limit
        Bytes that one member and all wanted members may unpack to; what the archive declares is not believed.

    Yields
    ------
    name, content

    Raises
    ------
    StudyError
        If the archive is damaged or encrypted, or a wanted member is unsafe or too large.
    """
    remaining = total_limit
    members = _zip_members if zipfile.is_zipfile(path) else _tar_members
    try:
        for name, stream in members(path, wanted):
            limit = min(member_limit, remaining)
            content = stream.read(limit + 1)
            if len(content) > limit:
                raise StudyError(
                    f"{path}: {name} unpacks to more than {limit // MEGABYTE} MB, which no known source does: "
                    "download the archive again or set corpus.path to a folder that you unpacked yourself."
                )
            remaining -= len(content)
            yield name, content
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise StudyError(f"{path} is damaged or encrypted ({error}): delete it and download it again.") from error


def _check_name(path: Path, name: str) -> None:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise StudyError(f"{path}: the member {name!r} points outside the archive: do not use this archive.")


def _zip_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    with zipfile.ZipFile(path) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if not wanted(info.filename) or info.is_dir():
                continue
            _check_name(path, info.filename)
            # The upper half holds the Unix mode; 0 where another system wrote the archive.
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000):
                raise StudyError(f"{path}: the member {info.filename!r} is a link or device: do not use this archive.")
            with archive.open(info) as stream:
                yield info.filename, stream


def _tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(path) as archive:
        for info in sorted(archive.getmembers(), key=lambda info: info.name):
            if not wanted(info.name) or info.isdir():
                continue
            _check_name(path, info.name)
            if not info.isreg():
                raise StudyError(f"{path}: the member {info.name!r} is a link or device: do not use this archive.")
            stream = archive.extractfile(info)
            assert stream is not None
            with stream:
                yield info.name, stream
