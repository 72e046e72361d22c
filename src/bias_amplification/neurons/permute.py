"""What chance gives: outcomes permuted over the rounds, and every neuron tested again on each.

A permutation moves an outcome's changes from generation to generation. It keeps the serial dependence inside a round,
moves bias and quality by the same moves, and leaves the neurons alone, so the neurons' correlation with one another and
the outcomes' correlation with each other stay what they are. Three moves can be combined:

- "shift": the changes of each round go round in a circle. Fair if changes are alike over generations; where steps
  shrink, in outcome and neurons alike, it takes that for an effect.
- "flip": the signs of all changes of a round. Fair if up and down are equally likely; keeps what happens when.
- "exchange": whole rounds trade places. Fair if rounds are alike; keeps when things happen, common trends included.

With one regressor the squared statistic of every neuron under every permutation is a polynomial in three products of
matrices. With z a neuron's changes, centred and of length 1, y an outcome's, centred, K the Bartlett kernel, b = z'y:

    t^2 = b^2 / (f (sum K_ts z_t z_s y_t y_s - 2 b sum_t y_t z_t (K z^2)_t + b^2 sum z^2 (K z^2)))

where f is the small-sample factor. The first sum runs over the few pairs of rows that K joins. So 10,000 permutations
cost three products [permutations, rows or pairs] x [rows or pairs, neurons] and one pass over the result.
"""

from __future__ import annotations

import functools
import math
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations as orders
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from bias_amplification.neurons.designs import (
    RegressionSettings,
    Rows,
    bartlett_kernel,
    count_lags,
    data_driven_bandwidth,
)
from bias_amplification.neurons.regress import ROUNDING, centre, long_run_sums, regress

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


MOVES = ("shift", "flip", "exchange")

#: The comparisons of the two outcomes are permuted in three ways: both outcomes move, or one of them alone.
MOVED = ("both", "bias", "quality")

#: A sum of terms that leave less than this share of the largest has lost the digits that a p-value needs.
CANCELLED = 1e-5

#: Numbers of one block of permutations x neurons: its temporaries stay in a core's cache.
BLOCK = 2**17


@dataclass(frozen=True)
class Permutations:
    """Where each round's changes come from; the first permutation changes nothing."""

    source: np.ndarray
    """[permutations, rounds], the round whose changes are taken."""
    shift: np.ndarray
    """[permutations, rounds], by how many places they go round."""
    sign: np.ndarray
    """[permutations, rounds], 1 or -1."""
    complete: bool
    """Whether these are all that there are, each once."""


def draw_permutations(
    lengths: Sequence[int], moves: Sequence[str], number: int, seed: int, kinds: Sequence[Hashable] | None = None
) -> Permutations:
    """Draw permutations, or list all if there are no more than asked for.

    Parameters
    ----------
    lengths
        How many changes of each round can go round.
    moves
        Of `MOVES`.
    number
        How many besides the one that changes nothing.
    seed
        Fixes the draws.
    kinds
        [rounds], only rounds of one kind trade places; by default those with equally many changes.

    Raises
    ------
    ValueError
        If a move is not known.
    """
    unknown = sorted(set(moves) - set(MOVES))
    if unknown:
        raise ValueError(f"moves must be of {', '.join(MOVES)}, not {unknown[0]!r}")
    rounds = len(lengths)
    alike = defaultdict(list)
    for place, kind in enumerate(lengths if kinds is None else kinds):
        alike[kind].append(place)
    shifts = [range(max(1, length)) if "shift" in moves else range(1) for length in lengths]
    signs = [(1, -1) if "flip" in moves else (1,)] * rounds
    classes = list(alike.values())
    many = math.prod(map(len, shifts)) * math.prod(map(len, signs))
    if "exchange" in moves:
        many *= math.prod(math.factorial(len(places)) for places in classes)
    if many <= number:
        options = [list(orders(places)) if "exchange" in moves else [tuple(places)] for places in classes]
        source, shift, sign = [], [], []
        for choice in product(product(*options), product(*shifts), product(*signs)):
            line = np.arange(rounds)
            for places, taken in zip(classes, choice[0], strict=True):
                line[places] = taken
            source.append(line)
            shift.append(choice[1])
            sign.append(choice[2])
        return Permutations(np.array(source), np.array(shift), np.array(sign), complete=True)
    generator = np.random.default_rng(seed)
    shape = (number, rounds)
    shift = (generator.random(shape) * [len(options) for options in shifts]).astype(np.int64)
    sign = generator.choice([1, -1], shape) if "flip" in moves else np.ones(shape, dtype=np.int64)
    source = np.tile(np.arange(rounds), (number, 1))
    if "exchange" in moves:
        keys = generator.random(shape)
        for places in classes:
            source[:, places] = np.array(places)[np.argsort(keys[:, places], axis=1)]
    first = np.arange(rounds)[None]
    return Permutations(
        np.vstack([first, source]),
        np.vstack([np.zeros_like(first), shift]),
        np.vstack([np.ones_like(first), sign]),
        complete=False,
    )


