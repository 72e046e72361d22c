"""Collect the rows of a source into an article table. All readers use it."""

import csv
import sys
from collections import Counter, defaultdict
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import EXAMPLES, UNWANTED, Finding
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.dates import read_date
from bias_amplification.corpus.readers.decoding import undecoded
from bias_amplification.study.sections import Corpus

STEP = "reading"

#: Articles can be longer than 131,072 characters, the csv module's limit.
csv.field_size_limit(sys.maxsize)


class RowCollector:
    """Collects the articles of a source, and findings about them.

    Each row of the source is either added or lost, so that the findings add up.

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
        self._rows = 0
        self._places: dict[str, str] = {}
        self._columns: dict[str, list] = {name: [] for name in ARTICLES.names}
        # Of millions of rows that are left out, only the number and some examples are kept.
        self._counts: Counter[tuple[str, bool]] = Counter()
        self._examples: dict[tuple[str, bool], list[str]] = defaultdict(list)

    def note(self, text: str, place: str) -> None:
        """Count a row that stays under the finding `text`."""
        self._count(text, True, place)

    def lose(self, text: str, place: str) -> None:
        """Count a row that is left out under the finding `text`."""
        self._rows += 1
        self._count(text, False, place)

    def _count(self, text: str, kept: bool, place: str) -> None:
        self._counts[text, kept] += 1
        if self._counts[text, kept] <= EXAMPLES:
            self._examples[text, kept].append(place)

    def add(self, place: str, article_id: str, label: str, **fields: str | date | None) -> None:
        """Add one article, or count it as lost if it has text that was not decoded or a label that is left out.

        Parameters
        ----------
        place
            Where the article is in the source, for messages ("row 3", "line 7", or a file's whole name).
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
        for name in ("title", "body"):
            if not isinstance(fields.get(name), str | None):
                raise StudyError(
                    f"{self._source}: the {name} of {place} is {short(repr(fields[name]))}, which is no text: "
                    "correct that row."
                )
        texts = [article_id, label, *(value for value in fields.values() if isinstance(value, str))]
        faults = [fault for text in texts if not text.isascii() and (fault := undecoded(text))]
        if faults:
            self.lose(faults[0], place if undecoded(article_id) else f"{place} ({article_id})")
            return
        if article_id in self._places:
            raise StudyError(
                f"{self._source}: {place} repeats the article id {short(repr(article_id))} of "
                f"{self._places[article_id]}: give each article its own."
            )
        self._places[article_id] = place
        mapped = self._label(label.strip(), place)
        if mapped is None:
            self.lose(UNWANTED, article_id)
            return
        self._rows += 1
        columns = self._columns
        columns["article_id"].append(article_id)
        columns["label"].append(mapped)
        columns["date"].append(self._date(fields.get("date"), article_id))
        for name in ("event_id", "outlet"):
            columns[name].append((str(fields.get(name) or "")).strip() or None)
        for name in ("title", "body"):
            columns[name].append(fields.get(name) or "")

    def _label(self, value: str, place: str) -> str | None:
        if not value:
            return ""
        if self._label_map and value not in self._label_map:
            raise StudyError(
                f"{self._source}: {place} has the label {short(repr(value))}, which corpus.label_map does not "
                f"contain (it has {short(', '.join(self._label_map))}): add it there, with null to leave such articles "
                "out."
            )
        label = self._label_map[value] if self._label_map else value
        if label is not None and label not in self._labels:
            raise StudyError(
                f"{self._source}: {place} has the label {short(repr(label))}, which is not in corpus.labels "
                f"({', '.join(sorted(self._labels))}): add it there, or map it in corpus.label_map."
            )
        return label

    def _date(self, value: Any, article_id: str) -> date | None:
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date) or value is None:
            return value
        text = str(value).strip()
        found = read_date(text) if text else None
        if text and found is None:
            self.note("date that can be read in several ways or in none, left empty", article_id)
        return found

    def finish(self) -> tuple[pa.Table, list[Finding]]:
        """Return the article table and the findings. The first finding is the number of rows read."""
        table = pa.table(self._columns, schema=ARTICLES)
        notes = [
            Finding(STEP, text, kept, count, tuple(self._examples[text, kept]))
            for (text, kept), count in self._counts.items()
        ]
        return table, [Finding(STEP, f"rows read from {self._source}", True, self._rows), *notes]
