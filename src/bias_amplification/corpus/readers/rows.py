"""Collect the rows of a source into an article table. All readers use it."""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import Finding
from bias_amplification.study.sections import Corpus

STEP = "reading"


@contextmanager
def long_fields() -> Iterator[None]:
    """Allow CSV fields above 131,072 characters, Python's default limit. Articles can be longer."""
    former = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(former)


class RowCollector:
    """Collects the articles of a source, and findings about them.

    Parameters
    ----------
    corpus
        Uses `label_map` and `labels`.
    source
        The name of the source in messages.
    """

    def __init__(self, corpus: Corpus, source: str) -> None:
        self._label_map = corpus.label_map
        self._labels = corpus.labels
        self._source = source
        self._places: dict[str, str] = {}
        self._columns: dict[str, list] = {name: [] for name in ARTICLES.names}
        self._notes: dict[tuple[str, bool], list[str]] = defaultdict(list)

    def note(self, text: str, kept: bool, place: str) -> None:
        """Count one article or row under the finding `text`."""
        self._notes[text, kept].append(place)

    def add(self, place: str, article_id: str, label: str, **fields: str | date | None) -> None:
        """Add one article.

        Parameters
        ----------
        place
            Where the article is in the source, for messages ("row 3", "line 7").
        article_id
            Its id, unique in the source.
        label
            The source's label value. Articles with an empty label are added; cleaning counts and removes them.
        **fields
            event_id, outlet, date, title and body; absent or None if the source has none.

        Raises
        ------
        StudyError
            If another article has the same id, or the label is unknown.
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
                f"{self._source}: {place} has the label {value!r}, which corpus.label_map does not contain "
                f"(it has {', '.join(self._label_map)}): add it there, with null to leave such articles out."
            )
        label = self._label_map[value] if self._label_map else value
        if label is not None and label not in self._labels:
            raise StudyError(
                f"{self._source}: {place} has the label {label!r}, which is not in corpus.labels "
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
        """Return the article table and the findings. The first finding is the number of articles read."""
        table = pa.table(self._columns, schema=ARTICLES)
        notes = [Finding.with_examples(STEP, text, kept, places) for (text, kept), places in self._notes.items()]
        return table, [Finding(STEP, f"articles read from {self._source}", True, table.num_rows), *notes]


def decode(content: bytes, name: str) -> tuple[str, list[int]]:
    """Decode UTF-8, with or without a byte order mark. Lines with invalid bytes are decoded as Windows-1252.

    Parameters
    ----------
    content
        The file's content.
    name
        The file's name, for messages.

    Returns
    -------
    text, lines
        The text, and the numbers (from 1) of the lines that are not UTF-8. In news texts their encoding is nearly
        always Windows-1252; bytes that Windows-1252 lacks become U+FFFD.

    Raises
    ------
    StudyError
        If the file is UTF-16 or binary (it has zero bytes).
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise StudyError(f"{name} is UTF-16, but only UTF-8 can be read: save it as UTF-8.")
    if b"\0" in content[:4096]:
        raise StudyError(f"{name} is not a text file (it has zero bytes): name a UTF-8 text file.")
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
    """Add a finding for the lines that `decode` could not read as UTF-8."""
    for line in lines:
        collector.note("line that is not UTF-8, read as Windows-1252", True, f"line {line}")
