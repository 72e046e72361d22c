"""Regressions of an outcome on every neuron at once, with Newey-West standard errors (paper, equation 1).

For one regressor beside the constant the sandwich has a closed form. With z = x - mean(x) and residuals e the slope is
b = sum z y / sum z^2, and its variance is sum over t, s of k(t, s) z_t e_t z_s e_s / (sum z^2)^2, where k is the
Bartlett kernel 1 - |t - s| / (lags + 1) inside a series and 0 across series (Newey and West, 1987). The kernel is one
matrix [rows, rows] for all neurons, so no step runs over neurons.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Why a neuron has no estimate.
NOT_FINITE = "a value is not finite"
TOO_FEW_ROWS = "too few rows"
CONSTANT_NEURON = "constant neuron"
CONSTANT_OUTCOME = "constant outcome"
PERFECT_FIT = "perfect fit"
ZERO_STANDARD_ERROR = "zero standard error"

#: Rounding noise of a sum or difference of numbers of magnitude 1, with a margin.
ROUNDING = 32 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class RegressionSettings:
    """How a neuron is tested."""

    difference: str = "within"
    """"within": differences between generations of a round, and no lag product reaches into another round. "across":
    differences of the rounds laid end to end, one series. "levels": no differences, one series."""
    lags: int | str = 1
    """Newey-West lags, or "plugin" for floor(4 (rows / 100)^(2/9))."""
    reference: str = "t"
    """Distribution of the statistic: "normal" or "t" with rows - 2 degrees of freedom."""
    small_sample: bool = True
    """Whether the variance is multiplied by rows / (rows - 2)."""


@dataclass(frozen=True)
class Rows:
    """Which versions make the rows of a regression, and when each row is in which series."""

    after: np.ndarray
    """[rows], index of a version."""
    before: np.ndarray | None
    """[rows], index of the version that is subtracted; None for levels."""
    series: np.ndarray
    """[rows], number of the series."""
    time: np.ndarray
    """[rows], time within the series."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """Give the rows of [versions, ...] values: differences, or the values themselves."""
        return values[self.after] if self.before is None else values[self.after] - values[self.before]

    def only(self, keep: np.ndarray) -> "Rows":
        """Leave out rows; what remains keeps its time, so no lag product closes the gap."""
        before = None if self.before is None else self.before[keep]
        return Rows(self.after[keep], before, self.series[keep], self.time[keep])


@dataclass(frozen=True)
class Slopes:
    """One regression a neuron; NaN where it could not be estimated, and `reason` says why (else empty)."""

    estimate: np.ndarray
    standard_error: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    reason: np.ndarray


def make_rows(rounds: Sequence[str], generations: Sequence[int], difference: str) -> Rows:
    """Lay out the rows of a regression over versions.

    Parameters
    ----------
    rounds, generations
        [versions], a round's versions together and in ascending order.
    difference
        "within", "across" or "levels", see `RegressionSettings`.

    Raises
    ------
    ValueError
        If the versions are not in order.
    """
    seen = list(dict.fromkeys(rounds))
    number = np.array([seen.index(name) for name in rounds], dtype=np.int64)
    generation = np.asarray(generations, dtype=np.int64)
    same_round = np.diff(number) == 0
    if (np.diff(number) < 0).any() or (np.diff(generation)[same_round] <= 0).any():
        raise ValueError("versions must come round by round, generations ascending")
    index = np.arange(len(number))
    if difference == "levels":
        return Rows(after=index, before=None, series=np.zeros_like(index), time=index)
    after = index[1:]
    if difference == "across":
        return Rows(after=after, before=after - 1, series=np.zeros_like(after), time=after)
    if difference == "within":
        after = after[same_round & (np.diff(generation) == 1)]
        return Rows(after=after, before=after - 1, series=number[after], time=generation[after])
    raise ValueError(f"difference must be within, across or levels, not {difference!r}")


def count_lags(lags: int | str, rows: int) -> int:
    """Give the number of lags: as set, or by the plug-in rule floor(4 (rows / 100)^(2/9)) (Newey and West, 1994)."""
    if lags == "plugin":
        return int(4 * (rows / 100) ** (2 / 9))
    if isinstance(lags, str) or lags < 0:
        raise ValueError(f"lags must be plugin or 0 or more, not {lags!r}")
    return lags


def bartlett_kernel(series: np.ndarray, time: np.ndarray, lags: int) -> np.ndarray:
    """Weigh each pair of rows: 1 - |lag| / (lags + 1) within a series, 0 beyond `lags` and across series.

    Returns
    -------
    np.ndarray
        [rows, rows], symmetric and positive semi-definite.
    """
    weight = np.clip(1 - np.abs(time[:, None] - time[None, :]) / (lags + 1), 0, None)
    return np.where(series[:, None] == series[None, :], weight, 0.0)


def regress(
    neurons: np.ndarray,
    outcome: np.ndarray,
    rows: Rows,
    settings: RegressionSettings,
) -> Slopes:
    """Regress an outcome on a constant and each neuron by itself.

    Parameters
    ----------
    neurons
        [versions, neurons].
    outcome
        [versions]; a version without an outcome (NaN) takes its rows with it.
    rows
        As `make_rows` gives them for `settings.difference`.
    settings
        How the slope is tested.

    Returns
    -------
    Slopes
        Arrays [neurons]; estimate and standard error in units of the outcome per unit of the neuron.
    """
    lags = count_lags(settings.lags, len(rows.after))
    rows = rows.only(np.isfinite(rows.of(outcome)))
    finite = np.isfinite(neurons).all(axis=0)
    neurons = np.where(finite, neurons, 0.0)
    if len(rows.after) < 3:
        return _nothing(np.where(finite, TOO_FEW_ROWS, NOT_FINITE))
    x, y = rows.of(neurons), rows.of(outcome)
    # Differences carry the rounding of the levels, so what counts as zero is measured by these.
    x_rounding = ROUNDING * np.abs(neurons).max(axis=0)
    y_rounding = ROUNDING * np.nanmax(np.abs(outcome))
    x, y = _centre(x), _centre(y)
    spread = np.abs(x).max(axis=0)
    constant = spread <= x_rounding
    z = x / np.where(constant, 1.0, spread)  # [rows, neurons], largest 1: no square underflows
    with np.errstate(divide="ignore", invalid="ignore"):
        z_squares = np.square(z).sum(axis=0)
        slope = (z * y[:, None]).sum(axis=0) / z_squares  # per spread
        residual = y[:, None] - slope * z
        score = z * residual
        kernel = bartlett_kernel(rows.series, rows.time, lags)
        meat = (score * (kernel @ score)).sum(axis=0)
        perfect = np.abs(residual).max(axis=0) <= y_rounding + np.abs(slope) * x_rounding / spread
        degenerate = meat <= ROUNDING * np.square(score).sum(axis=0)
        estimate = slope / spread
        error = np.sqrt(meat) / z_squares / spread
    if settings.small_sample:
        error = error * np.sqrt(len(y) / (len(y) - 2))
    reason = np.select(
        [~finite, constant, np.full(len(constant), np.abs(y).max() <= y_rounding), perfect, degenerate],
        [NOT_FINITE, CONSTANT_NEURON, CONSTANT_OUTCOME, PERFECT_FIT, ZERO_STANDARD_ERROR],
        default="",
    )
    return _test(estimate, error, reason, reference=settings.reference, freedom=len(y) - 2)


def correlate(neurons: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Give Pearson's correlation of an outcome with each neuron over versions.

    Parameters
    ----------
    neurons
        [versions, neurons].
    outcome
        [versions]; versions without an outcome (NaN) are left out.

    Returns
    -------
    np.ndarray
        [neurons]; NaN where the neuron or the outcome is constant, not finite or of fewer than two versions.
    """
    keep = np.isfinite(outcome)
    neurons, outcome = neurons[keep], outcome[keep]
    if len(outcome) < 2:
        return np.full(neurons.shape[1], np.nan)
    neurons = np.where(np.isfinite(neurons).all(axis=0), neurons, 0.0)
    x, y = _centre(neurons), _centre(outcome)
    x_spread, y_spread = np.abs(x).max(axis=0), np.abs(y).max()
    constant = (x_spread <= ROUNDING * np.abs(neurons).max(axis=0)) | (y_spread <= ROUNDING * np.abs(outcome).max())
    x, y = x / np.where(constant, 1.0, x_spread), y / (y_spread or 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson = (x * y[:, None]).sum(axis=0) / np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum())
    return np.where(constant, np.nan, np.clip(pearson, -1, 1))


def _centre(values: np.ndarray) -> np.ndarray:
    """Subtract the mean over rows, twice: the first mean is rounded by what a large level leaves of its digits."""
    values = values - values.mean(axis=0)
    return values - values.mean(axis=0)


def _test(estimate: np.ndarray, error: np.ndarray, reason: np.ndarray, *, reference: str, freedom: int) -> Slopes:
    """Add the two-sided test of a slope of zero."""
    from scipy.special import ndtr, stdtr

    known = reason == ""
    estimate, error = np.where(known, estimate, np.nan), np.where(known, error, np.nan)
    statistic = estimate / error
    if reference == "normal":
        p_value = 2 * ndtr(-np.abs(statistic))
    elif reference == "t":
        p_value = 2 * stdtr(freedom, -np.abs(statistic))
    else:
        raise ValueError(f"reference must be normal or t, not {reference!r}")
    return Slopes(estimate, error, statistic, p_value, reason)


def _nothing(reason: np.ndarray) -> Slopes:
    missing = np.full(len(reason), np.nan)
    return Slopes(missing, missing, missing, missing, reason)
