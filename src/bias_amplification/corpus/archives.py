"""Read members of zip and tar archives in memory, without unpacking them to disk.

Archives from the network are not trusted. Members with an absolute path, a ".." in their path, links, devices and
members above a size limit are refused.
"""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.corpus.messages import short

_MEGABYTE = 2**20
#: What the libraries raise for archives that are damaged, encrypted or packed in an unknown way.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip or tar archive (plain or compressed). The content decides, not the name."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def read_members(path: Path, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted members of an archive, in the order of their names.

    Parameters
    ----------
    path
        A zip or tar file.
    wanted
        Returns whether the member with the given name is wanted. Other members are not opened.
    limit
        Maximum size of all wanted members together, in bytes, unpacked. Read bytes are counted, because the sizes
        that an archive declares can be wrong.

    Yields
    ------
    name, content

    Raises
    ------
    StudyError
        If the archive is damaged or encrypted, or a wanted member is unsafe, too large or there twice.
    """
    remaining = limit
    members = _zip_members if zipfile.is_zipfile(path) else _tar_members
    try:
        former = None
        for name, stream in members(path, wanted):
            if name == former:
                raise StudyError(f"{path} has the member {short(name)} twice: unpack it, and name its folder instead.")
            former = name
            content = stream.read(remaining + 1)
            if len(content) > remaining:
                raise StudyError(
                    f"{path}: with {short(name)}, the members unpack to more than {limit / _MEGABYTE:.0f} MB, which "
                    "no known source does: download the archive again, or unpack it and name its folder in corpus.path."
                )
            remaining -= len(content)
            yield name, content
    except _DAMAGE as error:
        raise StudyError(
            f"{path} is damaged or encrypted ({one_line(error)}): delete it and download it again."
        ) from error


def _check_name(path: Path, name: str) -> None:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise StudyError(f"{path}: the member {short(repr(name))} points outside the archive: do not use this archive.")


def _zip_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    with zipfile.ZipFile(path) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if not wanted(info.filename) or info.is_dir():
                continue
            _check_name(path, info.filename)
            # The upper 16 bits hold the Unix mode, or 0 if another system made the archive.
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000):
                raise StudyError(
                    f"{path}: the member {short(repr(info.filename))} is a link or device: do not use this archive."
                )
            with archive.open(info) as stream:
                yield info.filename, stream


def _tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(path) as archive:
        members = sorted(archive.getmembers(), key=lambda info: info.name)
        _check_end(archive)
        for info in members:
            if not wanted(info.name) or info.isdir():
                continue
            _check_name(path, info.name)
            if not info.isreg():
                raise StudyError(
                    f"{path}: the member {short(repr(info.name))} is a link or device: do not use this archive."
                )
            stream = archive.extractfile(info)
            assert stream is not None
            with stream:
                yield info.name, stream


def _check_end(archive: tarfile.TarFile) -> None:
    """Check that a tar archive was read to its end. tarfile takes a damaged header, or a cut, for the end.

    Raises
    ------
    tarfile.TarError
        If no block of zeros, which ends an archive, follows the last member.
    """
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    block = archive.fileobj.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or block.strip(b"\0"):
        raise tarfile.ReadError("it does not end where its members end")
    # A compressed archive has a checksum at its end.
    while archive.fileobj.read(_MEGABYTE):
        pass
