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
from bias_amplification.artifacts.schemas import (
    CLEANING,
    COMPARISON,
    NEURON_CALIBRATION,
    NEURON_OVERLAP,
    NEURON_SENSITIVITY,
    NEURON_SETS,
    ROBUST_MEASURES,
)
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
    """Return the metrics table for reading: each measure with its 95% interval in one cell, shares in per cent.

    Shares counted in other ways have a figure and a table of their own.
    """
    left_out = (*ROBUST_MEASURES, "adjusted_misfit", "articles_readable", "agreement")
    shown = [n for n in metrics.columns if not n.endswith(("_low", "_high")) and not n.startswith(left_out)]
    table = metrics[shown].copy()
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
        For each measure the counts at the level of the test, after each correction, and with the plug-in rule's lags;
        in brackets the share of the neurons tested. The overlap's expectation, probability and odds ratio, and
        Storey's share of neurons that do not go with the outcome, are known for the first.
    """
    rows = []
    for row in sets.to_dict("records"):
        ways = {"": f"p < {row['alpha']:g}", "_bh": f"false discovery rate {row['alpha']:g}"}
        ways["_by"] = f"the same under any dependence, {row['alpha']:g}"
        ways["_bonferroni"] = f"family-wise error {row['alpha']:g}"
        ways["_plugin"] = f"p < {row['alpha']:g}, {row['lags_plugin']} lags"
        for ending, way in ways.items():
            found = {name: _share(row[name + ending], row[f"tested_{name}"]) for name in ("bias", "quality")}
            odds = (row[f"odds_ratio{end}"] for end in ("", "_low", "_high"))
            overlap = {
                "both expected by chance": row["expected_both"],
                "P of this overlap or more": row["p_overlap"],
                "odds ratio of overlap": _with_interval(*odds, digits=2),
                "share of true nulls, bias": row["true_nulls_bias"],
                "share of true nulls, quality": row["true_nulls_quality"],
            }
            rows.append(
                {"measure": row["measure"], "counted": way, "neurons": row["neurons"], **found}
                | {"both": _share(row["both" + ending], row["tested"])}
                | (overlap if not ending else dict.fromkeys(overlap, math.nan))
            )
    return pd.DataFrame(rows)


def overlap_table(overlap: pd.DataFrame) -> pd.DataFrame:
    """Return the sets against permuted outcomes for reading: one row a measure and scheme, over all layers.

    Parameters
    ----------
    overlap
        As in `artifacts.schemas.NEURON_OVERLAP`.

    Returns
    -------
    pd.DataFrame
        Each count as found, with the 95% range under permutation in brackets and its p-value; the verdict.
    """
    rows = []
    for row in overlap[overlap["layer"].isna()].to_dict("records"):
        line = {
            "measure": row["measure"],
            "permutations": f"{row['scheme']}, {row['permutations']:,}" + (" (all)" if row["complete"] else ""),
        }
        for name, words in (("bias", "bias"), ("quality", "quality"), ("both", "both"), ("matched", "overlap")):
            line[words] = _with_interval(*(row[name + end] for end in ("", "_low", "_high")), digits=0)
            line[f"p, {words}"] = row[f"p_{name}"]
        line["p, overlap or fewer"] = row["p_matched_fewer"]
        for name, words, digits in (
            ("rank_agreement", "rank correlation", 3),
            ("same_sign", "slopes of one sign", 3),
        ):
            line[words] = _with_interval(*(row[name + end] for end in ("", "_low", "_high")), digits=digits)
            line[f"p, {words}"] = row[f"p_{name}"]
        line |= {f"{name}, family-wise": row[f"{name}_familywise"] for name in ("bias", "quality")}
        rows.append(line | {"overlap is": row["verdict"]})
    return pd.DataFrame(rows)


def calibration_table(calibration: pd.DataFrame) -> pd.DataFrame:
    """Return how often each test rejects for reading, in per cent.

    Parameters
    ----------
    calibration
        As in `artifacts.schemas.NEURON_CALIBRATION`.
    """
    table = calibration.copy()
    test = table["test"].replace({"neuron": "one neuron"}).str.replace("_", " ")
    per_cent = {name: 100 * table[name].astype(float) for name in ("rejected", "standard_error", "power")}
    found = zip(per_cent["rejected"], per_cent["standard_error"], strict=True)
    ranges = zip(table["rejected_low"], table["rejected_high"], strict=True)
    shown = {
        "world": table["world"].str.replace("_", " "),
        "test": test,
        "difference": table["difference"],
        "lags": table["lags"].str.replace("_", " "),
        "reference": table["reference"],
        "small-sample correction": table["small_sample"].map({True: "yes", False: "no"}),
        "fixed effects": table["fixed_effects"].map({True: "yes", False: "no"}),
        "planted correlation": table["effect"].where(table["effect"] > 0),
        "rejected without effect (%)": [f"{share:.1f} ± {error:.1f}" for share, error in found],
        "95% of studies (%)": ["" if pd.isna(low) else f"{100 * low:.0f} to {100 * high:.0f}" for low, high in ranges],
        "power (%)": per_cent["power"].round(1),
        "false among found (%)": (100 * table["false_discovery"].astype(float)).round(1),
    }
    return pd.DataFrame(shown)


def sensitivity_table(sensitivity: pd.DataFrame) -> pd.DataFrame:
    """Return the counts under every combination of choices for reading.

    Parameters
    ----------
    sensitivity
        As in `artifacts.schemas.NEURON_SENSITIVITY`.
    """
    table = sensitivity.copy()
    both = zip(table["both"], table["both_low"], table["both_high"], strict=True)
    table["both"] = [_with_interval(*values, digits=0) for values in both]
    table = table.drop(columns=["measure", "both_low", "both_high"])
    table["column"] = table["column"].str.replace("_", ", ")
    names = {"named": "choices of", "column": "neurons", "p_bias": "p, bias", "p_quality": "p, quality"}
    names |= {"both": "both [95% of permutations]", "expected_both": "both expected by chance", "verdict": "overlap is"}
    return table.rename(columns=names).rename(columns=lambda name: name.replace("_", " "))


_QUANTITIES = {
    "share": "share of articles labelled",
    "mean_probability": "mean probability of",
    "text_quality_index_weighted": "weighted text quality index of",
    "perplexity_base": "perplexity under the base model of",
    "macro_f1": "macro F1 of",
    "loss": "loss of",
    "article_probability": "one article's probability of",
    "bias": "neurons that go with bias by",
    "quality": "neurons that go with text quality by",
    "both": "neurons that go with both by",
}
_PER_CENT = ("share", "mean_probability", "article_probability")
_COUNTS = ("bias", "quality", "both")


def comparison_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the published numbers beside the run's own for reading: numbers with their intervals in one cell.

    Parameters
    ----------
    comparison
        As in `artifacts.schemas.COMPARISON`. Shares and probabilities become per cent.
    """
    rows = []
    for row in comparison.to_dict("records"):
        kind = row["quantity"]
        factor, digits = (100, 1) if kind in _PER_CENT else (1, 0 if kind in _COUNTS else 3)
        unit = " (%)" if kind in _PER_CENT else ""
        cells = {}
        for name in ("published", "own", "difference", "published_change", "own_change"):
            ends = (factor * row[name + end] for end in ("", "_low", "_high"))
            cells[name] = _with_interval(*ends, digits=digits)
        rows.append(
            {
                "published in": row["place"],
                "round": row["round"] or row["published_round"],
                "generation": row["generation"],
                "number": f"{_QUANTITIES[kind]} {row['subject']}{unit}",
                "published": cells["published"],
                "own": cells["own"],
                "own less published": cells["difference"],
                "published change from generation 0": cells["published_change"],
                "own change from generation 0": cells["own_change"],
                "verdict": row["verdict"],
                "note": row["note"],
            }
        )
    return pd.DataFrame(rows)


