"""The files of a source: those of a folder, and what is refused because it is no file that can be read."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISREG

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.archives import is_archive, read_members

#: First bytes of what a download leaves in the place of a file, what it is, and the remedy.
_PLACEHOLDERS = {
    b"version https://git-lfs.github.com/": ("a pointer of Git LFS instead of the file", "run git lfs pull"),
    b"<!doctype html": ("a web page (HTML) instead of the file", "download the file itself"),
    b"<html": ("a web page (HTML) instead of the file", "download the file itself"),
}


def files_below(folder: Path) -> list[Path]:
    """List the files of a folder at any depth, sorted by path.

    Hidden files and folders, and those whose names begin with an underscore, such as Spark's `_SUCCESS`, are left out.

    Raises
    ------
    StudyError
        If something in the folder is neither a file nor a folder that can be read: part of the data would be missing.
    """

    def refuse(error: OSError) -> None:
        raise StudyError(f"{error.filename} cannot be read ({error.strerror}): change its access rights.") from error

    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        # The folder that a file system keeps at its root belongs to the system.
        folders[:] = [name for name in folders if name[0] not in "._" and name != "lost+found"]
        for name in folders:
            if Path(place, name).is_symlink():
                raise StudyError(
                    f"{Path(place, name)} is a link to a folder, which is not followed: put the folder itself in its "
                    "place, or remove the link."
                )
        found += (Path(place, name) for name in files if name[0] not in "._")
    for file in found:
        check_file(file)
    return sorted(found)


def check_file(file: Path) -> None:
    """Check that a path leads to a file. A pipe or a device would be waited for, or read without end.

    Raises
    ------
    StudyError
        If it leads to something else, or nowhere.
    """
    try:
        regular = S_ISREG(file.stat().st_mode)
    except PermissionError as error:
        raise StudyError(f"{file} cannot be read ({error.strerror}): change its access rights.") from error
    except OSError as error:
        if not file.is_symlink():
            raise StudyError(f"{file} cannot be read ({error.strerror}): correct the path.") from error
        raise StudyError(
            f"{file} is a link that leads nowhere ({os.readlink(file)}): put the file in its place, or remove the link."
        ) from error
    if not regular:
        raise StudyError(f"{file} is no file, but a pipe, a device or the like: write its content to a file.")


def read_file(path: Path) -> bytes:
    """Read a file as it is.

    Raises
    ------
    StudyError
        If it is no file, or cannot be read.
    """
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): change its access rights or its name.") from error


def published_json(path: Path, folder: str, whose: str, limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each JSON file of a published corpus, in the order of their names.

    Parameters
    ----------
    path
        The corpus's archive, the folder that it unpacks to, or the folder with the JSON files.
    folder
        The folder of the JSON files in the archive, such as "data/jsons".
    whose
        The corpus in messages, such as "BOLD's".
    limit
        Most bytes of all files, unpacked.

    Raises
    ------
    StudyError
        If the path leads to something else, or a file cannot be read.
    """
    if path.is_dir():
        # An unpacked GitHub archive has one more folder, named after the branch or the commit.
        places = [path / folder, path / Path(folder).name, *sorted(path.glob(f"*/{folder}")), path]
        found = next((place for place in places if any(place.glob("*.json"))), path)
        for file in sorted(found.glob("[!.]*.json")):
            yield file.name, read_file(file)
        return
    if not os.path.lexists(path):
        raise StudyError(f"{path} (corpus.path) does not exist: name {whose} archive or folder.")
    check_file(path)
    if not is_archive(path):
        raise StudyError(f"{path} (corpus.path) is neither a folder nor a zip or tar archive: name one of these.")

    def wanted(name: str) -> bool:
        # Archives from a Mac have a second file beside each, whose name begins with a full stop.
        return f"/{folder}/" in f"/{name}" and name.endswith(".json") and not name.rsplit("/", 1)[-1].startswith(".")

    yield from read_members(path, wanted, limit)


def only_of_folders(partition: dict[str, str], columns: Iterable[str]) -> dict[str, str]:
    """Return the columns that the names of a file's folders have, such as `label=left`, and the file itself has not."""
    own = set(columns)
    return {name: value for name, value in partition.items() if name not in own}


def check_content(file: Path, start: bytes) -> None:
    """Check that a file's first bytes are not what a download leaves in the place of a file.

    Raises
    ------
    StudyError
        If the file is empty, a pointer of Git LFS or a web page.
    """
    if not start:
        raise StudyError(f"{file} is empty (0 bytes): copy or write it again, or remove it.")
    lower = start.lstrip().lower()
    for mark, (what, remedy) in _PLACEHOLDERS.items():
        if lower.startswith(mark):
            raise StudyError(f"{file} is {what}: {remedy}.")
