"""Null distributions: what counts and overlaps of significant neurons are under permuted outcomes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Rows
from bias_amplification.neurons.permuted_statistics import PermutedStatistics
from bias_amplification.neurons.regress import regress
from bias_amplification.study.sections import Neurons

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


#: The two outcomes are compared under three nulls: both outcomes are permuted, only bias, or only quality.
MOVED = ("both", "bias", "quality")

#: Permutations x neurons of one block, so that its intermediate arrays fit a core's cache.
BLOCK = 2**17


@dataclass
class Null:
    """The results of each permutation; the first permutation is the outcomes as they are."""

    counts: np.ndarray
    """[3, layers, permutations], number of neurons with p of at most alpha: bias, quality, both."""
    matched: np.ndarray
    """[3, layers, permutations], for each null of `MOVED`: overlap of each layer's strongest neurons, as many as the
    unpermuted sets have there."""
    rank_agreement: np.ndarray
    """[3, layers, permutations]: Spearman's correlation of |t| for bias with |t| for quality; NaN for under 2
    neurons."""
    same_sign: np.ndarray
    """[3, layers, permutations]: number of neurons whose slopes for bias and quality have the same sign."""
    tested_alone: np.ndarray
    """[2, layers], number of neurons tested on bias, on quality."""
    sizes: np.ndarray
    """[2, layers], number of neurons tested on both and significant on the unpermuted outcomes: bias, quality."""
    tested: np.ndarray
    """[layers], number of neurons tested on both outcomes: those with an estimate in both unpermuted regressions."""
    maximum: np.ndarray
    """[2, permutations], largest t squared of all neurons: bias, quality."""
    observed: np.ndarray
    """[2, neurons], t squared on the unpermuted outcomes; NaN without an estimate."""
    exceeded: np.ndarray
    """[2, neurons], number of permutations whose t squared is at least the observed one; the first counts too."""

    @classmethod
    def empty(cls, layers: int, permutations: int, neurons: int) -> Null:
        """Allocate the arrays."""
        shape = (layers, permutations)
        return cls(
            counts=np.zeros((3, *shape), dtype=np.int32),
            matched=np.zeros((3, *shape), dtype=np.int32),
            rank_agreement=np.full((3, *shape), np.nan),
            same_sign=np.zeros((3, *shape), dtype=np.int32),
            tested_alone=np.zeros((2, layers), dtype=np.int64),
            sizes=np.zeros((2, layers), dtype=np.int64),
            tested=np.zeros(layers, dtype=np.int64),
            maximum=np.zeros((2, permutations)),
            observed=np.full((2, neurons), np.nan),
            exceeded=np.zeros((2, neurons), dtype=np.int64),
        )


class _Compared(NamedTuple):
    """Properties of the neurons tested on both outcomes, in which the outcomes are compared: [..., neurons] each."""

    rank: np.ndarray
    """Rank of |t|, smallest 0."""
    strongest: np.ndarray
    """Whether |t| is among the largest, as many as the unpermuted set has."""
    increases: np.ndarray
    """Whether the slope is positive."""


class _OutcomeTests:
    """The tests of one layer's neurons on one outcome."""

    def __init__(self, neurons: np.ndarray, outcome: np.ndarray, rows: Rows, settings: Neurons) -> None:
        known = rows.keep(np.isfinite(rows.take(outcome[0])))
        self.tested = regress(neurons, outcome[0], rows, settings).reason == ""
        self.statistics = PermutedStatistics(neurons, known, settings, self.tested)
        self.changes = self.statistics.changes(outcome)
        self.limit = self.statistics.threshold()
        self.shared = np.zeros(0, dtype=bool)
        """[tested neurons], which are tested on the other outcome too."""
        self.observed = np.zeros(0)
        """[tested neurons], t squared on the unpermuted outcome."""
        self.at_least = np.zeros(0)
        """[tested neurons], the same with a margin for rounding, which differs between one permutation and many."""
        self.size = 0
        """Number of the shared neurons that are significant on the unpermuted outcome."""

    def observe(self, shared: np.ndarray) -> _Compared:
        """Test on the unpermuted outcome; `shared` [neurons] are tested on both outcomes."""
        self.shared = shared[self.tested]
        slope, squared = (values[0] for values in self.statistics.compute(self.changes[:1]))
        self.observed, self.at_least = squared, squared * (1 - 1e-9)
        slope, squared = slope[self.shared], squared[self.shared]
        self.size = int((squared >= self.limit).sum())
        rank = _ranks(squared[None])[0]
        return _Compared(rank, rank >= len(rank) - self.size, slope > 0)


