"""Read Webis-Bias-Flipper-18 (Chen et al. 2018): one CSV file in which some quotes are not escaped.

A standard CSV reader fails on such rows or reads the following rows as part of them. This reader first finds where
records start, by what all records have: an id at the start of a line, a title, and a known rating. A broken record
then affects no other record. Each record is read as strict CSV. If that fails, it is cut into fields in the only way
that fits the structure of a record. Records that can be cut in no way, or in several, are counted as lost, with their
line.
"""

import csv
import io
import itertools
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.archives import is_archive, read_members
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.decoding import decode, read_bytes
from bias_amplification.corpus.readers.files import check_file, files_below
from bias_amplification.corpus.readers.rows import STEP, RowCollector
from bias_amplification.study.sections import Corpus

URL = "https://zenodo.org/records/3271061/files/corpus-webis-bias-flipper-18.zip"
MEMBER = "data_public.csv"
#: Limit on the size of the CSV, in bytes unpacked: far more than the published file needs.
UNPACKED_LIMIT = 2**30
FIELDS = ("story_id", "title", "bias", "source", "body", "original_title", "original_body")
#: Number of records with each rating that a standard CSV reader finds in the published file.
KNOWN_COUNTS = {"From the Right": 2542, "From the Left": 2388, "From the Center": 1517}
BIAS = FIELDS.index("bias")
ORIGINAL_TITLE = FIELDS.index("original_title")
#: Maximum length of a title, in characters.
TITLE_LENGTH = 400
#: Maximum number of lines of a title.
TITLE_LINES = 4
REPAIRED = "record with unescaped quotes, repaired"
BROKEN = "record that could not be repaired"
#: A record that can be cut in this many ways is ambiguous; further ways are not searched.
AMBIGUOUS = 2


@dataclass(frozen=True)
class Record:
    """A record of the CSV.

    Attributes
    ----------
    line
        The line of the file where it starts, from 1.
    fields
        Its fields, in the order of `FIELDS`; None if it is lost.
    finding
        What is reported about it; None if it was read as it is.
    """

    line: int
    fields: tuple[str, ...] | None
    finding: str | None

    @property
    def repaired(self) -> bool:
        """Whether its fields were found although its quotes are not escaped."""
        return self.finding == REPAIRED


def read(path: Path, corpus: Corpus) -> tuple[pa.Table, list[Finding]]:
    """Read the articles.

    Parameters
    ----------
    path
        The archive, a folder that contains the CSV at any depth, or the CSV.
    corpus
        Uses `label_map`, from the ratings in the column ``bias`` to the study's labels. These ratings are also used
        to find the records.

    Returns
    -------
    articles, findings
        Body and title are ``original_body`` and ``original_title``. A missing title is replaced with the headline of
        the event's page. The articles and the records counted as lost add up to the records of the file. (A line of
        text that looks like the start of a record is counted as one more record.)

    Raises
    ------
    StudyError
        If there is no such CSV, or its header differs.
    """
    name, content = _content(path)
    text = decode(content, name, corpus.encoding, corpus.cleaning.most_lost)
    collector = RowCollector(corpus, name)
    records = list(split_records(text, tuple(corpus.label_map), name))
    for record in records:
        place = f"line {record.line}"
        if record.fields is None:
            collector.lose(record.finding or BROKEN, place)
            continue
        if record.finding:
            collector.note(record.finding, place)
        fields = dict(zip(FIELDS, record.fields, strict=True))
        if not fields["original_title"].strip() and fields["title"].strip():
            collector.note("no title of its own, the event's headline used", place)
        collector.add(
            place,
            f"webis-{record.line:06d}",
            fields["bias"],
            event_id=fields["story_id"],
            outlet=fields["source"],
            title=fields["original_title"].strip() or fields["title"],
            body=fields["original_body"],
        )
    articles, findings = collector.finish()
    return articles, [*findings, *_compare_counts(records, text)]


def standard_counts(text: str) -> Counter[str]:
    """Count the records of each rating as a standard CSV reader finds them. Unescaped quotes make it miscount.

    Parameters
    ----------
    text
        The whole file.

    Returns
    -------
    Counter
        Number of rows by the value of their third field.
    """
    rows = csv.reader(io.StringIO(text, newline=""))
    next(rows, None)
    return Counter(row[BIAS] for row in rows if len(row) > BIAS)


