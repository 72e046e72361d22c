"""Sets of neurons in halves of the rounds: what they have in common, in the study and under permuted outcomes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.top_sets import Compared, common_share

#: A half has at least two rounds, because one round has too few rows for a regression.
LEAST_ROUNDS = 4
#: Splits of the rounds: all, or a random choice of so many.
MOST_SPLITS = 20
#: Splits that are computed at once. More would take more memory.
WORKERS = 2


class Halves(NamedTuple):
    """Shares that sets of two halves of the rounds have in common, means over the splits: [..., sizes] each."""

    crossed: np.ndarray
    """The set of bias in one half and the set of quality in the other."""
    bias: np.ndarray
    """The two sets of bias."""
    quality: np.ndarray
    """The two sets of quality."""


class HalvesFound(NamedTuple):
    """Shares that sets of two halves of a study have in common."""

    permuted: Halves
    """[permutations, sizes], the first without permutation."""
    left_out: Halves
    """[generations, sizes]: without permutation, each generation left out of all rounds once. NaN if too few rows
    remain."""
    splits: int


def list_splits(compared: Compared, generator: np.random.Generator) -> list[np.ndarray]:
    """List the splits of the rounds into halves: all of them, or a random choice.

    All replicates of a round are in the same half. If there are too few rounds, replicates are split instead.

    Returns
    -------
    list of np.ndarray
        [rows] each: whether a row is in the first half. Empty if there are too few rounds with both outcomes.
    """
    known = np.logical_and(*(np.isfinite(one[0]) for one in compared.pair))
    names = np.array([name.partition("/")[0] for name in compared.rounds])
    for unit in (names, compared.rounds):
        units = list(dict.fromkeys(unit[known]))
        if len(units) >= LEAST_ROUNDS:
            return [np.isin(unit, [units[place] for place in half]) for half in _first_halves(len(units), generator)]
    return []


def _first_halves(units: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """List the units of the first halves, so that no split is listed twice."""
    size = units // 2
    if units > 12:  # too many to list
        return [tuple(generator.permutation(units)[:size]) for _ in range(MOST_SPLITS)]
    halves = [half for half in combinations(range(units), size) if units % 2 or half[0] == 0]
    return [halves[place] for place in sorted(generator.permutation(len(halves))[:MOST_SPLITS])]


def compare_halves(compared: Compared, splits: Sequence[np.ndarray], permutations: np.ndarray) -> HalvesFound | None:
    """Compare the sets of the two halves of each split.

    Parameters
    ----------
    compared
        Neurons and outcomes.
    splits
        From `list_splits`.
    permutations
        Which permutations to compute; the first is 0.

    Returns
    -------
    HalvesFound or None
        None without a split in which both outcomes can be tested in both halves.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1), ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda split: _compare_split(compared, split, permutations), splits))
    found = [one for one in found if np.isfinite(one[0]).all()]
    if not found:
        return None
    permuted, left_out = (np.mean(values, axis=0) for values in zip(*found, strict=True))
    return HalvesFound(Halves(*permuted), Halves(*left_out), len(found))


def _compare_split(compared: Compared, first: np.ndarray, permutations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare two halves: [3, permutations, sizes] and, with each generation left out, [3, generations, sizes]."""

    def share(keep: np.ndarray, permutations: np.ndarray) -> np.ndarray:
        one, other = (compared.sets(keep & half, permutations) for half in (first, ~first))
        if one is None or other is None:
            return np.full((3, len(permutations), len(compared.sizes)), np.nan)
        pairs = [(one[0], other[1]), (other[0], one[1]), (one[0], other[0]), (one[1], other[1])]
        there, back, bias, quality = (common_share(*pair, compared.sizes) for pair in pairs)
        return np.stack([(there + back) / 2, bias, quality])

    generations = compared.generations
    left_out = [share(generations != one, permutations[:1]) for one in np.unique(generations)]
    return share(np.ones(len(generations), dtype=bool), permutations), np.concatenate(left_out, axis=1)
