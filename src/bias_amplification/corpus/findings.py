"""Findings: changes and losses of articles on the way into the corpus. They are the rows of the cleaning table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from bias_amplification.artifacts.schemas import CLEANING

#: Articles that a finding lists as examples.
EXAMPLES = 5

#: The finding of rows that the user's `label_map` leaves out.
UNWANTED = "label value left out by corpus.label_map"

#: The finding of rows that the user's `where` leaves out.
UNCHOSEN = "row left out by corpus.where"

#: The finding of articles that `sample` leaves out.
UNDRAWN = "article not drawn by corpus.sample"

#: What the config leaves out. It is no loss.
BY_CONFIG = (UNWANTED, UNCHOSEN, UNDRAWN)

#: Losses as the terminal says them, after their number. All others are of rows that a reader cannot read.
_IN_SHORT = {
    "no label": "without a label",
    "empty body": "empty",
    "same body as an earlier article": "copies",
    "same body as an earlier article of another label": "copies of another label",
}

#: Most characters of a job's result that the terminal shows.
_MOST = 99

#: The end of the finding of texts whose characters were decoded wrongly and are put right.
MENDED = "mojibake mended"

#: The end of the finding of texts with the sign for a character that another program could not decode.
LOST = "characters lost in the source (U+FFFD) left in"


@dataclass(frozen=True)
class Finding:
    """One kind of change or loss.

    Attributes
    ----------
    step
        The step that found it: "reading", "cleaning", "sample", "identity", "after identity removal" or "result".
    finding
        A description in words.
    kept
        Whether the articles stayed in the corpus.
    articles
        Number of articles (or rows of the source) that were changed or lost.
    examples
        Some of them: article ids or lines of the source.
    """

    step: str
    finding: str
    kept: bool
    articles: int
    examples: tuple[str, ...] = ()

    @classmethod
    def with_examples(cls, step: str, finding: str, kept: bool, places: Sequence[str]) -> "Finding":
        """Make a finding from the ids or lines of all its articles; the first few become its examples."""
        return cls(step, finding, kept, len(places), tuple(places[:EXAMPLES]))


def findings_table(findings: Iterable[Finding]) -> pa.Table:
    """Return findings as a table with the schema `CLEANING`, in the order given."""
    rows = [
        {
            "step": item.step,
            "finding": item.finding,
            "kept": item.kept,
            "articles": item.articles,
            "examples": "; ".join(item.examples) or None,
        }
        for item in findings
    ]
    return pa.Table.from_pylist(rows, schema=CLEANING)


def losses_in_words(findings: Iterable[Finding], articles: int) -> str:
    """Return in one line how many rows were lost, with the largest reason first.

    Rows that the config leaves out (`BY_CONFIG`) are not lost. The line gives their number if it has room.

    Parameters
    ----------
    findings
        The findings of reading, cleaning and identity removal.
    articles
        Number of articles of the corpus.
    """
    lost: Counter[str] = Counter()
    by_config: Counter[str] = Counter()
    for item in findings:
        if item.finding in BY_CONFIG:
            by_config[item.finding] += item.articles
        elif not item.kept:
            body = item.finding.removeprefix("body of ")
            short = f"with {body}" if body != item.finding else _IN_SHORT.get(item.finding, "unreadable")
            lost[short] += item.articles
    undrawn = by_config.pop(UNDRAWN, 0)
    said = f"{articles:,} articles" + (f", drawn from {articles + undrawn:,}" if undrawn else "")
    others = f"; {by_config.total():,} rows not chosen by the config" if by_config.total() else ""
    if not lost:
        return f"{said}, no row lost{others}"
    said += f"; {lost.total():,} of {articles + undrawn + lost.total():,} rows left out"
    parts = [f"{n:,} {reason.replace('copies', 'copy') if n == 1 else reason}" for reason, n in lost.most_common()]
    for shown in range(len(parts), 0, -1):
        rest = lost.total() - sum(count for _, count in lost.most_common(shown))
        line = f"{said}: {', '.join(parts[:shown])}{f', {rest:,} others' if rest else ''}"
        if len(line + others) <= _MOST:
            return line + others
        if len(line) <= _MOST:
            return line
    return said
