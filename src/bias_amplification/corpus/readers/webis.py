"""Webis-Bias-Flipper-18 as its archive ships (Chen et al. 2018): one CSV, some of whose quotes are not escaped.

A plain CSV reader fails on such lines or, worse, swallows the rows after them. Here records are found first, by what
every record must have (an id at the start of a line, a title, a known rating), so that a broken record costs itself
alone; each is then read strictly and, if that fails, cut into fields in the only way that its structure allows. What
has no such way, or several, is counted with its line.
"""

import csv
import io
import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.archives import is_archive, read_members
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.readers.rows import STEP, RowCollector, decode, long_fields, note_bad_lines

URL = "https://zenodo.org/records/3271061/files/corpus-webis-bias-flipper-18.zip"
MEMBER = "data_public.csv"
FIELDS = ("story_id", "title", "bias", "source", "body", "original_title", "original_body")
#: Records of each rating that a plain reading of the published file is known to give.
KNOWN_COUNTS = {"From the Right": 2542, "From the Left": 2388, "From the Center": 1517}
BIAS = FIELDS.index("bias")
ORIGINAL_TITLE = FIELDS.index("original_title")
TITLE_LENGTH = 400
#: A title with newlines spans at most so many lines.
TITLE_LINES = 4
REPAIRED = "record with unescaped quotes, repaired"
BROKEN = "record that could not be repaired"
#: Ways of cutting a record that are looked at before it counts as ambiguous.
MOST_WAYS = 2


@dataclass(frozen=True)
class Record:
    """A logical record: its fields, or None where they are lost, and what is to be told of it."""

    line: int
    fields: tuple[str, ...] | None
    finding: str | None

    @property
    def repaired(self) -> bool:
        """Whether its fields were found although its quotes are not escaped."""
        return self.finding == REPAIRED


def read(
    path: Path, *, label_map: Mapping[str, str | None], labels: Sequence[str] = ()
) -> tuple[pa.Table, list[Finding]]:
    """Read the corpus.

    Parameters
    ----------
    path
        The archive, a folder that holds the CSV at any depth, or the CSV.
    label_map
        From the ratings in the column ``bias`` to the study's labels. The ratings are also what records are known by.
    labels
        The study's labels; empty allows any.

    Returns
    -------
    articles, findings
        The full text (``original_title``, ``original_body``) where there is one; the headline of the event's page
        stands in for a missing title. Articles and records counted as lost add up to the records of the file,
        unless the text of one has a line that looks like a record, which is then counted too.

    Raises
    ------
    StudyError
        If there is no such CSV, its header is another one, or no rating is known.
    """
    name, content = _content(Path(path))
    if not label_map:
        raise StudyError(
            "corpus.label_map is empty, and source webis needs it to know the ratings in the column bias: map each."
        )
    text, bad_lines = decode(content, name)
    collector = RowCollector(label_map, labels, name)
    note_bad_lines(collector, bad_lines)
    read_here: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    for record in split_records(text, tuple(map(str, label_map)), name):
        place = f"line {record.line}"
        if record.finding:
            collector.note(record.finding, record.fields is not None, place)
        if record.fields is None:
            continue
        fields = dict(zip(FIELDS, record.fields, strict=True))
        read_here[fields["bias"]] += 1
        repaired[fields["bias"]] += record.repaired
        if not fields["original_title"].strip() and fields["title"].strip():
            collector.note("no title of its own, the event's headline used", True, place)
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
    plain = plain_counts(text)
    return articles, [
        *findings,
        *(_beside_known(rating, read_here, repaired, plain) for rating in KNOWN_COUNTS),
    ]


def plain_counts(text: str) -> Counter[str]:
    """Count the records of each rating that a plain reading of the CSV gives, which unescaped quotes mislead.

    Parameters
    ----------
    text
        The whole file.

    Returns
    -------
    Counter
        By what stands in the third field.
    """
    with long_fields():
        rows = csv.reader(io.StringIO(text, newline=""))
        next(rows, None)
        return Counter(row[BIAS] for row in rows if len(row) > BIAS)


def _beside_known(
    rating: str, read_here: Mapping[str, int], repaired: Mapping[str, int], plain: Mapping[str, int]
) -> Finding:
    """Put a rating's records beside the published file's, and say what the difference is made of."""
    found, known, flat = read_here[rating], KNOWN_COUNTS[rating], plain[rating]
    said = f"{rating}: {found:,} records read, {repaired[rating]:,} of them repaired; {known:,} are known of the "
    said += f"published file, {found - known:+,}: a plain reading of this file gives {flat:,}"
    said += f", {flat - known:+,} for another version of the file and {found - flat:+,} for repairs and losses"
    return Finding(STEP, said, True, found)