def permute_outcomes(
    outcomes: Sequence[np.ndarray],
    rounds: Sequence[str],
    generations: Sequence[int],
    moves: Sequence[str],
    number: int,
    seed: int,
) -> tuple[list[np.ndarray], bool]:
    """Permute the changes of several outcomes over the rounds, each outcome by the same moves.

    Parameters
    ----------
    outcomes
        Each [versions], NaN where there is none: the change over a gap counts as one change.
    rounds, generations
        [versions], a round's versions together.
    moves, number, seed
        As for `draw_permutations`.

    Returns
    -------
    permuted : list of np.ndarray
        Each [permutations, versions], the outcome itself first. A round that trades places takes its first level along.
    complete : bool
        Whether these are all permutations there are.

    Notes
    -----
    Rounds trade places only if they have the same generations and every outcome the same gaps in both. A round in which
    two outcomes with changes have different gaps does not go round, because no circle would keep them in step.
    """
    names, numbers = np.asarray(rounds), np.asarray(generations)
    known = [
        [np.flatnonzero((names == name) & np.isfinite(outcome)) for outcome in outcomes]
        for name in dict.fromkeys(rounds)
    ]  # [rounds][outcomes], versions
    known = [versions for versions in known if any(map(len, versions))]
    kinds = [tuple(tuple(numbers[one].tolist()) for one in versions) for versions in known]
    # An outcome of one version has no change that could fall out of step.
    circles = [{kind for kind in round_kinds if len(kind) > 1} for round_kinds in kinds]
    lengths = [len(next(iter(circle))) - 1 if len(circle) == 1 else 0 for circle in circles]
    drawn = draw_permutations(lengths, moves, number, seed, kinds)
    return [
        _move(outcome, [versions[index] for versions in known], drawn) for index, outcome in enumerate(outcomes)
    ], drawn.complete


def _move(outcome: np.ndarray, known: Sequence[np.ndarray], drawn: Permutations) -> np.ndarray:
    """Apply the moves to one outcome, of which each round has the versions `known`: [permutations, versions]."""
    lengths = [max(0, len(versions) - 1) for versions in known]
    changes = np.zeros((len(known), max(lengths, default=0)))
    starts = np.array([outcome[versions[0]] if len(versions) else np.nan for versions in known])
    for place, versions in enumerate(known):
        changes[place, : lengths[place]] = np.diff(outcome[versions])
    permuted = np.tile(outcome, (len(drawn.source), 1))
    for place, versions in enumerate(known):
        if not len(versions):
            continue
        source = drawn.source[:, place]
        index = (np.arange(lengths[place]) - drawn.shift[:, place, None]) % max(1, lengths[place])
        moved = changes[source[:, None], index] * drawn.sign[:, place, None]
        permuted[:, versions[0]] = starts[source]
        permuted[:, versions[1:]] = starts[source][:, None] + np.cumsum(moved, axis=1)
    permuted[0] = outcome  # not even rounded
    return permuted


