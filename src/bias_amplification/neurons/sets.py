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


def significant_after_correction(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """Tell which neurons remain when the false discovery rate is held at alpha (Benjamini and Hochberg, 1995).

    Neurons without a p-value (NaN) are not among the tests counted.
    """
    from scipy.stats import false_discovery_control

    tested = np.isfinite(p_values)
    chosen = np.zeros(p_values.shape, dtype=bool)
    if tested.any():
        chosen[tested] = false_discovery_control(p_values[tested], method="bh") <= alpha
    return chosen


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
