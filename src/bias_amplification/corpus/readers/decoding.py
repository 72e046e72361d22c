"""From the bytes of a text file to its text: compression, byte order marks, encodings."""

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from pathlib import Path

from charset_normalizer import from_bytes

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line

#: First bytes of a compressed file, and what unpacks it.
_COMPRESSED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
#: Endings of compressed files, which stand behind the ending of the file's format.
COMPRESSED_ENDINGS = frozenset({".gz", ".bz2", ".xz"})

#: The encodings whose byte order marks begin a file. UTF-32 first: its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

#: What Python's error handler "surrogateescape" puts in the place of a byte that cannot be decoded.
_ESCAPED = re.compile("[\udc80-\udcff]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")

#: Bytes that are looked at for a guess of the encoding.
_SAMPLE = 100_000


def read_bytes(path: Path) -> bytes:
    """Read a file, and unpack it if it is compressed by gzip, bzip2 or xz. Its first bytes decide, not its name.

    Raises
    ------
    StudyError
        If a compressed file is damaged.
    """
    content = path.read_bytes()
    for mark, unpack in _COMPRESSED.items():
        if content.startswith(mark):
            try:
                return unpack(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise StudyError(
                    f"{path} is not a whole compressed file ({one_line(error)}): copy or write it again."
                ) from error
    return content


def decode(content: bytes, name: str, encoding: str | None = None, most_lost: float = 0.0) -> str:
    """Decode a text file as a whole, in one encoding.

    Parameters
    ----------
    content
        The file's bytes.
    name
        The file's name, for messages.
    encoding
        The config's `corpus.encoding`. None: the encoding of the byte order mark, or UTF-8.
    most_lost
        Largest share of lines with bytes that the encoding does not have.

    Returns
    -------
    str
        The text without a byte order mark. Bytes that the encoding does not have are lone surrogates (see
        `undecoded`).

    Raises
    ------
    StudyError
        If the file is binary, or if too many lines have bytes that the encoding does not have. An encoding is never
        guessed: charset-normalizer's best guess is part of the message.
    """
    for mark, marked in _MARKS.items():
        if encoding is None and content.startswith(mark):
            encoding = marked
    if encoding is None and b"\0" in content[:4096]:
        raise StudyError(
            f"{name} is not a text file in UTF-8 (it has zero bytes): if it is UTF-16 without a byte order mark, set "
            "corpus.encoding to utf-16-le or utf-16-be; otherwise name a text file."
        )
    chosen = encoding or "utf-8"
    if codecs.lookup(chosen).name == "utf-8" and content.startswith(codecs.BOM_UTF8):
        chosen = "utf-8-sig"
    try:
        text = content.decode(chosen, errors="surrogateescape")
    except ValueError as error:
        raise StudyError(
            f"{name} is not in the encoding {chosen} ({one_line(error)}): correct corpus.encoding."
        ) from error
    if not _ESCAPED.search(text):
        return text
    lines = text.split("\n")
    bad = [number for number, line in enumerate(lines, start=1) if _ESCAPED.search(line)]
    if len(bad) > most_lost * len(lines):
        raise StudyError(
            f"{name}, line {bad[0]}: {len(bad)} of {len(lines)} lines have bytes that are not {chosen.upper()}"
            f"{_guess(content, chosen)}: set corpus.encoding to the file's encoding, or save the file as UTF-8."
        )
    return text


def _guess(content: bytes, chosen: str) -> str:
    """Name the encoding that charset-normalizer takes for the likeliest, for a message."""
    best = from_bytes(content[:_SAMPLE]).best()
    likely = best and best.encoding.replace("_", "-")
    return f" (they look like {likely})" if likely and codecs.lookup(likely).name != codecs.lookup(chosen).name else ""


def undecoded(text: str) -> str | None:
    """Say in words why a text cannot be written as UTF-8; None if it can."""
    if _ESCAPED.search(text):
        return "row with bytes that the file's encoding does not have"
    return "row with half of a surrogate pair, such as half an emoji" if _HALF_PAIR.search(text) else None
