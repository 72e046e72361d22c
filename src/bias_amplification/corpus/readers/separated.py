"""Rows of text with a separator (CSV): finding out how a file is written, and reading it without losing a row.

Python's csv module reads a file in any of a few dialects. A dialect fits if all rows have as many fields as the header,
and the header has the wanted columns. If several dialects fit and differ in what they read, the file itself must show
which one it is written in. Otherwise the user is asked: no reading is taken because it is likelier.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any, Literal, NamedTuple

from bias_amplification.artifacts import StudyError

Quoting = Literal["double", "backslash", "none"]

#: Separators that are tried, with their names in messages.
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
#: Options of the csv module for each way of quoting.
_OPTIONS: dict[Quoting, dict[str, Any]] = {
    "double": {},
    "backslash": {"doublequote": False, "escapechar": "\\"},
    "none": {"quoting": csv.QUOTE_NONE},
}
#: So many rows whose values in a column are all in quotes show that the quotes are not part of the text.
_MANY = 10
_NUMBER = re.compile(r"[-+\d.,eE]*")
#: How databases write a missing value.
_MISSING = r"\N"
#: A backslash that is no escape by which databases write a line end or a tab. Doubled ones are taken out first.
_NO_ESCAPE = re.compile(r"\\(?![bfnrtv0Z])")

#: A row: the line of the file where it starts, from 1, and its fields.
Row = tuple[int, list[str]]


class Dialect(NamedTuple):
    """How a file separates fields, and how it writes separators and quotes within a field."""

    separator: str
    quoting: Quoting

    @property
    def words(self) -> str:
        """The dialect in the words of the config."""
        separator = _SEPARATORS.get(self.separator, repr(self.separator))
        return f"corpus.separator {separator}, corpus.quoting {self.quoting}"


class Misfit(ValueError):
    """A dialect does not fit a file; the message says why, and begins with the line."""


class MisfitOfQuotes(Misfit):
    """A dialect does not fit because something else than a separator stands behind a closing quote."""


def read_rows(
    text: str, name: str, fits: Callable[[Sequence[str]], bool], separator: str | None, quoting: Quoting | None
) -> Iterator[Row]:
    """Read a file's rows, the header first.

    Parameters
    ----------
    text
        The whole file.
    name
        The file's name, for messages.
    fits
        Returns whether a header, without white space around its names, has the wanted columns.
    separator, quoting
        The config's keys; None: found out from the file.

    Yields
    ------
    line, fields
        All rows but empty ones. A field that consists of \\N, as databases write a missing value, is empty.

    Raises
    ------
    StudyError
        If no dialect fits or several do, or the file may have escapes that would be read as something else.
    """
    dialect = find_dialect(text, name, fits, separator, quoting)
    if dialect.quoting == "backslash":
        _check_backslashes(text, name, dialect, said=quoting is not None)
    elif quoting is None:
        _check_no_export(text, name, dialect)
    yield from _parse(text, dialect)


def _check_backslashes(text: str, name: str, dialect: Dialect, *, said: bool) -> None:
    """Check that each backslash of a file in this dialect stands before what it can escape. Others would be left out.

    Parameters
    ----------
    text, name, dialect
        The whole file, its name, and how it is written.
    said
        Whether the config sets this quoting. If not, a backslash before a line end is not certain to be an escape.

    Raises
    ------
    StudyError
        If one does not.
    """
    if not said and not _only_escapes(text, dialect.separator):
        raise StudyError(
            f"{name} has backslashes before quotes and before other characters, so it is not clear which of them are "
            "part of the text: set corpus.quoting to backslash if none is, or double the quotes within fields."
        )
    text = _without_missing(text, dialect.separator)
    for found in re.finditer(r"\\([\s\S]|\Z)", text):
        if found[1] not in ('"', "\\", "\r", "\n", dialect.separator):
            raise StudyError(
                f"{name}, line {_line(text, found)}: a backslash stands before {found[1]!r}, and corpus.quoting "
                "backslash would leave it out: double the quotes within fields instead, and correct corpus.quoting."
            )


def _check_no_export(text: str, name: str, dialect: Dialect) -> None:
    """Check that a file's backslashes are part of the text, not the escapes of a table that a database has exported.

    Such a table has tabs between its fields and no quotes, and writes a line end within a field as a backslash and n.

    Raises
    ------
    StudyError
        If each backslash can be such an escape.
    """
    rest = _without_missing(text, dialect.separator)
    first = re.search(r"\\", rest)
    exported = dialect.separator == "\t" or len(rest) < len(text)
    if first and exported and not _NO_ESCAPE.search(rest.replace("\\\\", "")):
        raise StudyError(
            f"{name}, line {_line(rest, first)}: the backslashes can be escapes of a database's export, such as \\n "
            "for a line end: export the table as CSV with quotes, or, if they are part of the text, set corpus.quoting "
            f"to {dialect.quoting}."
        )


def _without_missing(text: str, separator: str) -> str:
    r"""Return a file's text with empty fields in the place of unquoted fields that are \N."""
    if _MISSING not in text:
        return text
    mark = re.escape(separator)
    quoted, missing = rf'(?<![^{mark}\r\n])"(?:[^"\\]|\\[\s\S])*"', rf"(?<![^{mark}\r\n])\\N(?![^{mark}\r\n])"
    return re.sub(f"({quoted})|{missing}", lambda found: found[1] or "", text)


