"""Means of the metrics over replicates."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import DEGENERATE_KINDS
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.artifacts.schemas.contrasts import means
from bias_amplification.measures.intervals import student_quantile

#: Columns that are the same in all replicates.
_DESCRIPTION = ("round", "generation", "seed_set", "strategy", "decoding", "tracked_label")
_COUNTS = ("articles", "labelled", "articles_readable", "articles_lexicon")
#: How the names of measures from 0 to 1 begin.
_FRACTIONS = (
    "share",
    "mean_probability",
    "agreement",
    *DEGENERATE_KINDS,
    "degenerate",
    "readable",
    "distinct",
    "repeated",
    "self_bleu",
)


def over_replicates(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the means of the metrics over replicates, with intervals between replicates.

    The half width of an interval is t s / sqrt(R), from the R replicates that have the measure: s is their standard
    deviation, t the quantile of Student's distribution with R - 1 degrees of freedom. The interval reaches at least as
    far as the mean of the articles' intervals divided by sqrt(R), because replicates may be equal by chance. It ends at
    the ends of the measure's scale. If only one replicate has the measure, it is the interval over articles.

    Parameters
    ----------
    metrics
        The metrics table (`schemas.metrics`).

    Returns
    -------
    pd.DataFrame
        As in `schemas.contrasts.means`: one row for each round and generation, and for the base model on each seed
        set, in the order of `metrics`.
    """
    groups = metrics.groupby(["round", "generation", "seed_set"], dropna=False, sort=False)
    found: dict[str, pd.Series | np.ndarray] = {}
    for name in metrics.columns:
        if name in _DESCRIPTION:
            found[name] = groups[name].head(1).reset_index(drop=True)
        elif name == "replicate":
            found["replicates"] = groups[name].nunique().to_numpy()
        elif f"{name}_low" in metrics.columns:
            _put_interval(found, name, metrics, groups)
        elif not name.endswith(("_low", "_high")):
            mean = groups[name].mean().reset_index(drop=True)
            found[name] = mean.round() if name in _COUNTS else mean
    return pd.DataFrame(found)


def _put_interval(found: dict, name: str, metrics: pd.DataFrame, groups: pd.core.groupby.DataFrameGroupBy) -> None:
    """Add a measure's mean, both ends, and the number of replicates that have it."""
    numbers = groups[name].count().to_numpy()
    mean = groups[name].mean().to_numpy(dtype=np.float64, na_value=np.nan)
    deviation = groups[name].std().to_numpy(dtype=np.float64, na_value=np.nan)
    root = np.sqrt(np.maximum(numbers, 1))
    between = student_quantile(numbers - 1) * deviation / root
    found[name] = mean
    for end, direction, limit in zip(("low", "high"), (-1, 1), scale(name), strict=True):
        distance = (direction * (metrics[f"{name}_{end}"] - metrics[name])).groupby(groups.ngroup(), sort=False).mean()
        # NaN if no replicate, or no second one, has the measure.
        reach = np.fmax(between, distance.to_numpy(dtype=np.float64, na_value=np.nan) / root)
        ends = direction * np.minimum(direction * (mean + direction * reach), direction * limit)
        # The interval of a single replicate stays as it is, to the last bit.
        own = groups[f"{name}_{end}"].mean().to_numpy(dtype=np.float64, na_value=np.nan)
        found[f"{name}_{end}"] = np.where(numbers == 1, own, ends)
    found[f"{name}_replicates"] = numbers


def scale(measure: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a measure."""
    if measure.startswith("text_quality"):
        return 0.0, 3.0
    if measure.startswith(_FRACTIONS):
        return 0.0, 1.0
    return 1.0 if measure.startswith("perplexity") else 0.0, np.inf


def replicates_interval(intervals: np.ndarray, between: float, within: float) -> tuple[float, float, float]:
    """Return the mean of replicates' numbers, with an interval whose error they show.

    The half width is t s sqrt(`between`): s is the standard deviation of the numbers, t the quantile of Student's
    distribution with R - 1 degrees of freedom. The interval reaches at least as far as the mean of the replicates' own
    intervals times sqrt(`within`), because replicates may be equal by chance.

    Parameters
    ----------
    intervals
        Shape [replicates, 3]: number, low end, high end. The interval of one replicate is returned as it is.
    between
        1 / R for the mean of R replicates, 1 / R + 1 for one further replicate.
    within
        1 / R if the errors in the replicates' own intervals are independent, 1 if they are the same.
    """
    if len(intervals) == 1:
        return tuple(map(float, intervals[0]))
    mean, *ends = intervals.mean(axis=0)
    reach = student_quantile(len(intervals) - 1) * intervals[:, 0].std(ddof=1) * np.sqrt(between)
    below, above = (np.fmax(reach, abs(end - mean) * np.sqrt(within)) for end in ends)
    return float(mean), float(mean - below), float(mean + above)


def collect_means(metrics_file: Path | str, out: Path | str, labels: Sequence[str]) -> None:
    """Read the metrics table and write its means over replicates (`schemas.contrasts.means`)."""
    found = over_replicates(read_table(metrics_file, metrics_schema(labels)).to_pandas())
    schema = means(labels)
    write_table(pa.Table.from_pandas(found, schema, preserve_index=False), out, schema)
