"""Read the published numbers: per-generation results as a metrics table, and the numbers of the paper's text."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.measures.intervals import wilson_interval

#: Value of the column `round` in the rows of the base model.
BASE = "base"
#: The normal quantile of the published intervals of means, rounded as in the paper (section 3.5).
PUBLISHED_QUANTILE = 1.96


def share_interval(share: float, articles: int) -> tuple[float, float, float]:
    """Return the share of whole articles that a printed share stands for, and its 95% interval (Wilson's)."""
    return wilson_interval(round(share * articles), articles)


def mean_probability_interval(mean: float, articles: int) -> tuple[float, float, float]:
    """Return a mean of probabilities and an upper bound of its normal 95% interval.

    A number between 0 and 1 with mean m has a variance of at most m (1 - m).
    """
    half = PUBLISHED_QUANTILE * math.sqrt(mean * (1 - mean) / articles)
    return mean, max(0.0, mean - half), min(1.0, mean + half)


#: The interval of each measure of bias, from the printed number and the number of articles.
PUBLISHED_INTERVALS = {"share": share_interval, "mean_probability": mean_probability_interval}


def published_labels(file: Path | str) -> list[str]:
    """Return the labels whose shares the published trajectories contain."""
    return [name.removeprefix("share_") for name in pd.read_csv(file, nrows=0).columns if name.startswith("share_")]


def read_statements(file: Path | str) -> pd.DataFrame:
    """Read the numbers in the paper's text and Table 1 from `resources/published/statements.csv`.

    Returns
    -------
    pd.DataFrame
        The columns that the README beside the file describes. Empty texts are "", empty numbers NaN.
    """
    table = pd.read_csv(file, keep_default_na=False)
    for name in ("generation", "articles"):
        table[name] = pd.to_numeric(table[name].replace("", np.nan))
    return table


def published_macro_f1(file: Path | str) -> dict[str, float]:
    """Return the macro F1 of the paper's Table 1, by the name of the model on the hub without its owner."""
    rows = read_statements(file).query("quantity == 'macro_f1'")
    return dict(zip(rows["subject"], rows["value"], strict=True))


def published_metrics(file: Path | str, labels: Sequence[str]) -> pd.DataFrame:
    """Read the published trajectories as a metrics table.

    Parameters
    ----------
    file
        `resources/published/trajectories.csv`; the README beside it describes the columns.
    labels
        The label set. The file must have `share_{label}` and `mean_probability_{label}` for each label.

    Returns
    -------
    pd.DataFrame
        The columns of `artifacts.schemas.metrics(labels)`. Rounds are named `{seed_set}_{strategy}`, the base model
        "base". The row before generation 0 of the center synthetic round is left out.

        Intervals of quality and perplexity are the published ones. None are published for shares and mean
        probabilities: these are computed (see `share_interval` and `mean_probability_interval`).

        The perplexity under the generating model and the shares counted in other ways are not published and are NaN.

    Raises
    ------
    StudyError
        If the file has no column for one of the labels.
    """
    table = pd.read_csv(file)
    missing = [label for label in labels if f"share_{label}" not in table.columns]
    if missing:
        raise StudyError(f"{file} has no published share of {', '.join(missing)}: set figures.published to false.")
    base = table["strategy"] == "base_model"
    table = table[base | (table["paper_generation"] >= 0)].reset_index(drop=True)
    base = table["strategy"] == "base_model"
    columns: dict[str, object] = {
        "round": (table["seed_set"] + "_" + table["strategy"]).where(~base, BASE),
        "generation": table["paper_generation"].astype("float64").where(~base, np.nan),
        "seed_set": table["seed_set"],
        "strategy": table["strategy"].where(~base, None),
        "decoding": pd.Series("greedy", index=table.index).where(~base, None),
        "tracked_label": None,
        "articles": table["articles"],
        "labelled": table["articles"],
    }
    for label in labels:
        for measure, interval in PUBLISHED_INTERVALS.items():
            name = f"{measure}_{label}"
            intervals = [interval(*row) for row in zip(table[name], table["articles"], strict=True)]
            for end, values in zip(("", "_low", "_high"), zip(*intervals, strict=True), strict=True):
                columns[f"{name}{end}"] = pd.Series(values, index=table.index)
    # The published index weights the score of each sentence by its probability.
    columns |= _interval("text_quality_index", table["text_quality_index"], table["text_quality_index_ci95"])
    columns |= _interval("text_quality_index_weighted", table["text_quality_index"], table["text_quality_index_ci95"])
    columns |= _interval("perplexity_base", table["perplexity"], table["perplexity_ci95"])
    columns |= _interval("perplexity_generating", pd.Series(np.nan, index=table.index), np.nan)
    return pd.DataFrame(columns).reindex(columns=metrics_schema(labels).names)


def _interval(name: str, value: pd.Series, half_width: pd.Series | float) -> dict[str, pd.Series]:
    """Return the three columns of a number, from the number and half the width of its interval."""
    return {name: value, f"{name}_low": value - half_width, f"{name}_high": value + half_width}
