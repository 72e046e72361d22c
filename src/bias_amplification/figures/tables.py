"""Tables for reading: as CSV, Markdown or HTML, by the file's ending."""

import json
import math
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from bias_amplification.artifacts import new_file, read_table
from bias_amplification.artifacts.schemas import CLEANING, NEURON_SETS
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures.page import html_page

TABLE_STYLE = """
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; }
td.number, th.number { text-align: right; }
"""


def write_table_for_reading(table: pd.DataFrame, outputs: Sequence[Path | str], title: str, digits: int = 4) -> None:
    """Write a table to each of `outputs`: .csv, .md or .html, numbers with `digits` significant digits.

    Parameters
    ----------
    table
        Column names are the headings. Whole numbers are written in full; what is missing stays empty.
    outputs
        Files to make.
    title
        Heading of the HTML page.
    digits
        Significant digits of the numbers that are not whole.

    Raises
    ------
    ValueError
        If a path has another ending.
    """
    rows = [[_cell(value, digits) for value in row] for row in table.itertuples(index=False, name=None)]
    headings = [str(name) for name in table.columns]
    for path in map(Path, outputs):
        if path.suffix == ".csv":
            text = pd.DataFrame(rows, columns=headings).to_csv(index=False, lineterminator="\n")
        elif path.suffix == ".md":
            text = _markdown(headings, rows)
        elif path.suffix == ".html":
            text = html_page(title, f"<h1>{escape(title)}</h1>\n{html_table(headings, rows)}", TABLE_STYLE, wide=True)
        else:
            raise ValueError(f"tables for reading are written as .csv, .md or .html, not as {path}")
        with new_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _cell(value: Any, digits: int) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
            return str(int(value))
        return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
    return str(value)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "") or "0")
    except ValueError:
        return False
    return True


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n" for line in lines
    )


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table, its texts escaped; columns of numbers stand to the right."""
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


def classifier_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's Table 1 for reading: what was not measured for any candidate is left out, "yes" marks one.

    Parameters
    ----------
    comparison
        One row a candidate and split, as `measures.leaning.compare_classifiers` writes it; `selected` is a truth
        value.
    """
    table = comparison.dropna(axis="columns", how="all").copy()
    table["selected"] = ["yes" if chosen else "" for chosen in table["selected"]]
    return table.rename(columns=lambda name: name.replace("_", " ").replace(" f1", " F1"))


def metrics_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics table for reading: each measure with its 95% interval in one cell, shares in per cent."""
    table = metrics[[name for name in metrics.columns if not name.endswith(("_low", "_high"))]].copy()
    for name in table.columns:
        if f"{name}_low" not in metrics.columns:
            continue
        factor, digits = (100, 1) if name.startswith("share_") else (1, 3)
        ends = zip(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"], strict=True)
        table[name] = [_with_interval(*(factor * value for value in values), digits=digits) for values in ends]
    words = {name: name.replace("_", " ") + (" (%)" if name.startswith("share_") else "") for name in table.columns}
    return table.rename(columns=words)


def _with_interval(value: float, low: float, high: float, digits: int) -> str:
    if math.isnan(value):
        return ""
    if math.isnan(low) or math.isnan(high):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def neuron_table(sets: pd.DataFrame) -> pd.DataFrame:
    """Return the neuron counts of section 4.4 for reading: one row a measure and way of counting.

    Parameters
    ----------
    sets
        As in `artifacts.schemas.NEURON_SETS`.

    Returns
    -------
    pd.DataFrame
        For each measure the counts at the level of the test, the same after Benjamini-Hochberg correction, and with
        the plug-in rule's lags; in brackets the share of the neurons tested. The overlap's expectation and
        probability are known for the first.
    """
    rows = []
    for row in sets.to_dict("records"):
        ways = {"": f"p < {row['alpha']:g}", "_bh": f"false discovery rate {row['alpha']:g}"}
        ways["_plugin"] = f"p < {row['alpha']:g}, {row['lags_plugin']} lags"
        for ending, way in ways.items():
            found = {name: _share(row[name + ending], row[f"tested_{name}"]) for name in ("bias", "quality")}
            overlap = {"both expected by chance": row["expected_both"], "P of this overlap or more": row["p_overlap"]}
            rows.append(
                {"measure": row["measure"], "counted": way, "neurons": row["neurons"], **found}
                | {"both": _share(row["both" + ending], row["tested"])}
                | (overlap if not ending else dict.fromkeys(overlap, math.nan))
            )
    return pd.DataFrame(rows)


def _share(count: int, of: int) -> str:
    """Return a count with its share in brackets."""
    return f"{count:,} ({100 * count / max(of, 1):.1f}%)"


def write_classifier_table(scores_files: Sequence[Path | str], outputs: Sequence[Path | str]) -> None:
    """Read the scores.json of every trained classifier and write Table 1 to each of `outputs` (.csv, .md, .html)."""
    from bias_amplification.measures.leaning import compare_classifiers

    with tempfile.TemporaryDirectory() as folder:
        comparison = Path(folder) / "comparison.csv"
        compare_classifiers([Path(file).parent for file in scores_files], comparison)
        table = classifier_table(pd.read_csv(comparison))
    write_table_for_reading(table, outputs, "Table 1: classifier candidates")


def write_cleaning_table(cleaning_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `corpus/cleaning.parquet` and write it for reading to each of `outputs` (.csv, .md, .html)."""
    table = read_table(cleaning_file, CLEANING).to_pandas()
    table["kept"] = ["yes" if kept else "no" for kept in table["kept"]]
    write_table_for_reading(table, outputs, "What cleaning did")


def write_metrics_table(metrics_file: Path | str, outputs: Sequence[Path | str], *, labels: Sequence[str]) -> None:
    """Read the metrics table and write it for reading to each of `outputs` (.csv, .md, .html)."""
    table = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    write_table_for_reading(metrics_table(table), outputs, "Bias, quality and perplexity of every model version")


def write_neuron_table(sets_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/sets.parquet` and write its counts for reading to each of `outputs` (.csv, .md, .html)."""
    sets = read_table(sets_file, NEURON_SETS).to_pandas()
    write_table_for_reading(neuron_table(sets), outputs, "Neurons that go with bias and with text quality")


def write_detector_table(scores_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read the quality detector's scores.json and write its test scores, one row a class, to each of `outputs`."""
    test = json.loads(Path(scores_file).read_text(encoding="utf-8"))["test"]
    rows = [{"class": name, "F1": value} for name, value in test["f1"].items()]
    rows += [{"class": "mean (macro)", "F1": test["macro_f1"]}]
    write_table_for_reading(pd.DataFrame(rows), outputs, "Quality detector, on corruptions it has not seen")
