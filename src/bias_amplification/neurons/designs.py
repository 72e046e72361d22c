"""Designs of the neurons' regressions: the rows, and how the errors of neighbouring rows are weighted."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
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
        [versions]. Each replicate of a round is a round of its own here.
    strategies, replicates, seed_sets
        [versions]: the round without its replicate, the number of the replicate, and the seed set. Empty if unknown.
    """

    rounds: Sequence[str]
    generations: Sequence[int]
    strategies: Sequence[str] = ()
    replicates: Sequence[int] = ()
    seed_sets: Sequence[str] = ()


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
    group: np.ndarray
    """[rows], number of the round, for fixed effects."""
    generation: np.ndarray
    """[rows], for fixed effects."""

    def take(self, values: np.ndarray) -> np.ndarray:
        """Return the rows of [versions, ...] values: differences, or the values themselves."""
        return values[self.after] if self.before is None else values[self.after] - values[self.before]

    def keep(self, chosen: np.ndarray) -> "Rows":
        """Return the chosen rows with their times, so that no lag skips a row that was left out."""
        before = None if self.before is None else self.before[chosen]
        rest = (values[chosen] for values in (self.series, self.time, self.group, self.generation))
        return Rows(self.after[chosen], before, *rest)

    def constants(self, fixed_effects: str) -> np.ndarray:
        """Return an orthonormal basis of the constants.

        Parameters
        ----------
        fixed_effects
            Config key `neurons.fixed_effects`.

        Returns
        -------
        np.ndarray
            [rows, constants], read-only. A variable without its projection on the basis is what the constants leave of
            it.
        """
        own = (np.ascontiguousarray(one, dtype=np.int64).tobytes() for one in (self.group, self.generation))
        return _constants(*own, fixed_effects)

    def freedom(self, fixed_effects: str) -> int:
        """Return the residual degrees of freedom: rows minus the constants and the slope."""
        return len(self.after) - self.constants(fixed_effects).shape[1] - 1

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


@functools.lru_cache(maxsize=1024)
def _constants(group: bytes, generation: bytes, fixed_effects: str) -> np.ndarray:
    """Compute a basis of the constants, from the groups and generations of the rows; studies have splits in common."""
    groups, generations = (np.frombuffer(one, dtype=np.int64) for one in (group, generation))
    dummies = [np.ones((len(groups), 1))]
    if fixed_effects != "none":
        dummies.append((groups[:, None] == np.unique(groups)).astype(np.float64))
    if fixed_effects == "both" and len(np.unique(groups)) > 1:
        dummies.append((generations[:, None] == np.unique(generations)).astype(np.float64))
    basis, sizes, _ = np.linalg.svd(np.hstack(dummies), full_matrices=False)
    basis = basis[:, sizes > sizes.max(initial=0.0) * 1e-9]
    basis.setflags(write=False)
    return basis


def make_rows(versions: Versions, difference: str) -> Rows:
    """Lay out the rows of a regression over versions.

    Parameters
    ----------
    versions
        The versions.
    difference
        Config key `neurons.difference`. "within": differences between consecutive generations of a round, each round a
        series of its own. "across": differences of the rounds laid end to end, one series. "levels": no differences,
        one series.

    Raises
    ------
    ValueError
        If the versions are not in order, or `difference` is unknown.
    """
    seen = list(dict.fromkeys(versions.rounds))
    number = np.array([seen.index(name) for name in versions.rounds], dtype=np.int64)
    generation = np.asarray(versions.generations, dtype=np.int64)
    same_round = np.diff(number) == 0
    if (np.diff(number) < 0).any() or (np.diff(generation)[same_round] <= 0).any():
        raise ValueError("versions must be sorted: round by round, generations ascending")
    index = np.arange(len(number))
    if difference == "levels":
        return Rows(index, None, np.zeros_like(index), index, number, generation)
    after = index[1:]
    if difference == "across":
        return Rows(after, after - 1, np.zeros_like(after), after, number[after], generation[after])
    if difference == "within":
        after = after[same_round & (np.diff(generation) == 1)]
        return Rows(after, after - 1, number[after], generation[after], number[after], generation[after])
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