def _line(text: str, found: re.Match[str]) -> int:
    """Return the line of a match, from 1."""
    return len(re.findall("\r\n?|\n", text[: found.start()])) + 1


def find_dialect(
    text: str, name: str, fits: Callable[[Sequence[str]], bool], separator: str | None, quoting: Quoting | None
) -> Dialect:
    """Find out how a file is written; see `read_rows`."""
    quotings: list[Quoting] = [quoting] if quoting else ["double"]
    if quoting is None:
        quotings += ["none"] * ('"' in text) + ["backslash"] * ("\\" in text)
    tried = [Dialect(mark, kind) for mark in ([separator] if separator else _SEPARATORS) for kind in quotings]
    headers = {dialect: _header(text, dialect) for dialect in tried}
    fitting, misfits = [], {}
    for dialect in [d for d in tried if fits(headers[d])] or [max(tried, key=lambda d: len(headers[d]))]:
        try:
            for _ in _parse(text, dialect):
                pass
            fitting.append(dialect)
        except Misfit as misfit:
            misfits[dialect] = misfit
    if quoting is None:
        fitting = [dialect for dialect in fitting if _may_be(text, dialect, misfits)]
    if not fitting:
        dialect, misfit = next(iter(misfits.items()))
        raise StudyError(f"{name}, {misfit}, read with {dialect.words}: correct that row, or set these keys.")
    return _decide(text, name, fitting)


def _may_be(text: str, dialect: Dialect, misfits: Mapping[Dialect, Misfit]) -> bool:
    """Return whether a fitting dialect is no mere stopgap for a file with one fault.

    A file with a wrong quote fits the reading without quoting, which would take its other quotes for text. So this
    reading must have no field that is in quotes from its first to its last character, and a comma is never read without
    quoting. Backslashes are read as escapes only if quotes are what does not fit otherwise.
    """
    fault = misfits.get(Dialect(dialect.separator, "double"))
    if fault is None or dialect.quoting == "double":
        return True
    if dialect.quoting == "backslash":
        return isinstance(fault, MisfitOfQuotes)
    quoted = any(_is_quoted(value) for _, row in _parse(text, dialect) for value in row)
    return dialect.separator != "," and not quoted


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] == '"'


