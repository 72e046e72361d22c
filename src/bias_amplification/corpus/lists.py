"""Read the CSV files that a person writes or edits: each row whole, or an error that names its line."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.corpus.messages import short


def read_text(path: Path, place: str, remedy: str) -> str:
    """Read a file in UTF-8.

    Parameters
    ----------
    path
        The file.
    place
        The file and the config's key, for messages.
    remedy
        What to do if it cannot be read, for messages.

    Raises
    ------
    StudyError
        If it cannot be read, or is no file. A pipe would be waited for.
    """
    if path.exists() and not path.is_file():
        raise StudyError(f"{place} is no file: {remedy}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{place} cannot be read ({one_line(error)}): {remedy}.") from error


def read_rows(text: str, place: str, another_row: str, separator: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file below its header, with their numbers. The header is row 1; empty rows are left out.

    Parameters
    ----------
    text
        The whole file. Lines end as in any CSV file: U+2028 and the like are part of a field.
    place
        The file and the config's key, for messages.
    another_row
        A regular expression of what no field has within, but a row that stands behind a missing quote.
    separator
        The character between fields.

    Yields
    ------
    number, fields
        Fields by the names of the header. Those that a short row lacks are absent.

    Raises
    ------
    StudyError
        If quotes are missing, a row has more fields than the header, or the header has a name twice.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    number, line = 0, 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise StudyError(
                f"{place}, line {line}: the row is not valid CSV ({error}): correct its quotes."
            ) from error
        if row is None:
            return
        if any(re.search(another_row, field) for field in row):
            raise StudyError(f"{place}, line {line}: a field has another row within: close the quotes of that field.")
        number += 1
        line = reader.line_num + 1
        if not header:
            header = row
            if twice := [name for name in header if name and header.count(name) > 1]:
                raise StudyError(
                    f"{place} has several columns with the name {short(repr(twice[0]))}: remove all but one."
                )
        elif any(row[len(header) :]):
            raise StudyError(
                f"{place}, row {number} has too many or too few fields ({len(row)}, the header has {len(header)}): "
                "correct the header, or the row's quotes."
            )
        elif any(row):
            yield number, dict(zip(header, row, strict=False))


def read_header(text: str, separator: str = ",") -> list[str]:
    """Return the names in the first line of a CSV file; none if the file is empty."""
    return next(csv.reader(text.splitlines()[:1], delimiter=separator), [])
