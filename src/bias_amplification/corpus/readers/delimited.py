"""Any table of labelled articles: CSV, JSONL or Parquet, with the columns and label values that the config names."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.readers.rows import RowCollector, decode, long_fields, note_bad_lines

NEEDED = ("body", "label")
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(
    path: Path,
    *,
    columns: Mapping[str, str | None],
    label_map: Mapping[str, str | None] | None = None,
    labels: Sequence[str] = (),
) -> tuple[pa.Table, list[Finding]]:
    """Read a table of articles.

    Parameters
    ----------
    path
        A file that ends in .csv, .tsv, .jsonl, .ndjson or .parquet.
    columns
        The file's column for article_id, event_id, outlet, date, title, body, label; None or absent where it has
        none, which body and label must have. Empty: the columns have these very names, as far as they are there.
    label_map
        From the file's label values to the study's labels; None as a label leaves such articles out.
    labels
        The study's labels; empty allows any.

    Returns
    -------
    articles, findings
        In the file's order. Articles without an id are numbered by their row, from 1.

    Raises
    ------
    StudyError
        If the file is missing or damaged, a column is missing, a row has too few or too many fields, a label is
        unknown or an id occurs twice.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} (corpus.path) does not exist: name a CSV, JSONL or Parquet file.")
    unknown = sorted(set(columns) - set(ARTICLES.names))
    if unknown:
        raise StudyError(
            f"corpus.columns names {unknown[0]!r}, which an article does not have: use {', '.join(ARTICLES.names)}."
        )
    collector = RowCollector(label_map or {}, labels, str(path))
    chosen: dict[str, str] = {}
    for number, (place, row) in enumerate(_rows(path, collector), start=1):
        if not chosen or not row.keys() >= set(chosen.values()):
            chosen = _choose(columns, list(row), f"{path}, {place},")
        fields = {name: row[column] for name, column in chosen.items()}
        collector.add(
            place,
            _text(fields.pop("article_id", None)).strip() or f"row-{number}",
            _text(fields.pop("label")),
            **{name: value if isinstance(value, date) else _text(value) for name, value in fields.items()},
        )
    if not chosen:
        raise StudyError(f"{path} (corpus.path) holds no article: name a file with at least one row.")
    return collector.finish()


def _choose(columns: Mapping[str, str | None], present: list[str], place: str) -> dict[str, str]:
    """Say which of the file's columns gives what of an article."""
    wanted = columns or {name: name for name in ARTICLES.names if name in present or name in NEEDED}
    chosen = {name: column for name, column in wanted.items() if column is not None}
    for name in NEEDED:
        if name not in chosen:
            raise StudyError(
                f"corpus.columns names no column for {name}, and the study needs one: the file's columns are "
                f"{', '.join(present)}."
            )
    for name, column in chosen.items():
        if column not in present:
            raise StudyError(
                f"{place} has no column {column!r} for {name} (it has {', '.join(present)}): mend corpus.columns."
            )
    return chosen


def _text(value: Any) -> str:
    """Make text of a value as a person would write it in a config: 1 and 1.0 are "1"."""
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
        reason = str(error).splitlines()[0]
        raise StudyError(f"{path} is not a whole Parquet file ({reason}): copy or write it again.") from error


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
                        f"{path}, {place}: the row has {len(row)} fields where the header has {len(header)}: mend the "
                        "quotes or separators of that row."
                    )
                yield place, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise StudyError(f"{path}, line {start}: the row is broken ({error}): mend its quotes.") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines: U+2028 and its like may stand within a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise StudyError(f"{path}, line {number} is not JSON ({error}): mend or remove that line.") from error
        if not isinstance(row, dict):
            raise StudyError(f"{path}, line {number} is not a JSON object: write one article a line as {{...}}.")
        yield f"line {number}", row
