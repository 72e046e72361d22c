"""Sets of neurons in halves of a study: what they have in common, in the study and under permuted outcomes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.halves import split_rows
from bias_amplification.neurons.top_sets import Compared, common_share

#: Splits into halves: all, or a random choice of so many.
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
    names = np.asarray(versions.rounds)[after]
    usable = np.isin(names, names[known])
    unit, by, splits = split_rows(versions, after[usable], int(generator.integers(2**31)))
    chosen = []
    for place in sorted(generator.permutation(len(splits))[:MOST_SPLITS]):
        first = np.zeros(len(after), dtype=bool)
        first[usable] = splits[place][unit]
        chosen.append(first)
    return by, chosen


def compare_halves(compared: Compared, splits: Sequence[np.ndarray], permutations: np.ndarray) -> HalvesFound | None:
    """Compare the sets of the two halves of each split.

    Parameters
    ----------
    compared
        Neurons and outcomes.
    splits
        From `choose_splits`.
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
