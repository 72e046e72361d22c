"""Write tables for readers, as CSV or HTML by the ending of the file."""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from bias_amplification.artifacts import new_file
from bias_amplification.figures.page import html_page
from bias_amplification.study.unit import with_unit

#: Headings that speak of articles. In other headings the word is the name of a label.
HEADINGS = ("articles", "number of articles", "real articles with this label", "test articles", "train articles")

TABLE_STYLE = """
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; }
td.number, th.number { text-align: right; }
"""


def write_table_for_reading(table: pd.DataFrame, out: Sequence[Path], title: str, unit: str = "article") -> None:
    """Write a table to each of `out` (.csv or .html).

    Parameters
    ----------
    table
        Column names are the headings. Whole numbers are written in full, others with four significant digits; missing
        values stay empty.
    out
        Files to make.
    title
        Heading of the HTML page.
    unit
        The study's word for an article, for the title and the headings in `HEADINGS`.

    Raises
    ------
    ValueError
        If a path has another ending.
    """
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False, name=None)]
    title = with_unit(title, unit)
    headings = [with_unit(name, unit) if name in HEADINGS else str(name) for name in table.columns]
    for path in map(Path, out):
        if path.suffix == ".csv":
            text = pd.DataFrame(rows, columns=headings).to_csv(index=False, lineterminator="\n")
        elif path.suffix == ".html":
            text = html_page(title, f"<h1>{escape(title)}</h1>\n{html_table(headings, rows)}", TABLE_STYLE, wide=True)
        else:
            raise ValueError(f"tables for reading are written as .csv or .html, not as {path}")
        with new_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
            return str(int(value))
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "") or "0")
    except ValueError:
        return False
    return True


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table with escaped texts. Columns of numbers are aligned to the right."""
    kinds = [
        ' class="number"' if rows and all(_is_number(row[place]) for row in rows) else ""
        for place in range(len(headings))
    ]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(headings, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>\n"
        for row in rows
    )
    return f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'


def with_interval(value: float, low: float, high: float, digits: int) -> str:
    """Return a number with its interval in brackets; the number alone if the interval is unknown, "" without a number.

    A number that is rounded to zero has no sign.
    """
    if math.isnan(value):
        return ""
    if math.isnan(low) or math.isnan(high):
        return f"{value:z.{digits}f}"
    return f"{value:z.{digits}f} [{low:z.{digits}f}, {high:z.{digits}f}]"


def with_share(count: int, of: int) -> str:
    """Return a count with its share of `of` in brackets."""
    return f"{count:,} ({100 * count / max(of, 1):.1f}%)"
