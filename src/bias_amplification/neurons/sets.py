"""Sets of neurons that change with an outcome, and how much two such sets overlap (paper, section 4.4)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Overlap:
    """Sizes of two sets of neurons and of their overlap, with the overlap expected by chance."""

    population: int
    first: int
    second: int
    both: int
    expected_both: float
    """Mean overlap of independently drawn sets of these sizes; NaN if the population is empty."""
    p_overlap: float
    """Probability that independently drawn sets share `both` neurons or more; NaN if the population is empty."""


def significant(p_values: np.ndarray, alpha: float, correction: str | None = None) -> np.ndarray:
    """Return which neurons are significant, without a correction for the number of tests or after one.

    Parameters
    ----------
    p_values
        [neurons], uncorrected, NaN without a test.
    alpha
        Level of each test; after a correction, the false discovery rate or the family-wise error. A p-value of exactly
        alpha is significant, here and wherever a p-value is compared with its level.
    correction
        None, or one of `CORRECTIONS`.

    Returns
    -------
    np.ndarray of bool
        [neurons]. A neuron without a test is not significant.
    """
    return (p_values if correction is None else adjust(p_values, correction)) <= alpha


def overlap(first: np.ndarray, second: np.ndarray, population: np.ndarray) -> Overlap:
    """Compare the overlap of two sets of neurons with that of independent sets of the same sizes.

    Parameters
    ----------
    first, second
        [neurons], membership.
    population
        [neurons], whether the neuron could be in both sets; others are not counted.

    Notes
    -----
    The hypergeometric tail treats neurons as independent draws. Neurons of one model are strongly correlated, so the
    probability is that of chance for independent neurons, not for these.
    """
    first, second = first & population, second & population
    return chance_overlap(int(population.sum()), int(first.sum()), int(second.sum()), int((first & second).sum()))


def chance_overlap(population: int, first: int, second: int, both: int) -> Overlap:
    """Compute the expected overlap and the hypergeometric tail P(overlap >= both) from counts alone."""
    from scipy.stats import hypergeom

    if not population:
        return Overlap(population, first, second, both, float("nan"), float("nan"))
    tail = float(hypergeom.sf(both - 1, population, first, second))
    return Overlap(population, first, second, both, first * second / population, tail)


#: Corrections for the number of tests, with the suffix of the names of their counts. For the first two it is
#: also SciPy's name of the method.
CORRECTIONS = {"benjamini_hochberg": "bh", "benjamini_yekutieli": "by", "bonferroni": "bonferroni"}


def adjust(p_values: np.ndarray, method: str) -> np.ndarray:
    """Adjust p-values for the number of tests.

    Parameters
    ----------
    p_values
        [neurons], NaN without a test; these do not count as tests.
    method
        "benjamini_hochberg" or "benjamini_yekutieli" (false discovery rate, the second under any dependence),
        "bonferroni" (family-wise error).

    Returns
    -------
    np.ndarray
        [neurons], at most 1, NaN without a test.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    from scipy.stats import false_discovery_control

    p_values = np.asarray(p_values, dtype=np.float64)
    tested = np.isfinite(p_values)
    adjusted = np.full(p_values.shape, np.nan)
    if not tested.any():
        return adjusted
    if method == "bonferroni":
        adjusted[tested] = np.minimum(p_values[tested] * tested.sum(), 1)
    elif method in CORRECTIONS:
        adjusted[tested] = false_discovery_control(p_values[tested], method=CORRECTIONS[method])
    else:
        raise ValueError(f"method must be one of {', '.join(CORRECTIONS)}, not {method!r}")
    return adjusted


def share_of_true_nulls(p_values: np.ndarray) -> float:
    """Estimate the share of neurons that do not change with the outcome: (1 + #{p > .5}) / (.5 m).

    p-values of true nulls are uniform, so nearly all p-values above .5 are from true nulls (Storey, 2002).

    Parameters
    ----------
    p_values
        [neurons], NaN where a neuron has no test.

    Returns
    -------
    float
        At most 1; NaN without p-values.
    """
    known = p_values[np.isfinite(p_values)]
    if not len(known):
        return float("nan")
    return float(min(1.0, (1 + (known > 0.5).sum()) / (0.5 * len(known))))


def odds_ratio(population: int, first: int, second: int, both: int) -> tuple[float, float, float]:
    """Estimate the odds ratio of membership in the two sets, with its exact 95% interval for independent neurons.

    The estimate is Fisher's conditional one. 1 means independent sets, less than 1 more distinct, more than 1 more
    alike.

    Returns
    -------
    tuple of float
        Estimate, low, high; NaN if a set is empty or is the whole population.
    """
    from scipy.stats.contingency import odds_ratio as conditional

    table = [[both, first - both], [second - both, population - first - second + both]]
    if min(first, second, population - first, population - second) <= 0:
        return (float("nan"),) * 3
    found = conditional(table)
    interval = found.confidence_interval(0.95)
    return float(found.statistic), float(interval.low), float(interval.high)


