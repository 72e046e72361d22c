"""The review file: proposals for removal, which a person accepts or rejects, and rows that a person adds."""

import re
from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts import StudyError, write_csv
from bias_amplification.corpus.lists import read_header, read_rows, read_text
from bias_amplification.corpus.messages import short

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
#: The text of a row of this kind is a regular expression instead of a phrase.
PATTERN = "pattern"
#: A row's beginning, which stands within a field if quotes are missing before it.
_ANOTHER_ROW = rf'(?i)[\r\n]"?(?:{"|".join(DECISIONS)})"?[,;][^,;\r\n]+[,;]'


def write_review(review: pa.Table, path: Path) -> None:
    """Write proposals as a CSV file for a person to review."""
    write_csv(review.select(REVIEW.names).cast(REVIEW), path)


def read_review(path: Path) -> pa.Table:
    """Read a reviewed file.

    Parameters
    ----------
    path
        A copy of ``corpus/review.csv`` in which decisions were changed or rows added. The columns articles and
        context may be empty or absent.

    Returns
    -------
    pa.Table
        Rows of `REVIEW`, in the order of the file.

    Raises
    ------
    StudyError
        If the file is missing, lacks a column or quotes, or a row has a decision other than accept and reject, no text,
        or an invalid regular expression.
    """
    place = f"{path} (corpus.identity.review_file)"
    content = read_text(path, place, "name a reviewed copy of review.csv, UTF-8")
    first = content.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    header = read_header(content, separator)
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise StudyError(f"{place} has no column {missing[0]}: it needs {', '.join(NEEDED)}.")
    rows = read_rows(content, place, _ANOTHER_ROW, separator)
    return pa.Table.from_pylist([_check_row(row, f"{place}, row {number}") for number, row in rows], schema=REVIEW)


def _check_row(row: dict[str, str], place: str) -> dict:
    if any(name not in row for name in NEEDED):
        raise StudyError(f"{place} has too many or too few fields: correct its quotes.")
    decision = row["decision"].strip().lower()
    if decision not in DECISIONS:
        raise StudyError(f"{place} has the decision {short(repr(row['decision']))}: write accept or reject.")
    kind, text = row["kind"].strip(), row["text"].strip()
    if not kind or not text:
        raise StudyError(f"{place} has no {'text' if kind else 'kind'}: fill it in or delete the row.")
    if kind == PATTERN:
        try:
            matches_empty = re.compile(text).search("") is not None
        except re.error as error:
            raise StudyError(f"{place} has an invalid regular expression ({error}): correct it.") from error
        if matches_empty:
            raise StudyError(
                f"{place} has the pattern {short(repr(text))}, which matches everywhere: make it narrower."
            )
    articles = (row.get("articles") or "").strip()
    return {
        "decision": decision,
        "kind": kind,
        "text": text,
        "replacement": row["replacement"],
        "articles": int(articles) if articles.isdigit() else None,
        "context": row.get("context"),
    }
