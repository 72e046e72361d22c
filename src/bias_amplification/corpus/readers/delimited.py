"""Read a table of labelled articles (CSV, JSONL or Parquet), with the columns and label values named in the config."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.readers.rows import RowCollector, decode, long_fields, note_bad_lines
from bias_amplification.study.sections import Corpus

NEEDED = ("body", "label")
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(path: Path, corpus: Corpus) -> tuple[pa.Table, list[Finding]]:
    """Read a table of articles.

    Parameters
    ----------
    path
        A file that ends in .csv, .tsv, .jsonl, .ndjson or .parquet.
    corpus
        Uses `columns`, `label_map` and `labels`. `columns` gives the file's column for article_id, event_id, outlet,
        date, title, body and label; only body and label are required. If it is empty, the file's columns must have
        these names.

    Returns
    -------
    articles, findings
        In the order of the file. Articles without an id get their row number (from 1) as id.

    Raises
    ------
    StudyError
        If the file is missing or damaged, a column is missing, a row has too few or too many fields, a label is
        unknown, or two articles have the same id.
    """
    if not path.is_file():
        raise StudyError(f"{path} (corpus.path) does not exist: name a CSV, JSONL or Parquet file.")
    unknown = sorted(set(corpus.columns) - set(ARTICLES.names))
    if unknown:
        raise StudyError(
            f"corpus.columns has the key {unknown[0]!r}, which is no column of an article: use "
            f"{', '.join(ARTICLES.names)}."
        )
    collector = RowCollector(corpus, str(path))
    chosen: dict[str, str] = {}
    for number, (place, row) in enumerate(_rows(path, collector), start=1):
        if not chosen or not row.keys() >= set(chosen.values()):
            chosen = _choose(corpus.columns, list(row), f"{path}, {place},")
        fields = {name: row[column] for name, column in chosen.items()}
        collector.add(
            place,
            _text(fields.pop("article_id", None)).strip() or f"row-{number}",
            _text(fields.pop("label")),
            **{name: value if isinstance(value, date) else _text(value) for name, value in fields.items()},
        )
    if not chosen:
        raise StudyError(f"{path} (corpus.path) has no article: name a file with at least one row.")
    return collector.finish()


def _choose(columns: Mapping[str, str | None], present: list[str], place: str) -> dict[str, str]:
    """Return the file's column for each column of an article that the file has."""
    wanted = columns or {name: name for name in ARTICLES.names if name in present or name in NEEDED}
    chosen = {name: column for name, column in wanted.items() if column is not None}
    for name in NEEDED:
        if name not in chosen:
            raise StudyError(
                f"corpus.columns has no column for {name}, which is required: choose one of the file's columns "
                f"{', '.join(present)}."
            )
    for name, column in chosen.items():
        if column not in present:
            raise StudyError(
                f"{place} has no column {column!r} for {name} (it has {', '.join(present)}): correct corpus.columns."
            )
    return chosen


def _text(value: Any) -> str:
    """Convert a value to text as a person would write it in the config: 1 and 1.0 become "1"."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _rows(path: Path, collector: RowCollector) -> Iterator[tuple[str, dict[str, Any]]]:
    ending = path.suffix.lower()
    if ending == ".parquet":
        yield from _parquet_rows(path)
        return
    if ending not in (*SEPARATORS, ".jsonl", ".ndjson"):
        raise StudyError(f"{path} (corpus.path) ends in {ending!r}: name a .csv, .tsv, .jsonl or .parquet file.")
    text, bad_lines = decode(path.read_bytes(), str(path))
    note_bad_lines(collector, bad_lines)
    yield from _csv_rows(path, text, SEPARATORS[ending]) if ending in SEPARATORS else _json_rows(path, text)


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(1000):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise StudyError(f"{path} is not a whole Parquet file ({one_line(error)}): copy or write it again.") from error


def _csv_rows(path: Path, text: str, separator: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with long_fields():
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
            header: list[str] = []
            start = 1
            for row in reader:
                place, start = f"line {start}", reader.line_num + 1
                if not row:
                    continue
                if not header:
                    header = [name.strip() for name in row]
                    continue
                if len(row) != len(header):
                    raise StudyError(
                        f"{path}, {place}: the row has {len(row)} fields, but the header has {len(header)}: correct "
                        "the quotes or separators of that row."
                    )
                yield place, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise StudyError(f"{path}, line {start}: the row is not valid CSV ({error}): correct its quotes.") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines, because U+2028 and similar characters may occur within a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise StudyError(f"{path}, line {number} is not JSON ({error}): correct or remove that line.") from error
        if not isinstance(row, dict):
            raise StudyError(f"{path}, line {number} is not a JSON object: write each article as a line {{...}}.")
        yield f"line {number}", row
