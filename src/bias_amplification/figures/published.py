"""The published per-generation results in the shape of a metrics table, to draw beside a run's own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures.trajectories import BASE
from bias_amplification.measures.intervals import wilson_interval


def published_metrics(file: Path | str, labels: Sequence[str]) -> pd.DataFrame:
    """Read published trajectories as a metrics table.

    Parameters
    ----------
    file
        `resources/published/trajectories.csv`; its README says what the columns are.
    labels
        The label set; `share_{label}` and `mean_probability_{label}` must be there for each.

    Returns
    -------
    pd.DataFrame
        The columns of `artifacts.schemas.metrics(labels)`. Rounds are named `{seed_set}_{strategy}`, the base model
        "base". Intervals of shares are Wilson's, from the share and the number of articles, because none are
        published; those of quality and perplexity are the published ones; mean probabilities and the perplexity
        under the generating model have none. The one row before generation 0 of a fine-tuned round is left out.

    Raises
    ------
    StudyError
        If the file lacks a column for one of the labels.
    """
    table = pd.read_csv(file)
    missing = [label for label in labels if f"share_{label}" not in table.columns]
    if missing:
        raise StudyError(f"{file} has no published share of {', '.join(missing)}: leave the published results out.")
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
    }
    for label in labels:
        counts = (table[f"share_{label}"] * table["articles"]).round().astype(int)
        intervals = [wilson_interval(int(k), int(n)) for k, n in zip(counts, table["articles"], strict=True)]
        for end, values in zip(("", "_low", "_high"), zip(*intervals, strict=True), strict=True):
            columns[f"share_{label}{end}"] = pd.Series(values, index=table.index)
        columns |= _interval(f"mean_probability_{label}", table[f"mean_probability_{label}"], np.nan)
    # The published index weights each sentence's score with its probability.
    columns |= _interval("text_quality_index", table["text_quality_index"], table["text_quality_index_ci95"])
    columns |= _interval("text_quality_index_weighted", table["text_quality_index"], table["text_quality_index_ci95"])
    columns |= _interval("perplexity_base", table["perplexity"], table["perplexity_ci95"])
    columns |= _interval("perplexity_generating", pd.Series(np.nan, index=table.index), np.nan)
    return pd.DataFrame(columns)[metrics_schema(labels).names]


def _interval(name: str, value: pd.Series, half_width: pd.Series | float) -> dict[str, pd.Series]:
    """Return a number's three columns from the number and half its interval's width."""
    return {name: value, f"{name}_low": value - half_width, f"{name}_high": value + half_width}
