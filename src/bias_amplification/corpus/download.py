"""Download a source's archive and check its checksum."""

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bias_amplification.artifacts import StudyError, new_file

#: Hex digits of each checksum algorithm.
ALGORITHMS = {"md5": 32, "sha256": 64}
SCHEMES = ("https", "http", "file")
TIMEOUT_SECONDS = 60


def split_checksum(checksum: str) -> tuple[str, str]:
    """Split "md5:..." or "sha256:..." into the algorithm and the hex digits.

    Raises
    ------
    StudyError
        If the checksum has another form.
    """
    algorithm, _, digits = checksum.strip().lower().partition(":")
    if len(digits) != ALGORITHMS.get(algorithm) or not set(digits) <= set("0123456789abcdef"):
        raise StudyError(
            f"corpus.checksum {checksum!r} is not of the form md5:(32 hex digits) or sha256:(64 hex digits): copy it "
            "from the web page of the archive."
        )
    return algorithm, digits


def checksum_of(path: Path, algorithm: str) -> str:
    """Return a file's checksum as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def download(url: str, folder: Path, checksum: str | None) -> Path:
    """Download a file, unless it is already there with the right checksum.

    The file appears only when it is complete and its checksum is right.

    Parameters
    ----------
    url
        An https, http or file address.
    folder
        Folder for downloads. The file's name is made of the address.
    checksum
        "md5:..." or "sha256:...". None accepts any content, for sources that change.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StudyError
        If the address cannot be read or the checksum differs.
    """
    address = urlsplit(url)
    # GitHub names an archive after its commit only, so the repository's name is put before it.
    parts = [part for part in unquote(address.path).split("/") if part not in ("", ".", "..")]
    if address.scheme not in SCHEMES or not parts:
        raise StudyError(
            f"corpus.url {url!r} is not an https address of a file: correct it or set corpus.path instead."
        )
    name = parts[-1] if address.scheme == "file" else "-".join((address.netloc.split("@")[-1], *parts[-3:]))
    path = folder / name.replace(":", "-")
    algorithm, expected = split_checksum(checksum) if checksum else ("sha256", None)
    if path.exists() and (expected is None or checksum_of(path, algorithm) == expected):
        return path
    with new_file(path) as temporary:
        _fetch(url, temporary)
        found = checksum_of(temporary, algorithm)
        if expected is not None and found != expected:
            raise StudyError(
                f"{url} has the {algorithm} checksum {found}, but corpus.checksum says {expected}: check both, or set "
                "corpus.path to a copy that you trust."
            )
    return path


def _fetch(url: str, target: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, target.open("wb") as stream:
            shutil.copyfileobj(response, stream, 1 << 20)
            declared = response.headers.get("Content-Length")
            if declared is not None and stream.tell() != int(declared):
                raise http.client.IncompleteRead(b"", int(declared) - stream.tell())
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise StudyError(
            f"{url} could not be downloaded ({error}): try again later, or download it yourself and set corpus.path to "
            "the copy."
        ) from error
