"""Estimate which share of the neurons of bias are neurons of text quality too, from halves of the rounds.

The question: of the k neurons that are truly most strongly associated with bias, which share is also among the k that
are truly most strongly associated with text quality? The share found in a study does not answer it. Noise reorders the
neurons, so the share lies between the true one and the one that chance gives, closer to chance the more noise there is.

The noise is measured on halves of the rounds. Without noise, the sets of one outcome in the two halves would be the
same, so the share C that they have in common is a ceiling. The set of bias in one half and the set of quality in the
other have the share O in common. With the means O0 and C0 under permuted outcomes, the agreement relative to the
ceilings is

    a = (O - O0) / G,  where G = sqrt((C_bias - C0_bias) (C_quality - C0_quality)).

It is 0 for unrelated sets and 1 for common sets. The halves have no rows in common, so noise that bias and quality
share within a round is no overlap. The true share depends on how the associations are distributed:

- Clear-cut: k neurons are equally associated, the others are not. Then the share is O0 + (1 - O0) a. This is the
  estimate.
- Graded: the associations of all neurons are bivariate normal. Then neurons just below the k strongest count in O and
  C, and the share is smaller.

The interval holds every share whose agreement fits at 95%, as Fieller's (1954) for a ratio: (O - O0 - a G)^2 is at most
the squared quantile of t times its variance. The variance is from the jackknife over generations. Each generation is
left out of all rounds at once, because rounds move together. The jackknife keeps the neurons, and it is too small if O
happens to be near 0. So the variance of O grows with the square root of the overlap that is expected at `a`, and the
variance of a share of 2 k neurons is added (O is a mean of two shares of k). The lower end is the smaller one of
clear-cut and graded associations. docs/overlap.md has the simulations that led to these choices.
"""

from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.half_sets import Halves

#: Steps between no common neuron and common sets in the search for the ends of an interval.
STEPS = 1000
#: A jackknife of fewer generations has no useful variance.
LEAST_GENERATIONS = 3


class Estimate(NamedTuple):
    """An estimated share with its 95% interval."""

    share: float
    low: float
    high: float


def estimate_share(observed: Halves, left_out: Halves, chance: Halves, size: int) -> Estimate:
    """Estimate the share of the strongest neurons of one outcome that are among those of the other.

    Parameters
    ----------
    observed
        The shares that the sets of the halves have in common.
    left_out
        The same without one generation, [generations] each; NaN if unknown.
    chance
        The same on average under permuted outcomes.
    size
        Number of neurons in a set.

    Returns
    -------
    Estimate
        The estimate is NaN if a ceiling is at chance. The interval is 0 to 1 if the ceilings could be at chance, or if
        there are too few generations.
    """
    from scipy.stats import t

    # Small sets may have no neuron in common in any permutation.
    expected, ceiling = max(float(chance.crossed), 1e-6), float(ceiling_height(observed, chance))
    if not ceiling > 0:
        return Estimate(np.nan, 0.0, 1.0)
    estimate = _clear_cut((observed.crossed - expected) / ceiling, expected)
    many = len(left_out.crossed)
    found = np.stack([left_out.crossed, ceiling_height(left_out, chance)])
    if many < LEAST_GENERATIONS or np.isnan(found).any():
        return Estimate(estimate, 0.0, 1.0)
    variance = (many - 1) ** 2 / many * np.cov(found)
    quantile = t.isf(0.025, many - 1)
    if ceiling <= quantile * np.sqrt(variance[1, 1]):
        return Estimate(estimate, 0.0, 1.0)
    agreement = np.linspace(-expected / (1 - expected), 1, STEPS + 1)
    level = np.maximum(expected + agreement * ceiling, expected)
    growth = np.sqrt(np.maximum(1, level / max(float(observed.crossed), 1 / (2 * size))))
    errors = variance[0, 0] * growth - 2 * agreement * variance[0, 1] + agreement**2 * variance[1, 1]
    errors += level * (1 - level) / (2 * size)
    distance = (observed.crossed - expected - agreement * ceiling) ** 2 / errors
    fitting = agreement[distance <= max(quantile**2, distance.min())]
    low = min(_clear_cut(fitting[0], expected), graded_share(fitting[0], expected, ceiling))
    return Estimate(estimate, low, _clear_cut(fitting[-1], expected))


def ceiling_height(shares: Halves, chance: Halves) -> np.ndarray | float:
    """Return how far the ceilings are above chance: the geometric mean of both, 0 if one of them is not above it."""
    bias, quality = (np.maximum(one - other, 0) for one, other in zip(shares[1:], chance[1:], strict=True))
    return np.sqrt(bias * quality)


def _clear_cut(agreement: float, chance: float) -> float:
    """Return the share of common neurons for clear-cut associations."""
    return float(np.clip(chance + (1 - chance) * agreement, 0, 1))


def graded_share(agreement: float, chance: float, ceiling: float) -> float:
    """Return the share of common neurons if the associations with both outcomes are bivariate normal.

    Parameters
    ----------
    agreement
        Relative to the ceilings, at most 1.
    chance
        Share that unrelated sets have in common.
    ceiling
        How far the ceilings are above chance, above 0.

    Notes
    -----
    Two normal variables with correlation r, each beyond a threshold h in absolute value with probability 2 q, are both
    so, given one of them, with probability 2 - 2 (T(h, s) + T(h, 1 / s)) / q, where T is Owen's (1956) function and
    s = sqrt((1 - r) / (1 + r)). So the shares of halves give their correlations, and the correlation of the true
    associations is that between the outcomes divided by that of an outcome with itself.
    """
    from scipy.special import ndtri, owens_t

    if agreement <= 0:
        return _clear_cut(agreement, chance)
    correlation = np.concatenate([np.linspace(0, 0.99, 1000), 1 - np.geomspace(0.0099, 1e-6, 300), [1.0]])
    tangent = np.sqrt((1 - correlation) / (1 + correlation))
    threshold = -ndtri(chance / 2)
    inverse = np.divide(1, tangent, out=np.full(len(tangent), np.inf), where=tangent > 0)
    share = 2 - 2 * (owens_t(threshold, tangent) + owens_t(threshold, inverse)) / (chance / 2)
    between, within = np.interp([chance + agreement * ceiling, chance + ceiling], share, correlation)
    return float(np.interp(between / within, correlation, share))
