"""Write tables for readers, as CSV or HTML by the ending of the file."""

import math
import re
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

#: A number, perhaps with a unit, and with an interval or a share in brackets.
_NUMBER = re.compile(r"[-−+]?(\d[\d,]*(\.\d+)?|\.\d+)(e[-+]?\d+)?( ?%| points?)?( [\[(].*[\])])?", re.IGNORECASE)
#: Cells that are longer than this, in letters, are broken into lines.
_LONG = 40


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
            body = f'<h1>{escape(title)}</h1>\n<div class="page">{html_table(headings, rows, title)}</div>'
            text = html_page(title, body, table_style(), wide=True, scripts=[table_script()])
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
    # A carriage return is written without quotes, and then ends the row for those who read the file.
    return str(value).replace("\r", " ")


def table_style() -> str:
    """Return the CSS of a page with tables of `html_table`."""
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def table_script() -> str:
    """Return the script that makes the tables of a page sortable and searchable."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def _kind(cells: Sequence[str]) -> str:
    """Return the class of a column with these cells: numbers, long texts, or neither."""
    if any(cells) and all(not cell or _NUMBER.fullmatch(cell) for cell in cells):
        return ' class="number"'
    return ' class="text"' if max(map(len, cells), default=0) > _LONG else ""


def html_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    name: str,
    marks: Sequence[str] = (),
    stacked: bool = False,
) -> str:
    """Return an HTML table in a box of its own, which scrolls if the table does not fit.

    The first cell of a row is its heading. Columns of numbers are aligned to the right. `table_script` makes the table
    sortable and searchable.

    Parameters
    ----------
    headings, rows
        Texts; escaped here.
    name
        What the table is of, for screen readers.
    marks
        HTML before the first cell of each row.
    stacked
        Whether the cells of a row stand below each other on a narrow screen, each after its heading.
    """
    kinds = [_kind([row[place] for row in rows]) for place in range(len(headings))]
    labels = [f' data-heading="{escape(text)}"' if stacked else "" for text in headings]
    head = "".join(f'<th scope="col"{kind}>{escape(text)}</th>' for text, kind in zip(headings, kinds, strict=True))
    body = ""
    for row, before in zip(rows, marks or [""] * len(rows), strict=True):
        first, *others = (escape(cell) for cell in row)
        cells = "".join(
            f"<td{kind}{label}>{cell}</td>" for cell, kind, label in zip(others, kinds[1:], labels[1:], strict=True)
        )
        # An empty cell is no heading, but is still in the first column, which stays in view.
        tag, scope = ("th", ' scope="row"') if first else ("td", "")
        body += f"<tr><{tag}{scope}{kinds[0]}>{before}{first}</{tag}>{cells}</tr>\n"
    box = f'class="table{" stacked" if stacked else ""}" tabindex="0" role="group" aria-label="Table: {escape(name)}"'
    return (
        f'<div {box}><table aria-label="{escape(name)}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


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