def fill_layer(
    null: Null,
    place: int,
    columns: slice,
    neurons: np.ndarray,
    outcomes: Sequence[np.ndarray],
    rows: Rows,
    settings: Neurons,
) -> None:
    """Test one layer's neurons under every permutation and enter the results.

    Parameters
    ----------
    null
        Filled in place.
    place, columns
        The layer's place in it, and the places of the layer's neurons.
    neurons
        [versions, neurons of the layer].
    outcomes
        Bias and quality, each [permutations, versions].
    rows, settings
        The test.
    """
    tests = [_OutcomeTests(neurons, outcome, rows, settings) for outcome in outcomes]
    shared = tests[0].tested & tests[1].tested
    null.tested[place] = shared.sum()
    null.tested_alone[:, place] = [one.tested.sum() for one in tests]
    # If one outcome cannot be tested, only the comparison of the two is lost.
    live = {index: one for index, one in enumerate(tests) if one.tested.any()}
    found: list[_Compared] = []
    # An outcome's own counts and maximum are of all neurons tested on it, shared or not.
    own = {index: np.flatnonzero(one.tested) + columns.start for index, one in live.items()}
    for index, one in live.items():
        found.append(one.observe(shared))
        null.observed[index, own[index]] = one.observed
        null.sizes[index, place] = one.size
    work = functools.partial(_fill_block, null, place, live, found if shared.any() else [])
    length = max(1, BLOCK // max(1, neurons.shape[1]))
    blocks = [slice(start, start + length) for start in range(0, len(outcomes[0]), length)]
    with _product_threads().limit(limits=1):
        for exceeded in _side_by_side(work, blocks):
            for index, count in exceeded.items():
                null.exceeded[index, own[index]] += count
    # Without permutation the three nulls are the same; even rounding must not make them differ.
    for values in (null.matched, null.same_sign, null.rank_agreement):
        values[1:, place, 0] = values[0, place, 0]


def _fill_block(
    null: Null, place: int, live: dict[int, _OutcomeTests], found: Sequence[_Compared], block: slice
) -> dict[int, np.ndarray]:
    """Enter a block of permutations; `found` is both outcomes' comparison without permutation, or empty.

    Returns
    -------
    dict of int to np.ndarray
        For each outcome, [tested neurons]: in how many permutations t squared is at least the observed one.
    """
    exceeded, chosen, moved = {}, [], []
    for index, one in live.items():
        slope, squared = one.statistics.compute(one.changes[block])
        significant = squared >= one.limit
        null.counts[index, place, block] = significant.sum(axis=1)
        np.maximum(null.maximum[index, block], squared.max(axis=1), out=null.maximum[index, block])
        exceeded[index] = (squared >= one.at_least).sum(axis=0)
        if not found:
            continue
        if not one.shared.all():
            slope, squared, significant = (values[:, one.shared] for values in (slope, squared, significant))
        chosen.append(significant)
        rank = _ranks(squared)
        moved.append(_Compared(rank, rank >= rank.shape[1] - one.size, slope > 0))
    if found:
        null.counts[2, place, block] = (chosen[0] & chosen[1]).sum(axis=1)
        pairs = ((moved[0], moved[1]), (moved[0], found[1]), (found[0], moved[1]))  # as `MOVED`
        for way, (first, second) in enumerate(pairs):
            null.matched[way, place, block] = (first.strongest & second.strongest).sum(axis=1)
            null.same_sign[way, place, block] = (first.increases == second.increases).sum(axis=1)
            if first.rank.shape[-1] > 1:
                null.rank_agreement[way, place, block] = _spearman(first.rank, second.rank)
    return exceeded


@functools.cache
def _product_threads() -> ThreadpoolController:
    """Find the libraries behind NumPy's products, once: the search takes longer than the test of a small layer."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _side_by_side(
    work: Callable[[slice], dict[int, np.ndarray]], blocks: Sequence[slice]
) -> Iterator[dict[int, np.ndarray]]:
    """Work on blocks in threads, each product on one thread: work between products uses all cores too."""
    if len(blocks) == 1:
        yield work(blocks[0])
        return
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, blocks)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank each line of [lines, neurons], smallest 0."""
    order = np.argsort(values, axis=1)
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(values.shape[1], dtype=np.float64), values.shape), axis=1)
    return ranks


def _spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate ranks without ties, 0 and up: [lines]. One side may be a single line, compared with all lines."""
    many = first.shape[-1]
    products = np.einsum("...j,...j->...", first, second)
    middle = (many - 1) / 2
    return 12 * (products / many - middle**2) / (many**2 - 1)


def permutation_p_value(values: np.ndarray) -> float:
    """Return the share of permutations whose value is at least the unpermuted one, which comes first and counts too."""
    return float(np.mean(values >= values[0]))