def comparison_summary(comparison: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts for each kind of published number and round."""
    from bias_amplification.published.compare import VERDICTS

    kinds = {kind: "neurons" for kind in _COUNTS} | {"macro_f1": "classifier", "loss": "classifier"}
    kinds |= {"share": "share", "mean_probability": "mean probability", "article_probability": "one article"}
    kinds |= {"text_quality_index_weighted": "text quality", "perplexity_base": "perplexity"}
    described = {
        "published in": comparison["place"].where(comparison["place"] == "per-generation results", "text and tables"),
        "round": comparison["round"].fillna(comparison["published_round"]).fillna(""),
        "number": comparison["quantity"].map(kinds),
    }
    groups = pd.DataFrame(described).assign(verdict=comparison["verdict"])
    table = groups.groupby([*described, "verdict"], sort=False).size().unstack("verdict", fill_value=0)
    table = table.reindex(columns=list(VERDICTS), fill_value=0)
    table.insert(0, "numbers", table.sum(axis="columns"))
    table.columns.name = None
    return table.reset_index()


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


def write_overlap_table(overlap_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/overlap.parquet` and write it for reading to each of `outputs` (.csv, .md, .html)."""
    table = overlap_table(read_table(overlap_file, NEURON_OVERLAP).to_pandas())
    write_table_for_reading(table, outputs, "Neurons found, beside what permuted outcomes give")


def write_calibration_table(calibration_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/calibration.parquet` and write it for reading to each of `outputs` (.csv, .md, .html)."""
    table = calibration_table(read_table(calibration_file, NEURON_CALIBRATION).to_pandas())
    write_table_for_reading(table, outputs, "How often each test rejects in simulated studies")


def write_sensitivity_table(sensitivity_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/sensitivity.parquet` and write it for reading to each of `outputs` (.csv, .md, .html)."""
    table = sensitivity_table(read_table(sensitivity_file, NEURON_SENSITIVITY).to_pandas())
    write_table_for_reading(table, outputs, "Counts of neurons under every combination of choices")


def write_comparison_table(comparison_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `comparison.parquet` and write it for reading to each of `outputs` (.csv, .md, .html)."""
    table = comparison_table(read_table(comparison_file, COMPARISON).to_pandas())
    write_table_for_reading(table, outputs, "Published numbers beside the run's own")


def write_comparison_summary(comparison_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `comparison.parquet` and write how often each verdict was given to each of `outputs` (.csv, .md, .html)."""
    table = comparison_summary(read_table(comparison_file, COMPARISON).to_pandas())
    write_table_for_reading(table, outputs, "Verdicts on the published numbers")


def write_detector_table(scores_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read the quality detector's scores.json and write its test scores, one row a class, to each of `outputs`."""
    test = json.loads(Path(scores_file).read_text(encoding="utf-8"))["test"]
    rows = [{"class": name, "F1": value} for name, value in test["f1"].items()]
    rows += [{"class": "mean (macro)", "F1": test["macro_f1"]}]
    write_table_for_reading(pd.DataFrame(rows), outputs, "Quality detector, on corruptions it has not seen")
