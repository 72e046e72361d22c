"""Findings: changes and losses of articles on the way into the corpus. They are the rows of the cleaning table."""

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
        The step that found it: "reading", "cleaning", "identity", "after identity removal" or "result".
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
