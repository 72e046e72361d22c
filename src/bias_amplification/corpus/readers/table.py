"""Read a table of labelled articles (CSV, JSON or Parquet), with the columns and label values named in the config."""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import UNCHOSEN, Finding
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.choice import Choice, as_text
from bias_amplification.corpus.readers.columns import Row, choose_columns, wanted_columns
from bias_amplification.corpus.readers.decoding import COMPRESSED_ENDINGS, decode, read_bytes, unpacked_bytes
from bias_amplification.corpus.readers.files import check_file, files_below, only_of_folders
from bias_amplification.corpus.readers.parquet import parquet_bytes, parquet_rows
from bias_amplification.corpus.readers.rows import RowCollector
from bias_amplification.corpus.readers.separated import read_rows
from bias_amplification.study.sections import Corpus

_SEPARATED = (".csv", ".tsv", ".tab", ".txt")
_ENDINGS = (*_SEPARATED, ".jsonl", ".ndjson", ".json", ".parquet")
#: What stands for an empty value in the name of a partition's folder.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_NAME_A_FILE = "name a .csv, .tsv, .jsonl, .json or .parquet file, or a folder of such files"


def read(path: Path, corpus: Corpus) -> tuple[pa.Table, list[Finding]]:
    """Read a table of articles.

    Parameters
    ----------
    path
        A file that ends in .csv, .tsv, .tab, .txt, .jsonl, .ndjson, .json (a list of objects) or .parquet, perhaps
        compressed (.gz, .bz2, .xz); or a folder of such files of one kind, which are read in the order of their names.
    corpus
        Uses `columns`, `where`, `label_map`, `labels`, `separator`, `quoting`, `encoding` and `cleaning.most_lost`.
        `columns` gives the file's column for article_id, event_id, outlet, date, title, body and label; only body and
        label are required. If it is empty, the file's columns must have these names.

    Returns
    -------
    articles, findings
        In the order of the file. Articles without an id get their row number (from 1, in the whole file) as id. Rows
        that `where` leaves out are counted, but not looked at further. Texts are as the file has
        them. Lists of texts are paragraphs, joined with line ends.

    Raises
    ------
    StudyError
        If the file is missing or damaged, can be read in several ways, or lacks a wanted column or has it twice. If a
        row has too few or too many fields, a value that is no text, an unknown label, or another row's id.
    """
    unknown = sorted(set(corpus.columns) - set(ARTICLES.names))
    if unknown:
        raise StudyError(
            f"corpus.columns has the key {short(repr(unknown[0]))}, which is no column of an article: write one of "
            f"{', '.join(ARTICLES.names)} before the colon and the file's column after it."
        )
    files = table_files(path)
    collector = RowCollector(corpus, str(path))
    choice = Choice(corpus.where)
    number = 0
    for file in files:
        inside = f"{file.relative_to(path)}, " if file != path else ""
        for place, fields, conditions in _rows(file, path, corpus):
            number += 1
            values = {
                name: as_text(value) if isinstance(value, bool) else _text(value, f"{file}, {place}", name)
                for name, value in conditions.items()
            }
            if not choice.chooses(values):
                collector.lose(UNCHOSEN, inside + place)
                continue
            texts = {
                name: value if name == "date" and isinstance(value, date) else _text(value, f"{file}, {place}", name)
                for name, value in fields.items()
            }
            article_id = texts.pop("article_id", "").strip() or f"row-{number}"
            collector.add(inside + place, article_id, texts.pop("label"), **texts)
    if not number:
        raise StudyError(f"{path} (corpus.path) has no article: name a file with at least one row.")
    choice.check(str(path))
    return collector.finish()


def table_files(path: Path) -> list[Path]:
    """List the files of a table: the file itself, or the files of a folder (see `files_below`).

    Raises
    ------
    StudyError
        If there is no file, or one of another kind.
    """
    if not os.path.lexists(path):
        raise StudyError(f"{path} (corpus.path) does not exist: {_NAME_A_FILE}.")
    if path.is_dir():
        files = files_below(path)
        if not files:
            raise StudyError(f"{path} (corpus.path) is a folder without files: {_NAME_A_FILE}.")
    else:
        check_file(path)
        files = [path]
    for file in files:
        if _ending(file) not in _ENDINGS:
            raise StudyError(f"{file} (corpus.path) ends in {file.suffix!r}: {_NAME_A_FILE}.")
    endings = sorted({_ending(file) for file in files})
    if len(endings) > 1:
        raise StudyError(
            f"{path} (corpus.path) has files that end in {endings[0]} and in {endings[1]}: name a folder with the "
            "parts of one table."
        )
    return files


