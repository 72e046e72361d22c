"""The place of a set's effect among the effects of its controls.

If a set is no different from its controls, its effect may have any place among theirs. With values v_0 of the set and
v_1 to v_K of the controls, and their distances d_i from the mean of all of them, the p-value is the share of the
d_0 to d_K that are at least d_0.

Controls have no neuron of the set, but share neurons with each other, so that they are more alike than the set is to
them. And a set that is the same in several versions has effects that are more alike than those of its controls, which
are drawn for each version. `inflation` is how much farther from the controls' mean a set is for these two reasons. The
set's difference from this mean is divided by it before distances are compared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bias_amplification.measures.intervals import ALPHA, student_quantile

#: A specific effect of the size `Place.detectable` is told from controls with this probability.
POWER = 0.8
#: What stands for it in Student's formula if several tests are told of together: their ranks decide less sharply. So
#: 76 to 84% are told in the simulations of `benchmarks/intervention_calibration.py`.
POWER_TOGETHER = 0.88
#: Differences up to this share of the largest value are rounding errors.
_ROUNDING = 1e-9


class Place(NamedTuple):
    """A set's effect beside those of its controls. NaN without a value.

    Attributes
    ----------
    controls_mean, controls_deviation, controls
        Mean, standard deviation and number of the controls' effects.
    specific, low, high
        The set's effect minus the controls' mean, with the interval within which the difference of one more control
        would be in 95% of studies.
    p_value, smallest_p
        The place, and the smallest p-value that is possible.
    detectable
        Size of a specific effect that is told from controls with probability `POWER`.
    """

    controls_mean: float = np.nan
    controls_deviation: float = np.nan
    controls: int = 0
    specific: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p_value: float = np.nan
    smallest_p: float = np.nan
    detectable: float = np.nan


def place_among(values: np.ndarray, inflation: float = 1.0, step: float = 0.0, tests: int = 1) -> Place:
    """Compare a set with its controls.

    Parameters
    ----------
    values
        [1 + controls], the effect of the set and of each control. Controls without a value (NaN) are left out.
    inflation
        From `inflation`.
    step
        The change of an effect if one article changes. Two controls that are so far above and below the mean are added
        to the variance, since all effects of few articles may be the same by chance. The p-value does without them.
    tests
        Number of tests that are told of together, for `detectable`.
    """
    values = np.append(values[0], values[1:][np.isfinite(values[1:])])
    count = len(values) - 1
    if count < 2 or not np.isfinite(values[0]):
        return Place(controls=count)
    controls = values[1:]
    mean, deviation = float(controls.mean()), float(controls.std(ddof=1))
    specific = float(values[0]) - mean
    p_value = float(share_as_far(distances(values, inflation)))
    place = Place(mean, deviation, count, specific, p_value=p_value, smallest_p=1 / (count + 1))
    if np.isinf(inflation):
        return place
    error = np.sqrt(deviation**2 + 2 * step**2 / (count - 1)) * np.sqrt(1 + 1 / count) * inflation
    half_width = float(student_quantile(count - 1) * error)
    power = POWER if tests == 1 else POWER_TOGETHER
    quantiles = student_quantile(count - 1, ALPHA / tests) + student_quantile(count - 1, 2 * (1 - power))
    return place._replace(low=specific - half_width, high=specific + half_width, detectable=float(quantiles * error))


def distances(values: np.ndarray, inflation: float) -> np.ndarray:
    """Return the distances of a set and its controls from their common mean, [1 + controls]."""
    values = np.array(values, dtype=np.float64)
    mean = values[1:].mean()
    values[0] = mean + (values[0] - mean) / inflation
    return np.abs(values - values.mean())


def share_as_far(far: np.ndarray) -> np.ndarray:
    """Return the share of set and controls whose distance is at least the set's, over the last axis."""
    return (far >= far[..., :1] - _ROUNDING * far.max(initial=0.0)).mean(axis=-1)


def family_p_values(values: np.ndarray, inflations: np.ndarray, steps: np.ndarray | float = 0.0) -> np.ndarray:
    """Return p-values for several sets and outcomes that are told of together.

    Distances are divided by their standard deviation, to whose square that of `steps` is added. Without this, one
    control that differs while all others are the same would be far from the mean by many standard deviations, and would
    hide every effect in the other tests. The p-value of a set and outcome is the share of the `1 +
    controls` places at which the largest distance of all sets and outcomes is at least as large (single-step maxT of
    Westfall and Young, 1993). If no set differs from its controls, the smallest of these p-values is at most .05 in at
    most 5% of studies.

    Parameters
    ----------
    values
        [tests, 1 + controls]. Tests without a value of the set are left out, and controls without a value in another
        test.
    inflations
        [tests].
    steps
        [tests], the change of an effect if one article changes.

    Returns
    -------
    np.ndarray
        [tests], NaN for those that are left out.
    """
    found = np.full(len(values), np.nan)
    tested = np.isfinite(values[:, 0])
    known = values[tested][:, np.isfinite(values[tested]).all(axis=0)]
    if not tested.any() or known.shape[1] < 3:
        return found
    far = np.stack([distances(*one) for one in zip(known, inflations[tested], strict=True)])
    steps = np.broadcast_to(steps, len(values))[tested, None]
    spread = np.sqrt(np.square(far).mean(axis=1, keepdims=True) + np.square(steps))
    far = np.divide(far, spread, out=np.zeros_like(far), where=spread > 0)
    largest = far.max(axis=0)
    found[tested] = [share_as_far(np.append(own, largest[1:])) for own in far[:, 0]]
    return found


def inflation(members: Sequence[np.ndarray], spreads: Sequence[float]) -> float:
    """Return how much farther from the controls' mean a set is than if it shared as many neurons as controls do.

    If the effect of a set were the mean of effects of its neurons, independent of each other and the same in all
    versions, effects would have the covariance C[i, j] = sum over units of a[i] a[j]. Here a[i] is the mean over
    versions of the version's spread, divided by the size of the set, in those versions in which i has the unit. The
    result is the root of the ratio of two variances under C: that of the set's difference from the controls' mean, and
    1 + 1 / K times the variance between controls.

    Parameters
    ----------
    members
        For each version [1 + controls, units]: a number for each neuron, the same in all versions.
    spreads
        For each version the standard deviation of the controls' effects.

    Returns
    -------
    float
        At least 1. Infinite if all controls have the same neurons.
    """
    weights = np.asarray(spreads, dtype=np.float64)
    weights = np.where(np.isfinite(weights), weights, 0.0)
    weights = weights if weights.any() else np.ones(len(members))
    units = np.unique(np.concatenate([one.ravel() for one in members]))
    shares = np.zeros((len(members[0]), len(units)))
    for one, weight in zip(members, weights, strict=True):
        rows = np.repeat(np.arange(len(one)), one.shape[1])
        np.add.at(shares, (rows, np.searchsorted(units, one.ravel())), weight / one.shape[1])
    covariance = shares @ shares.T
    own, of_controls = covariance[0], covariance[1:, 1:]
    count = len(of_controls)
    of_set = own[0] + of_controls.mean() - 2 * own[1:].mean()
    between = (np.trace(of_controls) - of_controls.sum() / count) / (count - 1)
    if between <= 1e-12 * own[0]:
        return float("inf")
    return float(max(1.0, np.sqrt(of_set / between / (1 + 1 / count))))
