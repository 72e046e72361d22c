"""Sets of neurons that go with an outcome, and how much two such sets have in common (paper, section 4.4)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Overlap:
    """How many neurons of a population are in each of two sets and in both, beside what chance would give."""

    population: int
    first: int
    second: int
    both: int
    expected_both: float
    """If the sets were drawn independently; NaN for no population."""
    p_overlap: float
    """Probability of `both` or more if the sets were drawn independently; NaN for no population."""


def significant(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """Tell which neurons have p < alpha; a neuron without a p-value (NaN) has not."""
    return p_values < alpha


def overlap(first: np.ndarray, second: np.ndarray, population: np.ndarray) -> Overlap:
    """Compare two sets of neurons with what independent sets of their sizes would share.

    Parameters
    ----------
    first, second
        [neurons], membership.
    population
        [neurons], whether the neuron could be in either; others count nowhere.

    Notes
    -----
    The hypergeometric tail takes neurons as independent draws. Neurons of one model are strongly correlated, so the
    probability says what chance gives for independent neurons, not for these.
    """
    first, second = first & population, second & population
    return chance_overlap(int(population.sum()), int(first.sum()), int(second.sum()), int((first & second).sum()))


def chance_overlap(population: int, first: int, second: int, both: int) -> Overlap:
    """Give the expected number in both sets and the hypergeometric tail P(overlap >= both), from counts alone."""
    from scipy.stats import hypergeom

    if not population:
        return Overlap(population, first, second, both, float("nan"), float("nan"))
    tail = float(hypergeom.sf(both - 1, population, first, second))
    return Overlap(population, first, second, both, first * second / population, tail)


_SCIPY = {"benjamini_hochberg": "bh", "benjamini_yekutieli": "by"}
#: Ending of the counts' names, by correction.
ENDINGS = {"benjamini_hochberg": "bh", "benjamini_yekutieli": "by", "bonferroni": "bonferroni"}


def adjust(p_values: np.ndarray, method: str) -> np.ndarray:
    """Adjust p-values for the number of tests.

    Parameters
    ----------
    p_values
        [neurons], NaN where there is none; these are not among the tests counted.
    method
        "benjamini_hochberg" or "benjamini_yekutieli" (false discovery rate, the second under any dependence),
        "bonferroni" (family-wise error).

    Returns
    -------
    np.ndarray
        [neurons], at most 1, NaN where there was none.
    """
    from scipy.stats import false_discovery_control

    tested = np.isfinite(p_values)
    adjusted = np.full(p_values.shape, np.nan)
    if not tested.any():
        return adjusted
    if method == "bonferroni":
        adjusted[tested] = np.minimum(p_values[tested] * tested.sum(), 1)
    elif method in _SCIPY:
        adjusted[tested] = false_discovery_control(p_values[tested], method=_SCIPY[method])
    else:
        raise ValueError(f"method must be bonferroni or one of {', '.join(_SCIPY)}, not {method!r}")
    return adjusted


def share_of_true_nulls(p_values: np.ndarray, cut: float = 0.5) -> float:
    """Estimate the share of neurons that do not go with the outcome (Storey, 2002): (1 + #{p > cut}) / ((1 - cut) m).

    p-values of true nulls are uniform, so those above the cut are nearly all of them.

    Returns
    -------
    float
        At most 1; NaN without p-values.
    """
    known = p_values[np.isfinite(p_values)]
    if not len(known):
        return float("nan")
    return float(min(1.0, (1 + (known > cut).sum()) / ((1 - cut) * len(known))))


def odds_ratio(population: int, first: int, second: int, both: int) -> tuple[float, float, float]:
    """Give the odds ratio of belonging to both sets, with its exact 95% interval for independent neurons.

    1 is what independent sets give, less is more distinct, more is more alike (Fisher's conditional estimate).

    Returns
    -------
    tuple of float
        Estimate, low, high; NaN where a set is empty or everything.
    """
    from scipy.stats.contingency import odds_ratio as conditional

    table = [[both, first - both], [second - both, population - first - second + both]]
    if min(first, second, population - first, population - second) <= 0:
        return (float("nan"),) * 3
    found = conditional(table)
    interval = found.confidence_interval(0.95)
    return float(found.statistic), float(interval.low), float(interval.high)


def independent_overlap(populations: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give the distribution of the overlap of two sets that are drawn independently in each layer.

    Parameters
    ----------
    populations, first, second
        [layers], neurons of the layer and sizes of its two sets.

    Returns
    -------
    np.ndarray
        [overlaps], probabilities of 0, 1, ... in both: the sum of the layers' hypergeometric numbers.
    """
    from scipy.stats import hypergeom

    total = np.ones(1)
    for population, one, other in zip(populations, first, second, strict=True):
        if population:
            layer = hypergeom.pmf(np.arange(min(one, other) + 1), population, one, other)
            total = np.convolve(total, layer)
    return total / total.sum()


def tails(values: np.ndarray, found: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the share of [nulls, draws] that are no smaller, and that are no larger, than what was found: [nulls]."""
    return np.mean(values >= found, axis=1), np.mean(values <= found, axis=1)


def verdict(
    both: int, nulls: np.ndarray, independent: np.ndarray, *, smallest: float = 0.0, level: float = 0.05
) -> tuple[str, int]:
    """Put into words whether two sets are more distinct, or more alike, than chance makes them.

    Parameters
    ----------
    both
        Neurons in both sets.
    nulls
        [nulls, draws], overlaps that chance gives; where there are several nulls, each must be rejected.
    independent
        Distribution of the overlap of independent sets of these sizes, as `independent_overlap` gives it.
    smallest
        The smallest one-sided p-value that the draws can give, whatever the overlap.
    level
        Two-sided.

    Returns
    -------
    words : str
        "more distinct than chance", "more alike than chance" or "no more distinct than chance"; "too few permutations
        to tell" where no overlap could be rare enough; "too few neurons to tell" where independent sets of these sizes
        would often share as few as they can; "cannot be told apart from chance" where such sets would not, and yet the
        nulls are so wide that they often do.
    null : int
        Place of the null that rejects least: the one whose range is to be told.
    """
    upper, lower = tails(nulls, both)
    place = int(np.argmax(np.minimum(upper, lower)))
    least = int(np.argmax(independent > 0))
    if independent[least] >= 1 - 1e-12:
        return "too few neurons to tell", place
    if smallest > level / 2:
        return "too few permutations to tell", place
    if (upper <= level / 2).all():
        return "more alike than chance", place
    if (lower <= level / 2).all():
        return "more distinct than chance", place
    if independent[least] > level / 2:
        return "too few neurons to tell", place
    if (tails(nulls, least)[1] > level / 2).any():
        return "cannot be told apart from chance", place
    return "no more distinct than chance", place


def count_sets(bias: np.ndarray, quality: np.ndarray, alpha: float) -> dict[str, int | float | None]:
    """Count the neurons that go with bias, with quality and with both, by every criterion.

    Parameters
    ----------
    bias, quality
        [neurons], p-values, NaN where there is none.
    alpha
        Level of the tests; false discovery rate and family-wise error of the corrected counts.

    Returns
    -------
    dict
        The counts and estimates of a row of `NEURON_SETS`; None for what is not known.
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
    for method, ending in ENDINGS.items():
        first, second = adjust(bias, method) <= alpha, adjust(quality, method) <= alpha
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
