"""From the bytes of a text file to its text: compression, byte order marks, encodings."""

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.files import check_content, read_file


def _unpack_streams(decompressor: Callable[[], Any], content: bytes) -> bytes:
    """Unpack all streams of a file. The libraries' own functions leave out everything from a damaged stream on."""
    parts = []
    while content.strip(b"\0"):
        stream = decompressor()
        parts.append(stream.decompress(content))
        if not stream.eof:
            raise EOFError("the last stream has no end")
        content = stream.unused_data
    return b"".join(parts)


#: First bytes of a compressed file, what unpacks it, and what opens it to be read in parts.
_COMPRESSED: dict[bytes, tuple[Callable[[bytes], bytes], Callable[[Path], Any]]] = {
    b"\x1f\x8b": (gzip.decompress, gzip.open),
    b"BZh": (partial(_unpack_streams, bz2.BZ2Decompressor), bz2.open),
    b"\xfd7zXZ\x00": (partial(_unpack_streams, lzma.LZMADecompressor), lzma.open),
}
#: What they raise for a damaged file.
_DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_MEGABYTE = 2**20

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
#: How encodings of ISO 2022, which have 7-bit characters only, change to another character set.
_ESCAPE_SEQUENCE = re.compile(rb"\x1b(?:\$[@-D()]|\([BIJ])")

#: Bytes that are looked at for a guess of the encoding.
_SAMPLE = 100_000


def read_bytes(path: Path) -> bytes:
    """Read a file, and unpack it if it is compressed by gzip, bzip2 or xz. Its first bytes decide, not its name.

    Raises
    ------
    StudyError
        If the file cannot be read or is empty, or a compressed file is damaged.
    """
    content = read_file(path)
    check_content(path, content[:100])
    for mark, (unpack, _) in _COMPRESSED.items():
        if content.startswith(mark):
            try:
                return unpack(content)
            except _DAMAGE as error:
                raise StudyError(
                    f"{path} is not a whole compressed file ({one_line(error)}): copy or write it again."
                ) from error
    return content


def unpacked_bytes(path: Path, most: int) -> int:
    """Return how many bytes a file has unpacked, counted up to somewhat more than `most`.

    Of a damaged file, the bytes before the damage are counted. The error comes when the file is read.
    """
    total = 0
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
        opened = next((opened for mark, (_, opened) in _COMPRESSED.items() if start.startswith(mark)), None)
        if opened is None:
            return path.stat().st_size
        with opened(path) as stream:
            while total <= most and (part := stream.read(_MEGABYTE)):
                total += len(part)
    except _DAMAGE:
        pass
    return total


def marked_encoding(content: bytes) -> str | None:
    """Return the encoding whose byte order mark begins a file; None without a mark."""
    return next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)


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
    encoding = encoding or marked_encoding(content)
    if encoding is None and b"\0" in content[:4096]:
        raise StudyError(
            f"{name} is not a text file in UTF-8 (it has zero bytes): if it is UTF-16 without a byte order mark, set "
            "corpus.encoding to utf-16-le or utf-16-be; otherwise name a text file."
        )
    chosen = encoding or "utf-8"
    _check_encoding(content, name, chosen)
    try:
        # Some programs write a mark although there is one, or one that the encoding does not need.
        text = content.decode(chosen, errors="surrogateescape").lstrip("\ufeff")
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


def _check_encoding(content: bytes, name: str, chosen: str) -> None:
    """Check that Python knows the encoding, and that the file is not certainly in another one."""
    try:
        found = codecs.lookup(chosen)
        # Python refuses codecs that are no encodings of texts, such as hex, unless there is nothing to decode.
        b"text".decode(chosen, errors="replace")
    except (LookupError, ValueError):
        raise StudyError(
            f"corpus.encoding is {short(repr(chosen))}, which Python does not know as an encoding of texts: write a "
            "name such as utf-8, utf-16, cp1252, latin-1, gb18030 or shift_jis."
        ) from None
    if found.name.startswith("utf") or found.name == "ascii":
        if found.name == "utf-8" and _ESCAPE_SEQUENCE.search(content):
            raise StudyError(
                f"{name} has the escape sequences of an encoding such as ISO-2022-JP: set corpus.encoding to "
                "iso2022_jp, iso2022_kr or iso2022_cn, or save the file as UTF-8."
            )
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    if not text.isascii():
        raise StudyError(
            f"{name} is in UTF-8, but corpus.encoding is {chosen}: remove corpus.encoding, or name another file."
        )


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