def independent_overlap(populations: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the distribution of the overlap of two sets that are drawn independently in each layer.

    Parameters
    ----------
    populations, first, second
        [layers], number of the layer's neurons and sizes of its two sets.

    Returns
    -------
    np.ndarray
        [overlaps], probabilities of overlaps of 0, 1, ... neurons: the layers' hypergeometric distributions, convolved.
    """
    from scipy.stats import hypergeom

    total = np.ones(1)
    for population, one, other in zip(populations, first, second, strict=True):
        if population:
            layer = hypergeom.pmf(np.arange(min(one, other) + 1), population, one, other)
            total = np.convolve(total, layer)
    return total / total.sum()


def tails(values: np.ndarray, found: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of [nulls, draws] that are at least, and at most, the observed value: each [nulls]."""
    return np.mean(values >= found, axis=1), np.mean(values <= found, axis=1)


#: The verdict where no overlap could be told from chance, whatever it is.
NOT_ENOUGH_PERMUTATIONS = "too few permutations to tell"


def verdict(
    both: int, nulls: np.ndarray, independent: np.ndarray, *, smallest: float = 0.0, level: float = 0.05
) -> tuple[str, int]:
    """Decide whether two sets are more distinct, or more alike, than by chance.

    Parameters
    ----------
    both
        Number of neurons in both sets.
    nulls
        [nulls, draws], overlaps by chance. If there are several nulls, all must be rejected.
    independent
        Distribution of the overlap of independent sets of these sizes, from `independent_overlap`.
    smallest
        The smallest one-sided p-value that the draws can give, whatever the overlap.
    level
        Level of the two-sided test.

    Returns
    -------
    words : str
        "more distinct than chance", "more alike than chance" or "not told apart from chance", which is no finding: the
        overlap may be anything. Or, where no overlap could be told apart: "too few permutations to tell", or "too few
        neurons to tell" if independent sets of these sizes often have the smallest possible overlap.
    null : int
        Index of the null with the largest p-value.
    """
    upper, lower = tails(nulls, both)
    place = int(np.argmax(np.minimum(upper, lower)))
    least = int(np.argmax(independent > 0))
    if independent[least] >= 1 - 1e-12:
        return "too few neurons to tell", place
    if smallest > level / 2:
        return NOT_ENOUGH_PERMUTATIONS, place
    if (upper <= level / 2).all():
        return "more alike than chance", place
    if (lower <= level / 2).all():
        return "more distinct than chance", place
    if independent[least] > level / 2:
        return "too few neurons to tell", place
    return "not told apart from chance", place


def count_sets(bias: np.ndarray, quality: np.ndarray, alpha: float) -> dict[str, int | float | None]:
    """Count the neurons that change with bias, with quality and with both, by every criterion.

    Parameters
    ----------
    bias, quality
        [neurons], p-values, NaN without a test.
    alpha
        Level of the tests; for the corrected counts, the false discovery rate and the family-wise error.

    Returns
    -------
    dict
        Counts and estimates of a row of `NEURON_SETS`; None for an estimate without a value.
    """
    tested = np.isfinite(bias) & np.isfinite(quality)
    shared = overlap(significant(bias, alpha), significant(quality, alpha), tested)
    counts = {
        "neurons": len(bias),
        "tested_bias": np.isfinite(bias).sum(),
        "tested_quality": np.isfinite(quality).sum(),
        "tested": shared.population,
        "bias": significant(bias, alpha).sum(),
        "quality": significant(quality, alpha).sum(),
        "both": shared.both,
    }
    for method, ending in CORRECTIONS.items():
        first, second = significant(bias, alpha, method), significant(quality, alpha, method)
        counts |= {f"bias_{ending}": first.sum(), f"quality_{ending}": second.sum()}
        counts[f"both_{ending}"] = (first & second).sum()
    odds, low, high = odds_ratio(shared.population, shared.first, shared.second, shared.both)
    estimates = {
        "expected_both": shared.expected_both,
        "p_overlap": shared.p_overlap,
        "odds_ratio": odds,
        "odds_ratio_low": low,
        "odds_ratio_high": high,
        "true_nulls_bias": share_of_true_nulls(bias),
        "true_nulls_quality": share_of_true_nulls(quality),
    }
    return {
        **{name: int(value) for name, value in counts.items()},
        **{name: value if np.isfinite(value) else None for name, value in estimates.items()},
    }