class Statistics:
    """The squared t statistics of many neurons, prepared for many outcomes.

    Parameters
    ----------
    neurons
        [versions, neurons].
    rows
        Of the regression, those without an outcome left out.
    settings
        How the slope is tested.
    tested
        [all neurons], which to prepare; the others have no statistics. They must change and be finite.
    """

    def __init__(self, neurons: np.ndarray, rows: Rows, settings: RegressionSettings, tested: np.ndarray) -> None:
        self.rows, self.settings = rows, settings
        self.constants = rows.constants(settings.fixed_effects)
        self.freedom = len(rows.after) - 2 - int(self.constants.max(initial=0))
        self.tested = tested
        x = centre(rows.of(neurons[:, tested]), self.constants)
        z = x / np.abs(x).max(axis=0, initial=0.0)
        self.z = z / np.sqrt(np.square(z).sum(axis=0))
        self.factor = len(rows.after) / max(1, self.freedom) if settings.small_sample else 1.0
        self.lags = count_lags(settings.lags, len(rows.after))
        self._prepare()

    def _prepare(self) -> None:
        z, squares = self.z, np.square(self.z)
        if self.lags is not None:
            kernel = bartlett_kernel(self.rows, self.lags)
            self.here, self.there = np.nonzero(np.triu(kernel))
            weight = kernel[self.here, self.there] * np.where(self.here == self.there, 1, 2)
            self.products = weight[:, None] * z[self.here] * z[self.there]  # [pairs, neurons]
            reached = kernel @ squares
            self.cubic = z * reached  # [rows, neurons]
            self.quartic = (squares * reached).sum(axis=0)  # [neurons]
            return
        self.by_lag = []
        for lag in range(self.rows.reach + 1):
            here, there = self.rows.pairs(lag)
            cubic = np.zeros_like(z)
            np.add.at(cubic, here, z[here] * squares[there])
            np.add.at(cubic, there, z[there] * squares[here])
            quartic = (squares[here] * squares[there]).sum(axis=0)
            self.by_lag.append((here, there, z[here] * z[there], cubic, quartic))

    def changes(self, outcomes: np.ndarray) -> np.ndarray:
        """Give the rows of [permutations, versions] outcomes, centred: [permutations, rows]."""
        return np.ascontiguousarray(centre(self.rows.of(outcomes.T), self.constants).T)

    def of(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Test every neuron on every outcome.

        Parameters
        ----------
        y
            [permutations, rows] as `changes` gives them.

        Returns
        -------
        slope : np.ndarray
            [permutations, tested neurons], per unit length of the neuron's changes.
        squared : np.ndarray
            [permutations, tested neurons], t squared; 0 where the error cannot be told from 0.
        """
        slope = y @ self.z
        if self.lags is not None:
            total = (y[:, self.here] * y[:, self.there]) @ self.products
            mixed = y @ self.cubic
            # Horner's scheme, in place: slope (slope quartic - 2 mixed) + total.
            meat = slope * self.quartic
            mixed *= 2
            meat -= mixed
            meat *= slope
            meat += total
            scale = total
        else:
            totals = [(y[:, here] * y[:, there]) @ products for here, there, products, _, _ in self.by_lag]
            scale = totals[0]
            sums = np.stack(
                [
                    total - slope * (y @ cubic) + np.square(slope) * quartic
                    for total, (*_, cubic, quartic) in zip(totals, self.by_lag, strict=True)
                ]
            )
            bandwidth = data_driven_bandwidth(sums, y.shape[1], str(self.settings.lags))
            meat = sums[0].copy()
            for lag in range(1, len(sums)):
                meat += 2 * np.clip(1 - lag / bandwidth, 0, None) * sums[lag]
        squared = np.square(slope)
        cancelled = meat <= CANCELLED * np.abs(scale)
        np.divide(squared, meat, out=squared, where=~cancelled)
        if cancelled.any():
            lines, columns = np.nonzero(cancelled)
            squared[lines, columns] = self._plainly(y[lines].T, self.z[:, columns], slope[lines, columns])
        squared /= self.factor
        return slope, squared

    def _plainly(self, y: np.ndarray, z: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Give slope^2 over its variance from the residuals, where the polynomial's terms cancel: [tests].

        `y` and `z` are [rows, tests]; 0 where the error cannot be told from 0.
        """
        residual = y - slope * z
        score = z * residual
        meat = long_run_sums(score, self.rows, self.lags if self.lags is not None else str(self.settings.lags))
        known = np.abs(residual).max(axis=0) > ROUNDING * np.abs(y).max(axis=0)
        known &= meat > ROUNDING * np.square(score).sum(axis=0)
        return np.divide(np.square(slope), meat, out=np.zeros_like(slope), where=known)

    def threshold(self, alpha: float) -> float:
        """Give the t squared above which p is below alpha."""
        from scipy.special import ndtri, stdtrit

        ends = ndtri(alpha / 2) if self.settings.reference == "normal" else stdtrit(max(1, self.freedom), alpha / 2)
        return float(ends) ** 2


@dataclass
class Null:
    """What each permutation gives, the unpermuted outcomes first."""

    counts: np.ndarray
    """[3, layers, permutations], neurons below alpha: bias, quality, both."""
    matched: np.ndarray
    """[3, layers, permutations], as `MOVED` says: overlap of sets as large as those found, made of each layer's
    strongest neurons."""
    rank_agreement: np.ndarray
    """[3, layers, permutations]: Spearman's correlation of |t| for bias with |t| for quality; NaN for under 2
    neurons."""
    same_sign: np.ndarray
    """[3, layers, permutations]: neurons whose slopes for bias and quality have one sign."""
    tested_alone: np.ndarray
    """[2, layers], neurons tested on bias, on quality."""
    sizes: np.ndarray
    """[2, layers], how many of the neurons tested on both are below alpha in fact."""
    tested: np.ndarray
    """[layers], neurons tested on both outcomes: those that the unpermuted regressions give no reason against."""
    maximum: np.ndarray
    """[2, permutations], largest t squared of all neurons: bias, quality."""
    observed: np.ndarray
    """[2, neurons], t squared in fact; NaN where there is none."""
    exceeded: np.ndarray
    """[2, neurons], permutations in which the neuron's t squared is no smaller than in fact; the first is one."""

    @classmethod
    def empty(cls, layers: int, permutations: int, neurons: int) -> Null:
        """Make room."""
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


def fill_layer(
    null: Null,
    place: int,
    columns: slice,
    neurons: np.ndarray,
    outcomes: Sequence[np.ndarray],
    rows: Rows,
    settings: RegressionSettings,
    alpha: float,
) -> None:
    """Test one layer's neurons under every permutation and enter what comes of it.

    Parameters
    ----------
    null
        Filled in place.
    place, columns
        The layer's place in it, and its neurons' places.
    neurons
        [versions, neurons of the layer].
    outcomes
        Bias and quality, each [permutations, versions].
    rows, settings, alpha
        The test.
    """
    statistics = [
        Statistics(
            neurons,
            rows.only(np.isfinite(rows.of(outcome[0]))),
            settings,
            regress(neurons, outcome[0], rows, settings).reason == "",
        )
        for outcome in outcomes
    ]
    changes = [one.changes(outcome) for one, outcome in zip(statistics, outcomes, strict=True)]
    # An outcome that has no test takes from the other none but the comparison of the two.
    live = [bool(one.tested.any()) for one in statistics]
    tested = statistics[0].tested & statistics[1].tested
    limits = [one.threshold(alpha) for one in statistics]
    within = [tested[one.tested] for one in statistics]
    # Of which neurons each outcome's own set and maximum are made: all that it can be tested on.
    seen = [np.flatnonzero(one.tested) + columns.start for one in statistics]
    many = int(tested.sum())
    null.tested[place] = many
    null.tested_alone[:, place] = [one.tested.sum() for one in statistics]
    observed = [np.zeros(0)] * 2
    found: list[tuple[np.ndarray, ...]] = []
    for index in np.flatnonzero(live):
        slope, squared = (values[0] for values in statistics[index].of(changes[index][:1]))
        null.observed[index, seen[index]] = squared
        observed[index] = squared * (1 - 1e-9)
        squared, slope = squared[within[index]], slope[within[index]]
        null.sizes[index, place] = (squared > limits[index]).sum()
        rank = _ranks(squared[None])[0]
        found.append((rank, rank >= many - null.sizes[index, place], slope > 0))
    sizes = null.sizes[:, place]

    def work(block: slice) -> dict[int, np.ndarray]:
        exceeded, ranks, chosen, signs = {}, [], [], []
        for index in np.flatnonzero(live):
            slope, squared = statistics[index].of(changes[index][block])
            below = squared > limits[index]
            null.counts[index, place, block] = below.sum(axis=1)
            np.maximum(null.maximum[index, block], squared.max(axis=1), out=null.maximum[index, block])
            exceeded[int(index)] = (squared >= observed[index]).sum(axis=0)
            if many and not within[index].all():
                slope, squared, below = slope[:, within[index]], squared[:, within[index]], below[:, within[index]]
            if many:
                chosen.append(below)
                signs.append(slope > 0)
                ranks.append(_ranks(squared))
        if not many:
            return exceeded
        null.counts[2, place, block] = (chosen[0] & chosen[1]).sum(axis=1)
        strongest = [rank >= many - size for rank, size in zip(ranks, sizes, strict=True)]
        moved = list(zip(ranks, strongest, signs, strict=True))
        for way, (first, second) in enumerate((moved, (moved[0], found[1]), (found[0], moved[1]))):
            null.matched[way, place, block] = (first[1] & second[1]).sum(axis=1)
            null.same_sign[way, place, block] = (first[2] == second[2]).sum(axis=1)
            if many > 1:
                null.rank_agreement[way, place, block] = _spearman(first[0], second[0])
        return exceeded

    length = max(1, BLOCK // max(1, neurons.shape[1]))
    blocks = [slice(start, start + length) for start in range(0, len(outcomes[0]), length)]
    with _product_threads().limit(limits=1):
        for exceeded in _side_by_side(work, blocks):
            for index, count in exceeded.items():
                null.exceeded[index, seen[index]] += count
    # Unmoved, the three are one; not even rounding may tell them apart.
    for values in (null.matched, null.same_sign, null.rank_agreement):
        values[1:, place, 0] = values[0, place, 0]


@functools.cache
def _product_threads() -> ThreadpoolController:
    """Find the libraries behind NumPy's products once: looking for them takes longer than a small layer's test."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _side_by_side(work: Callable[[slice], dict], blocks: Sequence[slice]) -> Iterator[dict]:
    """Work on blocks in threads, each product on one: the passes between the products keep every core busy too."""
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
    """Correlate ranks without ties, 0 and up, of which one may be the same for all lines: [lines]."""
    many = first.shape[-1]
    products = np.einsum("...j,...j->...", first, second)
    middle = (many - 1) / 2
    return 12 * (products / many - middle**2) / (many**2 - 1)


def permutation_p_value(values: np.ndarray) -> float:
    """Give the share of permutations, the unpermuted included, whose value is no smaller than in fact (the first)."""
    return float(np.mean(values >= values[0]))
