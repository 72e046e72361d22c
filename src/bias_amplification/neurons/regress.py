"""Regressions of an outcome on every neuron at once, with Newey-West standard errors (paper, equation 1).

With one regressor beside the constant, the sandwich estimator has a closed form. With z = x - mean(x) and residuals e,
the slope is b = sum z y / sum z^2, and its variance is sum over t, s of k(t, s) z_t e_t z_s e_s / (sum z^2)^2, where k
is the Bartlett kernel 1 - |t - s| / (lags + 1) within a series and 0 across series (Newey and West, 1987). The kernel
is one [rows, rows] matrix for all neurons, so nothing loops over neurons. Constants of rounds and generations (fixed
effects) are subtracted from both sides first, which changes neither slope nor variance (Frisch, Waugh and Lovell).
"""

from dataclasses import dataclass

import numpy as np

from bias_amplification.neurons.designs import Rows, bartlett_kernel, count_lags, data_driven_bandwidth
from bias_amplification.study.sections import Neurons

#: Reasons why a neuron has no estimate.
NOT_FINITE = "a value is not finite"
TOO_FEW_ROWS = "too few rows"
CONSTANT_NEURON = "constant neuron"
CONSTANT_OUTCOME = "constant outcome"
INFINITE_OUTCOME = "infinite outcome"
PERFECT_FIT = "perfect fit"
ZERO_STANDARD_ERROR = "zero standard error"

#: Neurons regressed at a time, so that intermediate arrays fit a core's cache.
BLOCK = 1024

