"""Fetches a source's archive, and takes it only if its checksum is right."""

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bias_amplification.artifacts import StudyError, new_file

ALGORITHMS = {"md5": 32, "sha256": 64}
SCHEMES = ("https", "http", "file")
TIMEOUT_SECONDS = 60


def split_checksum(checksum: str) -> tuple[str, str]:
    """Split "md5:..." or "sha256:..." into the algorithm and its hex digits.

    Raises
    ------
    StudyError
        If it has another form.
    """
    algorithm, _, digits = checksum.strip().lower().partition(":")
    if len(digits) != ALGORITHMS.get(algorithm) or not set(digits) <= set("0123456789abcdef"):
        raise StudyError(
            f"corpus.checksum {checksum!r} is not of the form md5:(32 hex digits) or sha256:(64 hex digits): copy it "
            "from the page of the archive."
        )
    return algorithm, digits


def checksum_of(path: Path, algorithm: str) -> str:
    """Compute a file's checksum, hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def download(url: str, folder: Path, checksum: str | None) -> Path:
    """Fetch a file unless it is there already; it appears whole, with the right checksum, or not at all.

    Parameters
    ----------
    url
        https, http or file address. Its last part is the file's name.
    folder
        Where downloads are kept.
    checksum
        "md5:..." or "sha256:...". None takes what comes, as when a source moves with every commit.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StudyError
        If the address cannot be read, or the checksum is another one.
    """
    address = urlsplit(url)
    # A GitHub archive is named after its commit alone: the repository's name keeps it apart from others.
    parts = [part for part in unquote(address.path).split("/") if part not in ("", ".", "..")]
    if address.scheme not in SCHEMES or not parts:
        raise StudyError(f"corpus.url {url!r} is not an https address of a file: mend it or set corpus.path instead.")
    name = parts[-1] if address.scheme == "file" else "-".join((address.netloc.split("@")[-1], *parts[-3:]))
    path = Path(folder) / name.replace(":", "-")
    algorithm, expected = split_checksum(checksum) if checksum else ("sha256", None)
    if path.exists() and (expected is None or checksum_of(path, algorithm) == expected):
        return path
    with new_file(path) as temporary:
        _fetch(url, temporary)
        found = checksum_of(temporary, algorithm)
        if expected is not None and found != expected:
            raise StudyError(
                f"{url} has the {algorithm} checksum {found} and not {expected} as corpus.checksum says: check both, "
                "or set corpus.path to a copy that you trust."
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
            "it."
        ) from error