def _header(text: str, dialect: Dialect) -> list[str]:
    """Return the names in a file's first row; none if it cannot be read in this dialect."""
    try:
        return [name.strip() for _, row in islice(_parse(text, dialect), 1) for name in row]
    except Misfit:
        return []


def _parse(text: str, dialect: Dialect) -> Iterator[Row]:
    """Yield the rows of a file in one dialect.

    Raises
    ------
    Misfit
        At a row that is not valid or has more or fewer fields than the header.
    """
    start, width = 1, 0
    missing = _MISSING in text
    if missing and dialect.quoting == "backslash":
        text = _without_missing(text, dialect.separator)
    options = _OPTIONS[dialect.quoting]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator, strict=True, **options)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise MisfitOfQuotes(f"line {start}: the row is not valid CSV ({error})") from error
        if row is None:
            return
        line, start = start, reader.line_num + 1
        if not row:
            continue
        width = width or len(row)
        if len(row) != width:
            raise Misfit(f"line {line}: the row has {len(row)} fields, but the header has {width}")
        yield line, ["" if value == _MISSING else value for value in row] if missing else row


def _decide(text: str, name: str, fitting: Sequence[Dialect]) -> Dialect:
    """Return the dialect that the file shows to be its own.

    Raises
    ------
    StudyError
        If the file can be read in two ways.
    """
    best = fitting[0]
    for other in fitting[1:]:
        place = _first_difference(text, best, other)
        if place is None:
            continue
        if best.separator == other.separator and other.quoting == "backslash":
            certain = not _only_escapes(text, best.separator)
        elif best.separator == other.separator and best.quoting == "double":
            certain = _quotes_are_marks(text, best, other)
        else:
            certain = False
        if not certain:
            raise StudyError(
                f"{name}, line {place}, can be read in two ways ({best.words}; or {other.words}): set these keys to "
                "the right ones."
            )
    return best


def _first_difference(text: str, one: Dialect, other: Dialect) -> int | None:
    """Return the line where two dialects begin to read different rows; None if they read the same."""
    for left, right in zip_longest(_parse(text, one), _parse(text, other)):
        if left != right:
            return (left or right)[0]
    return None


def _only_escapes(text: str, separator: str) -> bool:
    """Return whether each backslash could be an escape, and no quote is doubled.

    An escape is a backslash before a quote, a separator or a backslash.

    A line end could, too, but pandas writes a backslash before a carriage return in the same way without meaning one.
    """
    mark = re.escape(separator)
    text = _without_missing(text, separator)
    if not re.fullmatch(rf'(?:[^\\]|\\["\\{mark}])*', text):
        return False
    # A file with escapes has doubled quotes only where a field is empty.
    without = re.sub(r"\\.", "-", text)
    empty = rf'(?<![^{mark}\r\n])""(?![^{mark}\r\n])'
    return '""' not in re.sub(empty, "", without)


def _quotes_are_marks(text: str, double: Dialect, none: Dialect) -> bool:
    """Return whether a file shows that the quotes around its fields are not part of the text.

    A field of a file without quoting can begin and end with a quote by chance, such as a title that is a quotation.
    Quotes are marks if the field needs them, because it has a quote within, or if they are a column's habit: all values
    but numbers and empty ones have them. Few rows show a habit only if the header has quotes, too, or the separator is
    a comma, which a text without quoting could hardly have.
    """
    rows = [row for _, row in _parse(text, none)]
    if len(rows) != sum(1 for _ in _parse(text, double)):
        return False
    for column in zip(*rows, strict=True):
        quoted = [_is_quoted(value) for value in column]
        needless = [own and value != '""' and '"' not in value[1:-1] for own, value in zip(quoted, column, strict=True)]
        if not any(needless[1:]):
            continue
        habit = all(own or _NUMBER.fullmatch(value) for own, value in zip(quoted[1:], column[1:], strict=True))
        if not habit or not (quoted[0] or double.separator == "," or len(column) > _MANY):
            return False
    return True
