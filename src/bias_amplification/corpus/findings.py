"""What happened to articles on their way into the corpus, as rows of the cleaning table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from bias_amplification.artifacts.schemas import CLEANING

EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One kind of change or loss.

    Attributes
    ----------
    step
        The stage that met it: "reading", "cleaning", "identity", "seed_sets", ...
    finding
        What it was, in words.
    kept
        Whether the articles concerned stayed in the corpus.
    articles
        How many articles (or rows of the source) it concerns.
    examples
        Some of them, by article id or by line of the source.
    """

    step: str
    finding: str
    kept: bool
    articles: int
    examples: tuple[str, ...] = ()


def finding(step: str, text: str, kept: bool, concerned: Sequence[str]) -> Finding:
    """Make a finding from everything it concerns, keeping the first few as examples."""
    return Finding(step, text, kept, len(concerned), tuple(concerned[:EXAMPLES]))


def findings_table(findings: Iterable[Finding]) -> pa.Table:
    """Put findings into a table with the columns of `CLEANING`, in the order given."""
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
