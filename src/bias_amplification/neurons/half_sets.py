"""Sets of neurons in halves of a study: what they have in common, in the study and under permuted outcomes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.halves import series_with, split_rows
from bias_amplification.neurons.top_sets import Compared, common_share

#: Splits into halves: all, or a random choice of so many.
MOST_SPLITS = 20
#: Splits that are computed at once, if there are many neurons. More would take more memory; with few neurons, threads
#: wait for each other.
WORKERS, MANY_NEURONS = 2, 500


class Halves(NamedTuple):
    """Shares that sets of two halves of the rounds have in common, means over the splits: [..., sizes] each."""

    crossed: np.ndarray
    """The set of bias in one half and the set of quality in the other."""
    bias: np.ndarray
    """The two sets of bias."""
    quality: np.ndarray
    """The two sets of quality."""


def choose_splits(
    compared: Compared, versions: Versions, generator: np.random.Generator
) -> tuple[str, list[np.ndarray]]:
    """Choose splits into halves, of the same rounds or replicates as in `halves.lay_out`.

    Parameters
    ----------
    compared
        Neurons and outcomes.
    versions
        The versions that its rows are from.
    generator
        Source of the choice.

    Returns
    -------
    by : str
        "rounds" or "replicates".
    splits : list of np.ndarray
        [rows] each: whether a row is in the first half. Empty if there are too few rounds with both outcomes.
    """
    after = make_rows(versions, compared.settings.difference).after
    known = np.logical_and(*(np.isfinite(one[0]) for one in compared.pair))
    usable = series_with(known, versions, after)
    unit, by, splits = split_rows(versions, after[usable], int(generator.integers(2**31)))
    chosen = []
    for place in sorted(generator.permutation(len(splits))[:MOST_SPLITS]):
        first = np.zeros(len(after), dtype=bool)
        first[usable] = splits[place][unit]
        chosen.append(first)
    return by, chosen


def compare_halves(
    compared: Compared, splits: Sequence[np.ndarray], permutations: np.ndarray
) -> tuple[Halves, list[np.ndarray]]:
    """Compare the sets of the two halves of each split.

    Parameters
    ----------
    compared
        Neurons and outcomes.
    splits
        From `choose_splits`.
    permutations
        Which permutations to compute.

    Returns
    -------
    shares : Halves
        [permutations, sizes]. NaN without a split.
    used : list of np.ndarray
        The splits in which both outcomes can be tested in both halves.
    """
    rows = np.ones(len(compared.generations), dtype=bool)
    found = _each(splits, lambda split: _compare_split(compared, split, rows, permutations), compared)
    used = [place for place, shares in enumerate(found) if np.isfinite(shares).all()]
    shape = 3, len(permutations), len(compared.sizes)
    shares = np.mean([found[place] for place in used], axis=0) if used else np.full(shape, np.nan)
    return Halves(*shares), [splits[place] for place in used]


def leave_out_generations(compared: Compared, splits: Sequence[np.ndarray]) -> Halves:
    """Compare the sets of the two halves without permutation, each generation left out of all rounds once.

    Parameters
    ----------
    compared, splits
        As for `compare_halves`; at least one split.

    Returns
    -------
    Halves
        [generations, sizes]. NaN if too few rows remain.
    """
    generations, observed = compared.generations, np.zeros(1, dtype=np.int64)

    def without_each(split: np.ndarray) -> np.ndarray:
        left = [_compare_split(compared, split, generations != one, observed) for one in np.unique(generations)]
        return np.concatenate(left, axis=1)

    return Halves(*np.mean(_each(splits, without_each, compared), axis=0))


def _each(
    splits: Sequence[np.ndarray], work: Callable[[np.ndarray], np.ndarray], compared: Compared
) -> list[np.ndarray]:
    """Apply a function to every split, with one thread for each product."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        if compared.neurons.shape[1] < MANY_NEURONS:
            return [work(split) for split in splits]
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(work, splits))


def _compare_split(compared: Compared, first: np.ndarray, keep: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    """Compare the halves of a split, of those rows that are kept: [3, permutations, sizes]."""
    one, other = (compared.sets(keep & half, permutations) for half in (first, ~first))
    if one is None or other is None:
        return np.full((3, len(permutations), len(compared.sizes)), np.nan)
    pairs = [(one[0], other[1]), (other[0], one[1]), (one[0], other[0]), (one[1], other[1])]
    there, back, bias, quality = (common_share(*pair, compared.sizes) for pair in pairs)
    return np.stack([(there + back) / 2, bias, quality])
