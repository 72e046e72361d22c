"""Designs of the neurons' regressions: the rows, and how the errors of neighbouring rows are weighted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import numpy as np

from bias_amplification.study.sections import DataDrivenLags

#: Values of `neurons.lags` that choose the lags of each neuron from its data.
DATA_DRIVEN = get_args(DataDrivenLags)


class Versions(NamedTuple):
    """Round and generation of each model version, a round's versions together and in ascending order.

    Attributes
    ----------
    rounds, generations
        [versions].
    """

    rounds: Sequence[str]
    generations: Sequence[int]


@dataclass(frozen=True)
class Rows:
    """The rows of a regression: which versions each is computed from, and its place in a time series."""

    after: np.ndarray
    """[rows], index of a version."""
    before: np.ndarray | None
    """[rows], index of the version that is subtracted; None for levels."""
    series: np.ndarray
    """[rows], number of the series. Products of lagged errors stay within a series."""
    time: np.ndarray
    """[rows], time within the series."""
    group: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """[rows], number of the round, for fixed effects."""

    def take(self, values: np.ndarray) -> np.ndarray:
        """Return the rows of [versions, ...] values: differences, or the values themselves."""
        return values[self.after] if self.before is None else values[self.after] - values[self.before]

    def keep(self, chosen: np.ndarray) -> "Rows":
        """Return the chosen rows with their times, so that no lag skips a row that was left out."""
        before = None if self.before is None else self.before[chosen]
        return Rows(self.after[chosen], before, self.series[chosen], self.time[chosen], self.group[chosen])

    def constants(self, fixed_effects: bool) -> np.ndarray:
        """Return the number of each row's constant: one constant for all rows, or one for each round.

        Returns
        -------
        np.ndarray
            [rows], numbered from 0 without gaps.
        """
        if not fixed_effects:
            return np.zeros(len(self.after), dtype=np.int64)
        return np.unique(self.group, return_inverse=True)[1].astype(np.int64)

    def freedom(self, fixed_effects: bool) -> int:
        """Return the residual degrees of freedom: rows minus the constants and the slope."""
        return len(self.after) - 1 - (int(self.constants(fixed_effects).max(initial=0)) + 1)

    def pairs(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of rows that lie `lag` apart in one series.

        Returns
        -------
        tuple of np.ndarray
            Indices of the later and of the earlier row, each [pairs].
        """
        here, there = np.nonzero(
            (self.series[:, None] == self.series[None, :]) & (self.time[:, None] - self.time[None, :] == lag)
        )
        return here, there

    @property
    def longest_lag(self) -> int:
        """The longest lag within a series."""
        return max((int(np.ptp(self.time[self.series == one])) for one in np.unique(self.series)), default=0)


def make_rows(rounds: Sequence[str], generations: Sequence[int], difference: str) -> Rows:
    """Lay out the rows of a regression over versions.

    Parameters
    ----------
    rounds, generations
        [versions], a round's versions together and in ascending order.
    difference
        Config key `neurons.difference`. "within": differences between consecutive generations of a round, each round a
        series of its own. "across": differences of the rounds laid end to end, one series. "levels": no differences,
        one series.

    Raises
    ------
    ValueError
        If the versions are not in order, or `difference` is unknown.
    """
    seen = list(dict.fromkeys(rounds))
    number = np.array([seen.index(name) for name in rounds], dtype=np.int64)
    generation = np.asarray(generations, dtype=np.int64)
    same_round = np.diff(number) == 0
    if (np.diff(number) < 0).any() or (np.diff(generation)[same_round] <= 0).any():
        raise ValueError("versions must be sorted: round by round, generations ascending")
    index = np.arange(len(number))
    if difference == "levels":
        return Rows(after=index, before=None, series=np.zeros_like(index), time=index, group=number)
    after = index[1:]
    if difference == "across":
        return Rows(after=after, before=after - 1, series=np.zeros_like(after), time=after, group=number[after])
    if difference == "within":
        after = after[same_round & (np.diff(generation) == 1)]
        group = number[after]
        return Rows(after=after, before=after - 1, series=group, time=generation[after], group=group)
    raise ValueError(f"difference must be within, across or levels, not {difference!r}")


