"""The review file: what is proposed for removal, for a person to accept, reject or add to."""

import csv
import re
from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts import StudyError, write_csv

REVIEW = pa.schema(
    [
        pa.field("decision", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("replacement", pa.string(), nullable=False),
        pa.field("articles", pa.int32()),
        pa.field("context", pa.string()),
    ]
)
DECISIONS = ("accept", "reject")
NEEDED = ("decision", "kind", "text", "replacement")
#: A row of this kind holds a regular expression, not a phrase.
PATTERN = "pattern"


def write_review(review: pa.Table, path: Path) -> None:
    """Write proposals as a CSV for a person."""
    write_csv(review.select(REVIEW.names).cast(REVIEW), path)


def read_review(path: Path) -> pa.Table:
    """Read a reviewed file.

    Parameters
    ----------
    path
        A copy of ``corpus/review.csv`` with decisions changed and rows added. The columns articles and context may be
        empty or absent.

    Returns
    -------
    pa.Table
        Rows of `REVIEW`, in the file's order.

    Raises
    ------
    StudyError
        If the file is missing, lacks a column, or a row has another decision than accept or reject, no text, or a
        pattern that is no regular expression.
    """
    path = Path(path)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path} (corpus.identity.review_file) cannot be read ({error}): name a reviewed copy of review.csv, UTF-8."
        ) from error
    first = content.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    reader = csv.DictReader(content.splitlines(keepends=True), delimiter=separator)
    missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
    if missing:
        raise StudyError(
            f"{path} (corpus.identity.review_file) has no column {missing[0]}: it needs {', '.join(NEEDED)}."
        )
    rows = [_check_row(row, number, path) for number, row in enumerate(reader, start=2)]
    return pa.Table.from_pylist(rows, schema=REVIEW)


def _check_row(row: dict, number: int, path: Path) -> dict:
    place = f"{path} (corpus.identity.review_file), row {number}"
    if None in row or any(row[name] is None for name in NEEDED):
        raise StudyError(f"{place} has too many or too few fields: mend its quotes.")
    decision = row["decision"].strip().lower()
    if decision not in DECISIONS:
        raise StudyError(f"{place} has the decision {row['decision']!r}: write accept or reject.")
    kind, text = row["kind"].strip(), row["text"].strip()
    if not kind or not text:
        raise StudyError(f"{place} has no {'text' if kind else 'kind'}: fill it in or delete the row.")
    if kind == PATTERN:
        try:
            matches_empty = re.compile(text).search("") is not None
        except re.error as error:
            raise StudyError(f"{place} has a pattern that is no regular expression ({error}): mend it.") from error
        if matches_empty:
            raise StudyError(f"{place} has the pattern {text!r}, which matches everywhere: make it narrower.")
    articles = (row.get("articles") or "").strip()
    return {
        "decision": decision,
        "kind": kind,
        "text": text,
        "replacement": row["replacement"],
        "articles": int(articles) if articles.isdigit() else None,
        "context": row.get("context"),
    }