def _compare_counts(records: Sequence[Record], text: str) -> Iterator[Finding]:
    """Compare the number of records of each rating with the published file, and explain the difference."""
    standard = standard_counts(text)
    complete = [record for record in records if record.fields is not None]
    for rating, known in KNOWN_COUNTS.items():
        own = [record for record in complete if record.fields[BIAS] == rating]
        found, repaired, flat = len(own), sum(record.repaired for record in own), standard[rating]
        said = f"{rating}: {found:,} records read, {repaired:,} of them repaired; {known:,} are known of the "
        said += f"published file, {found - known:+,}: a plain reading of this file gives {flat:,}"
        said += f", {flat - known:+,} for another version of the file and {found - flat:+,} for repairs and losses"
        yield Finding(STEP, said, True, found)


def _content(path: Path) -> tuple[str, bytes]:
    if path.is_dir():
        found = [file for file in files_below(path) if file.name == MEMBER]
        if not found:
            raise StudyError(f"{path} (corpus.path) has no {MEMBER}: name the folder or archive that has it.")
        if len(found) > 1:
            raise StudyError(f"{path} (corpus.path) has {found[0]} and {found[1]}: name one of them in corpus.path.")
        path = found[0]
    if not os.path.lexists(path):
        raise StudyError(f"{path} (corpus.path) does not exist: name the Webis archive, its folder or its CSV.")
    check_file(path)
    if is_archive(path):
        members = list(read_members(path, lambda name: name.split("/")[-1] == MEMBER, UNPACKED_LIMIT))
        if not members:
            raise StudyError(f"{path} (corpus.path) has no {MEMBER}: name the Webis-Bias-Flipper-18 archive.")
        if len(members) > 1:
            raise StudyError(
                f"{path} (corpus.path) has {short(members[0][0])} and {short(members[1][0])}: unpack it, and name one "
                "of them in corpus.path."
            )
        name, content = members[0]
        return f"{path}:{name}", content
    return str(path), read_bytes(path)