def count_lags(lags: int | str, rows: int) -> int | None:
    """Return the number of lags if it is the same for all neurons: the number set, or the plug-in rule's.

    The plug-in rule is floor(4 (rows / 100)^(2/9)) (Newey and West, 1994, their preliminary choice).

    Returns
    -------
    int or None
        None for the rules that choose the lags from each neuron's data.

    Raises
    ------
    ValueError
        If the rule is unknown, or the number is negative.
    """
    if lags == "plugin":
        return int(4 * (rows / 100) ** (2 / 9))
    if lags in DATA_DRIVEN:
        return None
    if isinstance(lags, str) or lags < 0:
        raise ValueError(f"lags must be plugin, {', '.join(DATA_DRIVEN)}, or 0 or more, not {lags!r}")
    return lags


def bartlett_kernel(rows: Rows, lags: int) -> np.ndarray:
    """Return the weight of each pair of rows: 1 - |lag| / (lags + 1) within a series, else 0.

    Pairs that lie more than `lags` apart have weight 0 as well.

    Returns
    -------
    np.ndarray
        [rows, rows], symmetric and positive semi-definite.
    """
    weight = np.clip(1 - np.abs(rows.time[:, None] - rows.time[None, :]) / (lags + 1), 0, None)
    return np.where(rows.series[:, None] == rows.series[None, :], weight, 0.0)


def data_driven_bandwidth(autocovariances: np.ndarray, rows: int, rule: str) -> np.ndarray:
    """Choose the Bartlett bandwidth of each score series from its own autocovariances.

    Parameters
    ----------
    autocovariances
        [lags + 1, ...]: sums over t of s_t s_{t - lag} within series, lag 0 first.
    rows
        Number of rows.
    rule
        "newey_west": with m = floor(4 (rows / 100)^(2/9)), s0 = g_0 + 2 sum g_l and s1 = 2 sum l g_l for l up to m,
        the lags are floor(1.1447 ((s1 / s0)^2 rows)^(1/3)) (Newey and West, 1994, table II). "andrews": with the first
        autocorrelation r, the bandwidth is 1.1447 (4 r^2 / ((1 - r)^2 (1 + r)^2) rows)^(1/3) (Andrews, 1991,
        equations 6.2 and 6.4), kept between 1 and `rows`.

    Returns
    -------
    np.ndarray
        [...], at least 1. A product of rows that lie `l` apart has the weight max(0, 1 - l / bandwidth), so a fixed
        number of lags corresponds to the bandwidth lags + 1.

    Raises
    ------
    ValueError
        If the rule is unknown.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if rule == "newey_west":
            most = min(count_lags("plugin", rows), len(autocovariances) - 1)
            lag = np.arange(1, most + 1).reshape(-1, *[1] * (autocovariances.ndim - 1))
            tail = autocovariances[1 : most + 1]
            s0 = autocovariances[0] + 2 * tail.sum(axis=0)
            s1 = 2 * (lag * tail).sum(axis=0)
            bandwidth = 1 + np.floor(1.1447 * np.cbrt(np.square(s1 / s0) * rows))
        elif rule == "andrews":
            first = autocovariances[1] if len(autocovariances) > 1 else np.zeros_like(autocovariances[0])
            r = first / autocovariances[0]
            bandwidth = 1.1447 * np.cbrt(4 * np.square(r) / np.square((1 - r) * (1 + r)) * rows)
        else:
            raise ValueError(f"the rule for lags must be one of {', '.join(DATA_DRIVEN)}, not {rule!r}")
    return np.clip(np.nan_to_num(bandwidth, nan=1.0, posinf=float(rows)), 1.0, float(rows))
