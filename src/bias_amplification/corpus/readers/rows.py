"""Collects a source's rows into an article table; what every reader needs and does the same way."""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import Finding, finding

STEP = "reading"


@contextmanager
def long_fields() -> Iterator[None]:
    """Let CSV fields be longer than the 131,072 characters that Python allows by default; articles can be."""
    former = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(former)


class RowCollector:
    """Gathers articles and findings of one source.

    Parameters
    ----------
    label_map
        From the source's label values to the study's labels; None leaves the articles of that value out. Empty:
        the values are labels already.
    labels
        The study's labels; empty allows any.
    source
        What the source is called in messages.
    """

    def __init__(self, label_map: Mapping[str, str | None], labels: Iterable[str], source: str) -> None:
        self._label_map = {str(value): label for value, label in label_map.items()}
        self._labels = set(labels)
        self._source = source
        self._places: dict[str, str] = {}
        self._columns: dict[str, list] = {name: [] for name in ARTICLES.names}
        self._notes: dict[tuple[str, bool], list[str]] = defaultdict(list)

    def note(self, text: str, kept: bool, place: str) -> None:
        """Count one article or row under a finding."""
        self._notes[text, kept].append(place)

    def add(self, place: str, article_id: str, label: str, **fields: str | date | None) -> None:
        """Add one article.

        Parameters
        ----------
        place
            Where it stands in the source, for messages ("row 3", "line 7").
        article_id
            Its id, unique in the source.
        label
            The source's label value; empty if it has none, which cleaning counts and leaves out.
        **fields
            event_id, outlet, date, title, body; absent or None where the source has none.

        Raises
        ------
        StudyError
            If the id was met before or the label is unknown.
        """
        first = self._places.setdefault(article_id, place)
        if first != place:
            raise StudyError(
                f"{self._source}: {place} repeats the article id {article_id!r} of {first}: give each article its own."
            )
        mapped = self._label(label.strip(), place)
        if mapped is None:
            self.note("label value left out by corpus.label_map", False, article_id)
            return
        columns = self._columns
        columns["article_id"].append(article_id)
        columns["label"].append(mapped)
        columns["date"].append(self._date(fields.get("date"), article_id))
        for name in ("event_id", "outlet"):
            columns[name].append((str(fields.get(name) or "")).strip() or None)
        for name in ("title", "body"):
            columns[name].append(str(fields.get(name) or ""))

    def _label(self, value: str, place: str) -> str | None:
        if not value:
            return ""
        if self._label_map and value not in self._label_map:
            raise StudyError(
                f"{self._source}: {place} has the label {value!r}, which corpus.label_map does not name "
                f"(it names {', '.join(self._label_map)}): add it there, with null to leave such articles out."
            )
        label = self._label_map.get(value, value) if self._label_map else value
        if label is not None and self._labels and label not in self._labels:
            raise StudyError(
                f"{self._source}: {place} has the label {label!r}, which is not among corpus.labels "
                f"({', '.join(sorted(self._labels))}): add it there, or map it in corpus.label_map."
            )
        return label

    def _date(self, value: str | date | None, article_id: str) -> date | None:
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date) or value is None:
            return value
        text = str(value).strip()
        if not text:
            return None
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            self.note("date not in the form YYYY-MM-DD, left empty", True, article_id)
            return None

    def finish(self) -> tuple[pa.Table, list[Finding]]:
        """Return the article table and the findings, "articles read" first."""
        table = pa.table(self._columns, schema=ARTICLES)
        notes = [finding(STEP, text, kept, places) for (text, kept), places in self._notes.items()]
        return table, [Finding(STEP, f"articles read from {self._source}", True, table.num_rows), *notes]


def decode(content: bytes, name: str) -> tuple[str, list[int]]:
    """Decode UTF-8, with or without a byte order mark, line by line where bytes are bad.

    Parameters
    ----------
    content
        The file.
    name
        What it is called in messages.

    Returns
    -------
    text, lines
        The text, and the numbers (from 1) of lines that are not UTF-8 and were read as Windows-1252, the encoding
        such lines nearly always have; bytes that even that lacks become U+FFFD.

    Raises
    ------
    StudyError
        If the file is UTF-16, or holds the zero bytes of a binary file.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise StudyError(f"{name} is UTF-16, and only UTF-8 is read: save it as UTF-8.")
    if b"\0" in content[:4096]:
        raise StudyError(f"{name} is not a text file (it holds zero bytes): name a UTF-8 text file.")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    lines, bad = content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), []
    for number, line in enumerate(lines, start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            bad.append(number)
            lines[number - 1] = line.decode("cp1252", errors="replace").encode()
    return b"\n".join(lines).decode(), bad


def note_bad_lines(collector: RowCollector, lines: Iterable[int]) -> None:
    """Report the lines that `decode` could not read as UTF-8."""
    for line in lines:
        collector.note("line that is not UTF-8, read as Windows-1252", True, f"line {line}")
