"""Effects of neurons in one half of a study and in the other, and how they correlate over neurons.

A study is split by its rounds, or by the replicates if every round has several. The effect of a neuron in a half is the
inner product of its changes, scaled to length 1 over the whole study, with the outcome's changes, centred within the
half. With Z the neurons' changes [rows, neurons] less each row's mean over neurons, and u and v the outcomes' centred
changes in the two halves, 0 in the other half, the effects correlate over neurons by

    u' Z Z' v / sqrt(u' Z Z' u * v' Z Z' v)

So all splits and permutations need only the product Z Z' [rows, rows], whatever the number of neurons.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Rows, Versions, make_rows
from bias_amplification.neurons.regress import ROUNDING

#: Fewest rounds that are split: with fewer, a half has one round, in which rounds cannot be compared.
FEWEST_ROUNDS = 4

#: Most splits into halves: all of up to ten rounds, a random sample of more.
MOST_SPLITS = 200


@dataclass(frozen=True)
class Layout:
    """The changes within rounds, and the rounds or replicates that are held against each other."""

    chain: np.ndarray
    """[rows], number of the series, which is one replicate of a round."""
    generation: np.ndarray
    """[rows], generation after the change."""
    unit: np.ndarray
    """[rows], number of the round or of the replicate, from 0; -1 for rows that belong to none."""
    by: str
    """What the units are: "rounds" or "replicates"."""
    splits: Sequence[np.ndarray]
    """Each [units], whether the unit is in the first half; empty if there are too few units."""


@dataclass(frozen=True)
class Changes:
    """The changes of an outcome under several permutations."""

    values: np.ndarray
    """[permutations, rows], 0 where unknown."""
    known: np.ndarray
    """[rows]."""
    rounding: np.ndarray
    """[permutations], the size of rounding errors: a smaller change is none."""

    @classmethod
    def of(cls, outcome: np.ndarray, rows: Rows) -> "Changes":
        """Take the changes of [permutations, versions] outcomes, NaN if missing."""
        values = rows.take(outcome.T).T
        known = np.isfinite(values).all(axis=0)
        largest = np.abs(np.where(np.isfinite(outcome), outcome, 0.0)).max(axis=1, initial=0.0)
        return cls(np.where(known, values, 0.0), known, ROUNDING * largest)

    def only(self, chosen: np.ndarray) -> "Changes":
        """Return the changes, those outside the chosen [rows] as unknown."""
        return replace(self, known=self.known & chosen)

    def changing(self) -> bool:
        """Return whether any known change is larger than rounding."""
        return bool((np.abs(self.values[:, self.known]) > self.rounding[:, None]).any())

    def observed(self) -> "Changes":
        """Return the changes of the first permutation, which is the outcome itself."""
        return replace(self, values=self.values[:1], rounding=self.rounding[:1])


class Half(NamedTuple):
    """The centred changes of an outcome in some rows."""

    places: np.ndarray
    """Indices of the rows."""
    values: np.ndarray
    """[permutations, places]; all 0 if the outcome does not change beyond rounding."""


class HalfCorrelations(NamedTuple):
    """Correlations over neurons between effects in two halves, means over splits."""

    bias: np.ndarray
    """[permutations]."""
    quality: np.ndarray
    """[permutations]."""
    cross: np.ndarray
    """[3, permutations], bias in one half with quality in the other, both ways, for each null of
    `null_distribution.MOVED`."""


def series_with(known: np.ndarray, versions: Versions, after: np.ndarray) -> np.ndarray:
    """Return which rows belong to a series with both outcomes, so that it can be in a half.

    Parameters
    ----------
    known
        [rows], whether both outcomes of a row are known.
    versions
        The versions of the study.
    after
        [rows], the version of each row.

    Returns
    -------
    np.ndarray
        [rows]; whole series are true or false.
    """
    names = np.asarray(versions.rounds)[after]
    return np.isin(names, names[known])


def lay_out(versions: Versions, seed: int, usable: np.ndarray | None = None) -> Layout:
    """Lay out the changes of a study and list its splits into halves.

    Parameters
    ----------
    versions
        The versions of the study. Studies with the same ones share their layout.
    seed
        Seed of the draw of splits, if there are more than `MOST_SPLITS`.
    usable
        [rows], from `series_with`; None for all. The other rows belong to no unit.

    Returns
    -------
    Layout
        Split by replicates if each half can have every round, else by rounds.
    """
    return _lay_out(Versions(*map(tuple, versions)), seed, None if usable is None else tuple(usable.tolist()))


@functools.lru_cache(maxsize=1)
def _lay_out(versions: Versions, seed: int, usable: tuple[bool, ...] | None) -> Layout:
    rows = make_rows(versions, "within")
    chosen = np.ones(len(rows.after), dtype=bool) if usable is None else np.array(usable, dtype=bool)
    unit = np.full(len(rows.after), -1)
    unit[chosen], by, splits = split_rows(versions, rows.after[chosen], seed)
    return Layout(rows.group, rows.time, unit, by, splits)


def split_rows(versions: Versions, after: np.ndarray, seed: int) -> tuple[np.ndarray, str, list[np.ndarray]]:
    """Choose what is split into halves, and list the splits.

    Parameters
    ----------
    versions, seed
        As for `lay_out`.
    after
        [rows], the version of each row.

    Returns
    -------
    unit, by, splits
        As in `Layout`.
    """
    rounds = np.unique(np.asarray(versions.strategies or versions.rounds)[after], return_inverse=True)[1]
    numbers, replicate = np.unique(
        np.asarray(versions.replicates or [1] * len(versions.rounds))[after], return_inverse=True
    )
    splits = [split for split in list_splits(len(numbers), seed) if _in_both(rounds, split[replicate])]
    if splits:
        return replicate, "replicates", splits
    count = int(rounds.max(initial=-1)) + 1
    return rounds, "rounds", list_splits(count, seed) if count >= FEWEST_ROUNDS else []


def _in_both(rounds: np.ndarray, first: np.ndarray) -> bool:
    """Return whether every round has rows in the first half and in the second."""
    return set(rounds[first]) == set(rounds[~first])


def list_splits(units: int, seed: int) -> list[np.ndarray]:
    """List the splits of units into halves, each once; of an odd number, the first half is the smaller one.

    Returns
    -------
    list of np.ndarray
        Each [units], whether the unit is in the first half. At most `MOST_SPLITS`, drawn at random if there are more.
    """
    if units < 2:
        return []
    half = units // 2
    # Of an even number, the unit 0 stays in the first half: else every split would be listed twice.
    fixed = (0,) if units % 2 == 0 else ()
    others = range(len(fixed), units)
    if comb(len(others), half - len(fixed)) <= MOST_SPLITS:
        chosen = [(*fixed, *rest) for rest in combinations(others, half - len(fixed))]
    else:
        generator = np.random.default_rng(seed)
        drawn: set[tuple[int, ...]] = set()
        while len(drawn) < MOST_SPLITS:
            drawn.add((*fixed, *sorted(generator.choice(others, half - len(fixed), replace=False).tolist())))
        chosen = sorted(drawn)
    return [np.isin(np.arange(units), first) for first in chosen]


def constants(layout: Layout, places: np.ndarray, centre: str) -> np.ndarray:
    """Return an orthonormal basis of what is subtracted when rows are centred together.

    Parameters
    ----------
    layout
        The rows.
    places
        Indices of the rows.
    centre
        Config key `neurons.fixed_effects`. "none": the mean of all rows is subtracted. "rounds": that of each series.
        "both": series and generations are subtracted, as far as they explain the changes additively (least squares);
        from a single series, its mean.

    Returns
    -------
    np.ndarray
        [places, columns] Q; the centred values are v - Q Q' v.
    """
    nothing = np.zeros(len(places), dtype=np.int64)
    rows = Rows(places, None, nothing, nothing, layout.chain[places], layout.generation[places])
    return rows.constants(centre)


def centred(changes: Changes, chosen: np.ndarray, layout: Layout, centre: str) -> Half:
    """Centre the known changes of the chosen [rows] together; `centre` as for `constants`."""
    places = np.flatnonzero(chosen & changes.known)
    basis, values = constants(layout, places, centre), changes.values[:, places]
    values = values - (values @ basis) @ basis.T
    values[np.abs(values).max(axis=1, initial=0.0) <= changes.rounding] = 0.0
    return Half(places, values)


def correlate_halves(
    products: np.ndarray, outcomes: Sequence[Changes], layout: Layout, centre: str
) -> HalfCorrelations:
    """Correlate effects in one half with effects in the other, over neurons.

    Parameters
    ----------
    products
        [rows, rows], products of rows of the neurons' scaled changes, less each row's mean over neurons.
    outcomes
        Bias and quality; the first permutation is the outcome itself.
    layout
        The rows and the splits.
    centre
        As for `constants`.

    Returns
    -------
    HalfCorrelations
        NaN if there is no split in whose halves both outcomes change, or if there are fewer than two neurons.
    """
    many = len(outcomes[0].values)
    own: list[list[np.ndarray]] = [[], []]
    cross: list[list[np.ndarray]] = [[], [], []]
    for split in layout.splits:
        pair = _SplitEffects(products, outcomes, split[layout.unit], layout, centre)
        for index, found in enumerate(own):
            found.append(pair.correlate(index, index))
        # In the order of `MOVED`; the outcome that is not permuted keeps its first line.
        cross[0] += [pair.correlate(0, 1), pair.correlate(1, 0)]
        if many == 1:  # then nothing is permuted
            continue
        cross[1] += [pair.correlate(0, 1, second=FIRST), pair.correlate(1, 0, first=FIRST)]
        cross[2] += [pair.correlate(0, 1, first=FIRST), pair.correlate(1, 0, second=FIRST)]
    return HalfCorrelations(
        *(_mean(one, many) for one in own), np.array([_mean(one or cross[0], many) for one in cross])
    )


#: The permutations: all, or the first one.
ALL, FIRST = slice(None), slice(1)


class _SplitEffects:
    """The effects on both outcomes in the two halves of one split, by their products over neurons."""

    def __init__(
        self, products: np.ndarray, outcomes: Sequence[Changes], first: np.ndarray, layout: Layout, centre: str
    ) -> None:
        halves = [[centred(one, chosen, layout, centre) for one in outcomes] for chosen in (first, ~first)]
        self.second = halves[1]
        self.squares = [
            [((one.values @ products[np.ix_(one.places, one.places)]) * one.values).sum(axis=1) for one in half]
            for half in halves
        ]
        self.along = [one.values @ products[one.places] for one in halves[0]]

    def correlate(self, one: int, other: int, *, first: slice = ALL, second: slice = ALL) -> np.ndarray:
        """Correlate effects on `one` in the first half with those on `other` in the second: [permutations]."""
        half = self.second[other]
        product = (self.along[one][first, half.places] * half.values[second]).sum(axis=1)
        size = self.squares[0][one][first] * self.squares[1][other][second]
        found = np.divide(product, np.sqrt(np.maximum(size, 0)), out=np.full_like(product, np.nan), where=size > 0)
        return np.clip(found, -1, 1)


def _mean(values: Sequence[np.ndarray], many: int) -> np.ndarray:
    """Average [permutations] values, of which some may be NaN."""
    known = [np.isfinite(one) for one in values]
    count = sum(known, np.zeros(many, dtype=np.int64))
    total = sum((np.where(mine, one, 0.0) for mine, one in zip(known, values, strict=True)), np.zeros(many))
    return np.divide(total, count, out=np.full(many, np.nan), where=count > 0)
