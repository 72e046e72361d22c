"""The numbers of a metrics table, as estimates for one new training."""

import math
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd

from bias_amplification.measures.replicates import replicates_interval
from bias_amplification.published.record import BASE, PUBLISHED_INTERVALS
from bias_amplification.published.verdicts import KINDS, Estimate

#: Smallest and largest possible value of each kind of number.
_SCALES = {"bias": (0.0, 1.0), "quality": (0.0, 3.0), "perplexity": (1.0, math.inf)}


#: The rows of a table of numbers, by replicate, for each round and generation (for the base model, and seed set).
_Rows = dict[tuple[str, float | str], dict[int, dict[str, Any]]]


class Numbers:
    """The numbers of a metrics table, by round and generation (by round and seed set for the base model).

    Parameters
    ----------
    metrics
        The metrics table. Published versions have no replicates.
    changes
        The table of its changes (`schemas.changes`). None for published numbers, of which no article is known: a
        change is then the difference of two independent numbers.
    """

    def __init__(self, metrics: pd.DataFrame, changes: pd.DataFrame | None = None) -> None:
        self.columns = set(metrics.columns)
        self.seed_sets: dict[str, str] = {}
        self._rows: _Rows = {}
        for row in metrics.to_dict("records"):
            self.seed_sets.setdefault(row["round"], row["seed_set"])
            key = row["seed_set"] if row["round"] == BASE else row["generation"]
            replicate = row.get("replicate")
            self._rows.setdefault((row["round"], key), {}).setdefault(1 if pd.isna(replicate) else replicate, row)
        self._changes: _Rows | None = None if changes is None else {}
        if changes is not None:
            for row in changes[changes["replicate"].notna()].to_dict("records"):
                self._changes.setdefault((row["round"], row["generation"]), {})[row["replicate"]] = row

    def at(self, round_name: str, seed_set: str, generation: int | None, column: str) -> Estimate:
        """Return a number. It is unknown if the table has no such row, column or number."""
        key = seed_set if round_name == BASE else generation
        found = self._estimates(self._rows.get((round_name, key), {}), column)
        # The base model is not trained again in another study.
        estimate = for_new_training(found, trained=round_name != BASE)
        return _limited(estimate, *_scale(column)) if len(found) > 1 else estimate

    def change(self, round_name: str, seed_set: str, generation: int, column: str) -> Estimate:
        """Return the change of a number from generation 0; for generation 0, the change from the base model.

        The change of a replicate is from its own generation 0.
        """
        if round_name == BASE:
            return Estimate()
        last = (round_name, generation)
        if self._changes is None:
            first = (round_name, 0) if generation else (BASE, seed_set)
            ends = [self._estimates(self._rows.get(key, {}), column) for key in (first, last)]
            return ends[1][0].minus(ends[0][0]) if all(ends) else Estimate()
        known = self._estimates(self._changes.get(last, {}), column)
        smallest, largest = _scale(column)
        change = for_new_training(known)
        return _limited(change, smallest - largest, largest - smallest) if len(known) > 1 else change

    def _estimates(self, rows: dict[int, dict[str, Any]], column: str) -> list[Estimate]:
        """Return the known numbers of a version's replicates, with their intervals over articles."""
        if column not in self.columns:
            return []
        ends = ([row[column + end] for end in ("", "_low", "_high")] for row in rows.values())
        found = (Estimate(*(math.nan if pd.isna(value) else float(value) for value in each)) for each in ends)
        return [estimate for estimate in found if estimate.known]


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
    if not replicates:
        return Estimate()
    intervals = np.array([astuple(one) for one in replicates])
    return Estimate(*replicates_interval(intervals, trained + 1 / len(intervals), 1 / len(intervals)))


def split_column(column: str) -> tuple[str, str]:
    """Split a column of the metrics table into its quantity and its label ("all articles" if it has no label)."""
    for quantity in PUBLISHED_INTERVALS:
        if column.startswith(f"{quantity}_"):
            return quantity, column.removeprefix(f"{quantity}_")
    return column, "all articles"