#: Rounding error of a sum or difference of numbers of magnitude 1, with a margin.
ROUNDING = 32 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Slopes:
    """One regression for each neuron. Numbers are NaN without an estimate; `reason` says why (else empty)."""

    estimate: np.ndarray
    standard_error: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    reason: np.ndarray

    @classmethod
    def join(cls, parts: "list[Slopes]") -> "Slopes":
        """Concatenate the neurons of several parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


def regress(neurons: np.ndarray, outcome: np.ndarray, rows: Rows, settings: Neurons) -> Slopes:
    """Regress an outcome on a constant and one neuron, for each neuron.

    Parameters
    ----------
    neurons
        [versions, neurons].
    outcome
        [versions], or [versions, neurons] if each neuron has an outcome of its own. Rows with a missing outcome (NaN)
        are left out. With an infinite outcome there is no estimate.
    rows
        The result of `designs.make_rows` for `settings.difference`.
    settings
        The test: lags, reference, small_sample, fixed_effects.

    Returns
    -------
    Slopes
        Arrays [neurons]; estimate and standard error in units of the outcome per unit of the neuron.
    """
    if neurons.shape[1] <= BLOCK:
        return _regress_block(neurons, outcome, rows, settings)
    blocks = [slice(start, start + BLOCK) for start in range(0, neurons.shape[1], BLOCK)]
    own = outcome.ndim == 2
    parts = [_regress_block(neurons[:, b], outcome[:, b] if own else outcome, rows, settings) for b in blocks]
    return Slopes.join(parts)


def _regress_block(neurons: np.ndarray, outcome: np.ndarray, rows: Rows, settings: Neurons) -> Slopes:
    infinite = np.isinf(outcome).any(axis=0)
    outcome = np.where(infinite, 0.0, outcome)
    rows = rows.keep(known_rows(outcome, rows))
    constants = rows.constants(settings.fixed_effects)
    freedom = rows.freedom(settings.fixed_effects)
    finite = np.isfinite(neurons).all(axis=0)
    neurons = np.where(finite, neurons, 0.0)
    if freedom < 1:
        reason = np.where(infinite, INFINITE_OUTCOME, TOO_FEW_ROWS)
        return _without_estimates(np.where(finite, reason, NOT_FINITE))
    x, y = rows.take(neurons), rows.take(outcome)
    y = y[:, None] if y.ndim == 1 else y  # [rows, 1 or neurons]
    # Differences contain the rounding errors of the levels, so the levels decide what counts as zero.
    x_rounding = ROUNDING * np.abs(neurons).max(axis=0)
    y_rounding = ROUNDING * np.nanmax(np.abs(outcome), axis=0)
    x, y = centre(x, constants), centre(y, constants)
    spread = np.abs(x).max(axis=0)
    constant = spread <= x_rounding
    z = x / np.where(constant, 1.0, spread)  # [rows, neurons], largest 1: no square underflows
    lags = count_lags(settings.lags, len(y))
    with np.errstate(divide="ignore", invalid="ignore"):
        z_squares = np.square(z).sum(axis=0)
        slope = (z * y).sum(axis=0) / z_squares  # per spread
        residual = y - slope * z
        score = z * residual
        meat = long_run_sums(score, rows, lags if lags is not None else str(settings.lags))
        perfect = np.abs(residual).max(axis=0) <= y_rounding + np.abs(slope) * x_rounding / spread
        degenerate = meat <= ROUNDING * np.square(score).sum(axis=0)
        estimate = slope / spread
        error = np.sqrt(meat) / z_squares / spread
    if settings.small_sample:
        error = error * np.sqrt(len(y) / freedom)
    still = np.abs(y).max(axis=0) <= y_rounding
    reasons = {
        NOT_FINITE: ~finite, INFINITE_OUTCOME: infinite, CONSTANT_NEURON: constant, CONSTANT_OUTCOME: still,
        PERFECT_FIT: perfect, ZERO_STANDARD_ERROR: degenerate,
    }  # fmt: skip
    reason = np.select([np.broadcast_to(holds, constant.shape) for holds in reasons.values()], [*reasons], default="")
    return _test(estimate, error, reason, reference=settings.reference, freedom=freedom)


def known_rows(outcome: np.ndarray, rows: Rows) -> np.ndarray:
    """Return which rows of [versions] or [versions, neurons] outcomes are known for all neurons: [rows]."""
    known = np.isfinite(rows.take(outcome))
    return known if known.ndim == 1 else known.all(axis=1)


def long_run_sums(score: np.ndarray, rows: Rows, lags: int | str) -> np.ndarray:
    """Sum the products of all pairs of scores, weighted by the Bartlett kernel.

    Parameters
    ----------
    score
        [rows, neurons], regressor times residual.
    rows
        Series and time of each row.
    lags
        The number of lags, or a rule of `designs.DATA_DRIVEN`, which chooses it for each neuron.

    Returns
    -------
    np.ndarray
        [neurons].
    """
    if not isinstance(lags, str):
        return (score * (bartlett_kernel(rows, lags) @ score)).sum(axis=0)
    products = [rows.pairs(lag) for lag in range(rows.longest_lag + 1)]
    sums = np.stack([(score[here] * score[there]).sum(axis=0) for here, there in products])  # [lags + 1, neurons]
    bandwidth = data_driven_bandwidth(sums, len(score), lags)
    weight = np.clip(1 - np.arange(len(sums))[:, None] / bandwidth, 0, None)
    weight[1:] *= 2  # each lag is on both sides of the diagonal
    return (weight * sums).sum(axis=0)


def correlate(neurons: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlation of an outcome with each neuron over versions.

    Parameters
    ----------
    neurons
        [versions, neurons].
    outcome
        [versions]; versions without an outcome (NaN) are left out.

    Returns
    -------
    np.ndarray
        [neurons]; NaN if the neuron or the outcome is constant or not finite, or if there are fewer than two versions.
    """
    keep = ~np.isnan(outcome)
    neurons, outcome = neurons[keep], outcome[keep]
    if len(outcome) < 2 or np.isinf(outcome).any():
        return np.full(neurons.shape[1], np.nan)
    neurons = np.where(np.isfinite(neurons).all(axis=0), neurons, 0.0)
    x, y = centre(neurons), centre(outcome)
    x_spread, y_spread = np.abs(x).max(axis=0), np.abs(y).max()
    constant = (x_spread <= ROUNDING * np.abs(neurons).max(axis=0)) | (y_spread <= ROUNDING * np.abs(outcome).max())
    x, y = x / np.where(constant, 1.0, x_spread), y / (y_spread or 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson = (x * y[:, None]).sum(axis=0) / np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum())
    return np.where(constant, np.nan, np.clip(pearson, -1, 1))


def centre(values: np.ndarray, constants: np.ndarray | None = None) -> np.ndarray:
    """Subtract the mean over rows, and the projection on the constants of a design.

    It is subtracted twice, because for large values the first one is imprecise.

    Parameters
    ----------
    values
        [rows, ...].
    constants
        [rows, constants], as from `designs.Rows.constants`; None for one constant.
    """
    if not len(values):
        return values
    for _ in range(2):
        values = values - values.mean(axis=0)
        if constants is not None:
            values = values - constants @ (constants.T @ values)
    return values


def _test(estimate: np.ndarray, error: np.ndarray, reason: np.ndarray, *, reference: str, freedom: int) -> Slopes:
    """Add the two-sided test of a slope of zero."""
    from scipy.special import ndtr, stdtr

    known = reason == ""
    estimate, error = np.where(known, estimate, np.nan), np.where(known, error, np.nan)
    statistic = estimate / error
    p_value = 2 * (ndtr(-np.abs(statistic)) if reference == "normal" else stdtr(freedom, -np.abs(statistic)))
    return Slopes(estimate, error, statistic, p_value, reason)


def _without_estimates(reason: np.ndarray) -> Slopes:
    missing = np.full(len(reason), np.nan)
    return Slopes(missing, missing, missing, missing, reason)
