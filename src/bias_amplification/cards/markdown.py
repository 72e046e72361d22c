"""Markdown of cards: names and numbers of a study, written so that no character of theirs changes the page."""

import re
from collections.abc import Iterable, Sequence

#: What stands in the YAML head in place of the licence, which the run cannot know.
LICENSE = "unknown"
LICENSE_SECTION = """\
## Licence

**Not chosen yet.** Choose a licence before you share this, and write it into `license:` at the top of this file. The
licences of the base model and of the training texts limit the choice.
"""

CITATION_SECTION = """\
## Citation

The experiment is that of *Bias Amplification: Large Language Models as Increasingly Biased Media*,
[arXiv 2410.15234](https://arxiv.org/abs/2410.15234). It was run with the workflow bias-amplification.
"""


def code(text: object) -> str:
    """Return a text as a code span, in which Markdown and HTML have no meaning."""
    line = " ".join(str(text).split()) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def codes(texts: Iterable[object]) -> str:
    """Return several texts as code spans with commas between them."""
    return ", ".join(map(code, texts))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table, with a dash in empty cells."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    return "–" if value is None else str(value).replace("|", "\\|")


def number(value: float | int | None) -> str | None:
    """Return a number with four significant digits, a whole one with all of them."""
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str | None:
    """Return an interval in words."""
    return None if low is None or high is None else f"{number(low)} to {number(high)}"
