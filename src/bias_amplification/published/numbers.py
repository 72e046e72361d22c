"""The numbers of a metrics table, as estimates for one new training."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_amplification.measures.intervals import student_quantile
from bias_amplification.published.record import BASE, PUBLISHED_INTERVALS
from bias_amplification.published.verdicts import KINDS, Estimate

#: Smallest and largest possible value of each kind of number.
_SCALES = {"bias": (0.0, 1.0), "quality": (0.0, 3.0), "perplexity": (1.0, math.inf)}


class Numbers:
    """The numbers of a metrics table, by round and generation (by round and seed set for the base model)."""

    def __init__(self, metrics: pd.DataFrame) -> None:
        self.columns = set(metrics.columns)
        self.seed_sets: dict[str, str] = {}
        # For each version, its rows by replicate. Published versions have no replicates.
        self._rows: dict[tuple[str, float | str], dict[int, dict[str, Any]]] = {}
        for row in metrics.to_dict("records"):
            self.seed_sets.setdefault(row["round"], row["seed_set"])
            key = row["seed_set"] if row["round"] == BASE else row["generation"]
            replicate = row.get("replicate")
            self._rows.setdefault((row["round"], key), {}).setdefault(1 if pd.isna(replicate) else replicate, row)

    def at(self, round_name: str, seed_set: str, generation: int | None, column: str) -> Estimate:
        """Return a number. It is unknown if the table has no such row, column or number."""
        found = list(self._replicates(round_name, seed_set, generation, column).values())
        # The base model is not trained again in another study.
        estimate = for_new_training(found, trained=round_name != BASE)
        return _limited(estimate, *_scale(column)) if len(found) > 1 else estimate

    def change(self, round_name: str, seed_set: str, generation: int, column: str) -> Estimate:
        """Return the change of a number from generation 0; for generation 0, the change from the base model.

        The change of a replicate is from its own generation 0.
        """
        if round_name == BASE:
            return Estimate()
        start = (round_name, seed_set, 0) if generation else (BASE, seed_set, None)
        first = self._replicates(*start, column)
        last = self._replicates(round_name, seed_set, generation, column)
        # If all replicates have the same articles, the base model has one row.
        only = next(iter(first.values())) if not generation and len(first) == 1 else Estimate()
        changes = [estimate.minus(first.get(replicate, only)) for replicate, estimate in last.items()]
        known = [change for change in changes if change.known]
        smallest, largest = _scale(column)
        change = for_new_training(known)
        return _limited(change, smallest - largest, largest - smallest) if len(known) > 1 else change

    def _replicates(self, round_name: str, seed_set: str, generation: int | None, column: str) -> dict[int, Estimate]:
        """Return the known numbers of a version's replicates, with their intervals over articles."""
        if column not in self.columns:
            return {}
        found = {}
        rows = self._rows.get((round_name, seed_set if round_name == BASE else generation), {})
        for replicate, row in rows.items():
            ends = (row[column], row[f"{column}_low"], row[f"{column}_high"])
            estimate = Estimate(*(math.nan if pd.isna(value) else float(value) for value in ends))
            if estimate.known:
                found[replicate] = estimate
        return found


def _scale(column: str) -> tuple[float, float]:
    return _SCALES[KINDS[split_column(column)[0]]]


def _limited(estimate: Estimate, smallest: float, largest: float) -> Estimate:
    """Return an estimate whose interval ends at the ends of the scale."""
    return Estimate(estimate.value, max(smallest, estimate.low), min(largest, estimate.high))


def for_new_training(replicates: Sequence[Estimate], trained: bool = True) -> Estimate:
    """Return the mean of a round's replicates with a 95% prediction interval for the number of one new training.

    The paper trained each of its rounds once, and the number of one training varies more than the mean of several. The
    half width is t s sqrt(1 + 1/R), from the R replicates: s is their standard deviation, t the quantile of Student's
    distribution with R - 1 degrees of freedom. The interval reaches at least as far as the mean of the articles'
    intervals divided by sqrt(R), because replicates may be equal by chance.

    Parameters
    ----------
    replicates
        The number of each replicate with its interval over articles. One replicate is returned as it is: its interval
        does not hold the error of training.
    trained
        False for numbers of the base model: without a new training, the half width is t s / sqrt(R).
    """
    if len(replicates) < 2:
        return replicates[0] if replicates else Estimate()
    values = np.array([estimate.value for estimate in replicates])
    number, mean = len(values), float(values.mean())
    quantile = float(student_quantile(number - 1))
    between = quantile * float(values.std(ddof=1)) * math.sqrt(trained + 1 / number)
    below, above = (
        np.fmax(between, np.mean(np.abs(values - ends)) / math.sqrt(number))
        for ends in ([estimate.low for estimate in replicates], [estimate.high for estimate in replicates])
    )
    return Estimate(mean, float(mean - below), float(mean + above))


def split_column(column: str) -> tuple[str, str]:
    """Split a column of the metrics table into its quantity and its label ("all articles" if it has no label)."""
    for quantity in PUBLISHED_INTERVALS:
        if column.startswith(f"{quantity}_"):
            return quantity, column.removeprefix(f"{quantity}_")
    return column, "all articles"