def _content(path: Path) -> tuple[str, bytes]:
    if path.is_dir():
        found = sorted(path.rglob(MEMBER))
        if not found:
            raise StudyError(f"{path} (corpus.path) holds no {MEMBER}: name the folder or archive that does.")
        path = found[0]
    if not path.is_file():
        raise StudyError(f"{path} (corpus.path) does not exist: name the Webis archive, its folder or its CSV.")
    if is_archive(path):
        for name, content in read_members(path, lambda name: name.split("/")[-1] == MEMBER):
            return f"{path}:{name}", content
        raise StudyError(f"{path} (corpus.path) holds no {MEMBER}: name the Webis-Bias-Flipper-18 archive.")
    return str(path), path.read_bytes()


def split_records(text: str, ratings: Sequence[str], name: str = "the CSV") -> Iterator[Record]:
    """Cut the text of the CSV into its records, repairing those whose quotes are not escaped.

    Parameters
    ----------
    text
        The whole file.
    ratings
        The values that the column ``bias`` can have.
    name
        The file, for messages.

    Yields
    ------
    Record
        Every record of the file once, in its order.

    Raises
    ------
    StudyError
        If the header lacks a column.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    header, _, _ = text.partition("\n")
    columns = [column.strip().strip('"') for column in header.split(",")]
    if columns != list(FIELDS):
        raise StudyError(
            f"{name} has the columns {', '.join(columns)[:200]} where Webis-Bias-Flipper-18 has {', '.join(FIELDS)}: "
            "name its data_public.csv in corpus.path, or use corpus.source table."
        )
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    starts = [*_record_starts(text, ratings, len(header) + 1), len(text)]
    if text[len(header) + 1 : starts[0]].strip():
        starts.insert(0, len(header) + 1)
    for start, end in itertools.pairwise(starts):
        for offset, fields, finding in _read_chunk(text[start:end].rstrip("\n"), ratings):
            yield Record(bisect_right(line_starts, start + offset), fields, finding)


def _record_starts(text: str, ratings: Sequence[str], first: int) -> list[int]:
    """Find where records start: lines of an id and a title that lead to a rating."""
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
    """Read a chunk as proper CSV; None where it is not."""
    try:
        with long_fields():
            return [row for row in csv.reader(io.StringIO(chunk, newline=""), strict=True) if row]
    except csv.Error:
        return None


def _plausible(fields: Sequence[str]) -> bool:
    titles = fields[1], fields[ORIGINAL_TITLE]
    return all(len(title) <= TITLE_LENGTH and title.count("\n") < TITLE_LINES for title in titles)


def _read_chunk(chunk: str, ratings: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...] | None, str | None]]:
    """Read what stands between two record starts: one record, and further ones whose rating is none of the known."""
    rows = _strict(chunk)
    if rows is not None and len(rows) == 1 and len(rows[0]) == len(FIELDS) and rows[0][BIAS] in ratings:
        yield 0, tuple(rows[0]), None
        return
    tail = _unknown_rating(chunk)
    if tail == 0:
        # A record as it should be but for its rating: without one it is kept for cleaning to count.
        (fields,) = rows
        rating = fields[BIAS].strip()
        finding = f"record with the rating {rating!r}, which corpus.label_map does not map" if rating else None
        yield 0, None if rating else tuple(fields), finding
    elif tail is not None:
        yield from _read_chunk(chunk[:tail].rstrip("\n"), ratings)
        for offset, fields, finding in _read_chunk(chunk[tail:], ratings):
            yield tail + offset, fields, finding
    else:
        fields = repair(chunk, ratings)
        yield 0, fields, REPAIRED if fields else BROKEN


def _unknown_rating(chunk: str) -> int | None:
    """Find the last line at which a proper record begins and runs to the end of the chunk."""
    for match in reversed(list(re.finditer(r'^"?[^",\n]{1,80}"?,(?=["\w,])', chunk, re.MULTILINE))):
        rows = _strict(chunk[match.start() :])
        if rows is None or len(rows) != 1 or len(rows[0]) != len(FIELDS) or not _plausible(rows[0]):
            continue
        # A line of text can have as many commas as a record; a rating, known or not, is a few words.
        if re.fullmatch(r"(?:[^\W\d_]+ ?)*", rows[0][BIAS]):
            return match.start()
    return None


def repair(chunk: str, ratings: Sequence[str]) -> tuple[str, ...] | None:
    """Cut a record with unescaped quotes into its fields.

    A field either stands in quotes, and ends at a quote before a comma, or has no quote and no comma. The record has
    as many fields as the header, the third is a rating, and titles are short. Where that leaves one way, it is the
    record; where it leaves none or several, nobody can say.

    Parameters
    ----------
    chunk
        The record, without its final newline.
    ratings
        The values that the third field can have.

    Returns
    -------
    tuple of str, or None
        The fields, in the header's order.
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
            if len(found) == MOST_WAYS:
                return None
    return found[0] if found else None


def _ways(chunk: str, start: int, ratings: Sequence[str], ends: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the ends of the fields for every way of cutting the chunk, depth first."""
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
