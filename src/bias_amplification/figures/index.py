"""A page that shows every figure and table of a run."""

import csv
import os
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from bias_amplification.artifacts import new_file
from bias_amplification.figures.page import html_page
from bias_amplification.figures.tables import TABLE_STYLE, html_table

_STYLE = """
figure { margin: 0 0 2.2rem; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: .5rem; padding: .8rem; }
figcaption { margin-top: .6rem; max-width: 46rem; }
.table { max-height: 30rem; overflow: auto; border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1rem 0; }
"""


def write_index(page: Path | str, entries: Sequence[Mapping], *, title: str, introduction: str = "") -> None:
    """Write a page that lists figures and tables with captions, by groups.

    Parameters
    ----------
    page
        The HTML file to make. Links in it are relative, so the folder can be moved as a whole.
    entries
        In order of appearance, those of a group together: `group` (heading), `title`, `caption`, and `files`: a .png
        is shown, a .csv is shown as a table, and every file is linked.
    title, introduction
        Heading and opening paragraph of the page, plain text.
    """
    page = Path(page)
    groups = [(name, list(members)) for name, members in groupby(entries, key=lambda entry: entry["group"])]
    links = "".join(f'<a href="#group-{i}">{escape(name)}</a>' for i, (name, _) in enumerate(groups))
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(introduction)}</p>", f"<nav>{links}</nav>"]
    for i, (name, members) in enumerate(groups):
        parts.append(f'<h2 id="group-{i}">{escape(name)}</h2>')
        parts += [_entry(entry, page.parent) for entry in members]
    with new_file(page) as temporary:
        temporary.write_text(html_page(title, "\n".join(parts), TABLE_STYLE + _STYLE), encoding="utf-8")


def _entry(entry: Mapping, folder: Path) -> str:
    """Return one figure or table with its caption and links."""
    shown, links = "", []
    for file in map(Path, entry["files"]):
        address = escape(quote(Path(os.path.relpath(file, folder)).as_posix()))
        links.append(f'<a href="{address}">{escape(file.name)}</a>')
        if file.suffix == ".png":
            shown += f'<a href="{address}"><img src="{address}" alt="{escape(entry["title"])}" loading="lazy"></a>'
        elif file.suffix == ".csv":
            with file.open(newline="", encoding="utf-8") as lines:
                headings, *rows = list(csv.reader(lines))
            shown += html_table(headings, rows)
    return (
        f"<figure>{shown}<figcaption><h3>{escape(entry['title'])}</h3><p>{escape(entry['caption'])}</p>"
        f'<span class="quiet">{" · ".join(links)}</span></figcaption></figure>'
    )
