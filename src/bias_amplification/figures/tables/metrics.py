"""The tables of all model versions and of their means over replicates, and the report of the corpus cleaning."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import CLEANING, DEGENERATE_KINDS, ROBUST_MEASURES
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.artifacts.schemas.contrasts import means as means_schema
from bias_amplification.artifacts.schemas.diversity import DIVERSITY_MEASURES
from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.study.sections import Corpus
from bias_amplification.study.unit import with_unit


def metrics_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics, or their means, for readers: each measure with its 95% interval in one cell, shares in %.

    If a measure's mean is of fewer replicates than the row has, their number follows in brackets.

    Shares that are counted in other ways are left out; `figures.robustness` has a figure and a table of them. Measures
    of diversity are left out too; `figures.panels` draws them.
    """
    left_out = (
        *ROBUST_MEASURES,
        "adjusted_misfit",
        "articles_readable",
        "agreement",
        LEXICON_SHARE,
        "articles_lexicon",
    )
    left_out = (*left_out, *DIVERSITY_MEASURES)
    shares = ("share_", *DEGENERATE_KINDS, "degenerate", "readable")
    endings = ("_low", "_high", "_replicates")
    shown = [n for n in metrics.columns if not n.endswith(endings) and not n.startswith(left_out)]
    table = metrics[shown].copy()
    for name in table.columns:
        if f"{name}_low" not in metrics.columns:
            continue
        factor, digits = (100, 1) if name.startswith(shares) else (1, 3)
        ends = zip(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"], strict=True)
        table[name] = [with_interval(*(factor * value for value in values), digits=digits) for values in ends]
        if f"{name}_replicates" in metrics.columns:
            numbers = metrics[f"{name}_replicates"]
            fewer = (numbers > 0) & (numbers < metrics["replicates"])
            table.loc[fewer, name] += " (" + numbers[fewer].astype(str) + ")"
    words = {name: name.replace("_", " ") + (" (%)" if name.startswith(shares) else "") for name in table.columns}
    return table.rename(columns=words)


def write_metrics_table(metrics_file: Path, out: Sequence[Path], *, corpus: Corpus) -> None:
    """Read the metrics table and write it for readers to each of `out` (.csv, .html)."""
    table = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    title = "Bias, quality and perplexity of every model version"
    write_table_for_reading(metrics_table(table), out, title, corpus.unit)


def write_means_table(means_file: Path, out: Sequence[Path], *, corpus: Corpus) -> None:
    """Read the metrics' means over replicates and write them for readers to each of `out` (.csv, .html)."""
    table = read_table(means_file, means_schema(corpus.labels)).to_pandas()
    title = "Bias, quality and perplexity: means over replicates"
    write_table_for_reading(metrics_table(table), out, title, corpus.unit)


def write_cleaning_table(cleaning_file: Path, out: Sequence[Path], *, unit: str = "article") -> None:
    """Read `corpus/cleaning.parquet` and write it for readers to each of `out` (.csv, .html)."""
    table = read_table(cleaning_file, CLEANING).to_pandas()
    table["kept"] = ["yes" if kept else "no" for kept in table["kept"]]
    table["finding"] = [with_unit(finding, unit) for finding in table["finding"]]
    write_table_for_reading(table, out, "Corpus cleaning", unit)