def text_bytes(path: Path, most: int) -> int:
    """Return how many bytes the files of a table have unpacked, counted up to somewhat more than `most`."""
    total = 0
    for file in table_files(path):
        total += parquet_bytes(file) if _ending(file) == ".parquet" else unpacked_bytes(file, most)
        if total > most:
            break
    return total


def _ending(file: Path) -> str:
    """Return the ending that tells a file's format, without that of its compression."""
    name = file.with_suffix("") if file.suffix.lower() in COMPRESSED_ENDINGS else file
    return name.suffix.lower()


def _rows(file: Path, path: Path, corpus: Corpus) -> Iterator[Row]:
    """Yield the rows of one file of the table at `path`.

    Folders such as `side=left` within the path give a column and its value for all rows below them, as pandas and Spark
    write a partitioned table.
    """
    ending = _ending(file)
    parts = [part.partition("=") for part in file.relative_to(path).parts[:-1] if "=" in part]
    partition = {name: "" if value == _NO_VALUE else unquote(value) for name, _, value in parts}
    if ending == ".parquet":
        yield from parquet_rows(file, partition, lambda names: choose_columns(corpus, names, str(file)))
        return
    text = decode(read_bytes(file), str(file), corpus.encoding, corpus.cleaning.most_lost)
    if not text.strip():
        raise StudyError(f"{file} has only white space: copy or write it again, or remove it.")
    if ending not in _SEPARATED:
        yield from _json_rows(file, text, partition, corpus, whole=ending == ".json")
        return

    def fits(names: Sequence[str]) -> bool:
        present = [*names, *partition]
        return {column for column, _ in wanted_columns(corpus, present)} <= {*present}

    rows = read_rows(text, str(file), fits, corpus.separator, corpus.quoting)
    choose = None
    for line, row in rows:
        if choose is None:
            own = [name.strip() for name in row]
            partition = only_of_folders(partition, own)
            same = [*partition.values()]
            choose = choose_columns(corpus, [*own, *partition], f"{file}, line {line},")
            continue
        yield choose.row(f"line {line}", row + same)


def _text(value: Any, place: str, name: str) -> str:
    """Convert a value to text as a person would write it in the config: 1 and 1.0 become "1"."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # JSON's true and Infinity are no texts.
    if (
        isinstance(value, int | float | Decimal | date)
        and not isinstance(value, bool)
        and str(value).strip("-") != "inf"
    ):
        return str(value)
    if isinstance(value, list) and all(isinstance(part, str | None) for part in value):
        return "\n".join(part for part in value if part is not None)
    raise StudyError(
        f"{place} has as {name} neither text nor a list of texts, but {_kind(value)}: convert that column to text, or "
        "correct corpus.columns."
    )


def _kind(value: Any) -> str:
    """Name a value's kind in words."""
    if isinstance(value, _Object | dict):
        return "a map"
    return "a list of other values" if isinstance(value, list) else f"a {type(value).__name__}"


def _json_rows(file: Path, text: str, partition: dict[str, str], corpus: Corpus, *, whole: bool) -> Iterator[Row]:
    former: list[str] = []
    choose = None
    for place, pairs in _json_objects(file, text, whole=whole):
        pairs = [*pairs, *only_of_folders(partition, (name for name, _ in pairs)).items()]
        names = [name for name, _ in pairs]
        if choose is None or names != former:
            choose, former = choose_columns(corpus, names, f"{file}, {place},"), names
        yield choose.row(place, [value for _, value in pairs])


def _json_objects(file: Path, text: str, *, whole: bool) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yield each object's place and its names and values. A name can occur twice, which a dictionary would hide."""
    if whole:
        rows = _parse_json(text, f"{file}")
        if not isinstance(rows, list):
            raise StudyError(
                f"{file} is not a JSON list: write the articles as [{{...}}, {{...}}], or a line for each."
            )
        places = ((f"object {number}", row) for number, row in enumerate(rows, start=1))
    else:
        # Not splitlines, because U+2028 and similar characters may occur within a JSON string.
        lines = ((f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
        places = ((place, _parse_json(line, f"{file}, {place}")) for place, line in lines)
    for place, row in places:
        if not isinstance(row, _Object):
            raise StudyError(f"{file}, {place} is not a JSON object: write each article as a line {{...}}.")
        yield place, row.pairs


class _Object:
    """A JSON object with all its names."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _parse_json(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{place} is not JSON ({one_line(error)}): correct or remove that line.") from error