def split_records(text: str, ratings: Sequence[str], name: str) -> Iterator[Record]:
    """Cut the CSV into records, and repair records with unescaped quotes.

    Parameters
    ----------
    text
        The whole file.
    ratings
        The values of the column ``bias`` that mark a record.
    name
        The file's name, for messages.

    Yields
    ------
    Record
        Every record of the file once, in order.

    Raises
    ------
    StudyError
        If the header differs from `FIELDS`.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    header, _, _ = text.partition("\n")
    columns = [column.strip().strip('"') for column in header.split(",")]
    if columns != list(FIELDS):
        raise StudyError(
            f"{name} has the columns {short(', '.join(columns))}, but Webis-Bias-Flipper-18 has {', '.join(FIELDS)}: "
            "name its data_public.csv in corpus.path, or set corpus.source to table."
        )
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    starts = [*_record_starts(text, ratings, len(header) + 1), len(text)]
    if text[len(header) + 1 : starts[0]].strip():
        starts.insert(0, len(header) + 1)
    for start, end in itertools.pairwise(starts):
        for offset, fields, finding in _read_chunk(text[start:end].rstrip("\n"), ratings):
            yield Record(bisect_right(line_starts, start + offset), fields, finding)


def _record_starts(text: str, ratings: Sequence[str], first: int) -> list[int]:
    """Return the positions where records start: at a line with an id and a title, followed by a rating."""
    alternatives = "|".join(re.escape(rating) for rating in ratings)
    rating = re.compile(rf'(?:"(?:{alternatives})"|(?<=,)(?:{alternatives})),')
    opening = re.compile(r'"?[^",\n]{1,80}"?,(?:"[\s\S]*",|[^",\n][^,\n]*,|,)\Z')
    starts: list[int] = []
    for match in rating.finditer(text, first):
        if text[match.start() - 1] != ",":
            continue
        line = match.start()
        for _ in range(TITLE_LINES):
            line = text.rfind("\n", 0, line) + 1
            if line < first or (starts and line <= starts[-1]) or match.start() - line > TITLE_LENGTH + 90:
                break
            if opening.match(text, line, match.start()):
                starts.append(line)
                break
            line -= 1
    return starts


def _strict(chunk: str) -> list[list[str]] | None:
    """Read a chunk as strict CSV; return None if it is not valid."""
    try:
        return [row for row in csv.reader(io.StringIO(chunk, newline=""), strict=True) if row]
    except csv.Error:
        return None


def _plausible(fields: Sequence[str]) -> bool:
    titles = fields[1], fields[ORIGINAL_TITLE]
    return all(len(title) <= TITLE_LENGTH and title.count("\n") < TITLE_LINES for title in titles)


def _read_chunk(chunk: str, ratings: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...] | None, str | None]]:
    """Yield offset, fields and finding of the records in a chunk.

    A chunk goes from one record start to the next. It holds one record, and possibly records with unknown ratings,
    whose starts were not found.
    """
    rows = _strict(chunk)
    if rows is not None and len(rows) == 1 and len(rows[0]) == len(FIELDS) and rows[0][BIAS] in ratings:
        yield 0, tuple(rows[0]), None
        return
    tail = _unknown_rating(chunk)
    if tail == 0:
        # A valid record whose rating is unknown or empty. With an empty one it is kept: cleaning counts and removes it.
        (fields,) = rows
        rating = fields[BIAS].strip()
        finding = (
            f"record with the rating {short(repr(rating))}, which corpus.label_map does not map" if rating else None
        )
        yield 0, None if rating else tuple(fields), finding
    elif tail is not None:
        yield from _read_chunk(chunk[:tail].rstrip("\n"), ratings)
        for offset, fields, finding in _read_chunk(chunk[tail:], ratings):
            yield tail + offset, fields, finding
    else:
        fields = repair(chunk, ratings)
        yield 0, fields, REPAIRED if fields else BROKEN


def _unknown_rating(chunk: str) -> int | None:
    """Return the last position at which a valid record starts that ends with the chunk; None if there is none."""
    for match in reversed(list(re.finditer(r'^"?[^",\n]{1,80}"?,(?=["\w,])', chunk, re.MULTILINE))):
        rows = _strict(chunk[match.start() :])
        if rows is None or len(rows) != 1 or len(rows[0]) != len(FIELDS) or not _plausible(rows[0]):
            continue
        # A line of text can have as many commas as a record, but its third field is rarely just words, as a rating is.
        if re.fullmatch(r"(?:[^\W\d_]+ ?)*", rows[0][BIAS]):
            return match.start()
    return None


def repair(chunk: str, ratings: Sequence[str]) -> tuple[str, ...] | None:
    """Cut a record with unescaped quotes into its fields.

    A field either is in quotes and ends at a quote before a comma, or has no quote and no comma. A record has as many
    fields as the header, its third field is a rating, and its titles are short. The record is repaired if exactly one
    way of cutting it meets these conditions.

    Parameters
    ----------
    chunk
        The record, without its final newline.
    ratings
        The possible values of the third field.

    Returns
    -------
    tuple of str, or None
        The fields, in the order of the header; None if no way or several ways are possible.
    """
    found: list[tuple[str, ...]] = []
    for ends in _ways(chunk, 0, ratings, ()):
        fields, start = [], 0
        for end in ends:
            field = chunk[start:end]
            fields.append(field[1:-1].replace('""', '"') if field.startswith('"') else field)
            start = end + 1
        if _plausible(fields):
            found.append(tuple(fields))
            if len(found) == AMBIGUOUS:
                return None
    return found[0] if found else None


def _ways(chunk: str, start: int, ratings: Sequence[str], ends: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the ends of all fields for every way of cutting the chunk, by depth-first search."""
    index = len(ends)
    if index == BIAS + 1 and chunk[ends[-2] + 1 : ends[-1]].strip('"') not in ratings:
        return
    if index == len(FIELDS) - 1:
        last = chunk[start:]
        quoted = len(last) >= 2 and last.startswith('"') and last.endswith('"')
        if quoted or not re.search(r'[",\n]', last):
            yield (*ends, len(chunk))
        return
    for end in _field_ends(chunk, start):
        if index in (1, ORIGINAL_TITLE) and end - start > 2 * TITLE_LENGTH:
            return
        yield from _ways(chunk, end + 1, ratings, (*ends, end))


def _field_ends(chunk: str, start: int) -> Iterator[int]:
    if not chunk.startswith('"', start):
        match = re.compile(r'[^",\n]*(?=,)').match(chunk, start)
        if match and not match.group().startswith(" "):
            yield match.end()
        return
    end = chunk.find('",', start + 1)
    while end != -1:
        yield end + 1
        end = chunk.find('",', end + 1)
