"""Permutations of the outcomes: drawing them, and applying them to changes between generations and rounds.

A permutation moves an outcome's changes from generation to generation. It keeps the serial dependence within a round,
moves bias and quality by the same moves, and leaves the neurons unchanged, so the correlation of neurons with one
another and of the outcomes with each other is kept. Three moves can be combined:

- "shift": the changes of each round are shifted in a circle. Valid if changes are alike over generations; if steps
  shrink over generations, in outcome and neurons alike, the test rejects too often.
- "flip": the signs of all changes of a round are flipped. Valid if increases and decreases are equally likely; keeps
  the generation of each change.
- "exchange": whole rounds are exchanged. Valid if rounds are alike; keeps the generation of each change, and so trends
  common to all rounds.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import permutations as orders
from itertools import product
from typing import get_args

import numpy as np

from bias_amplification.neurons.designs import Versions
from bias_amplification.study.sections import Move

MOVES = get_args(Move)


@dataclass(frozen=True)
class Permutations:
    """The moves of each round in each permutation; the first permutation changes nothing."""

    source: np.ndarray
    """[permutations, rounds], the round whose changes are taken."""
    shift: np.ndarray
    """[permutations, rounds], places by which the changes are shifted in a circle."""
    sign: np.ndarray
    """[permutations, rounds], 1 or -1."""
    complete: bool
    """Whether these are all permutations, each once."""


@dataclass(frozen=True)
class _Choices:
    """The choices that a permutation has for each round."""

    classes: list[list[int]]
    """Places of rounds that can be exchanged with one another."""
    shifts: list[range]
    """For each round, the shifts."""
    signs: list[tuple[int, ...]]
    """For each round, the signs."""
    exchange: bool

    def count(self) -> int:
        """Return the number of possible permutations."""
        many = math.prod(map(len, self.shifts)) * math.prod(map(len, self.signs))
        if self.exchange:
            many *= math.prod(math.factorial(len(places)) for places in self.classes)
        return many


def draw_permutations(
    lengths: Sequence[int], moves: Sequence[str], number: int, seed: int, kinds: Sequence[Hashable]
) -> Permutations:
    """Draw permutations, or list all of them if there are no more than wanted.

    Parameters
    ----------
    lengths
        [rounds], number of changes that "shift" moves.
    moves
        Some of `MOVES`.
    number
        How many permutations to draw besides the one that changes nothing.
    seed
        Seed of the draws.
    kinds
        [rounds], only rounds of the same kind are exchanged.

    Raises
    ------
    ValueError
        If a move is unknown.
    """
    unknown = sorted(set(moves) - set(MOVES))
    if unknown:
        raise ValueError(f"moves must be of {', '.join(MOVES)}, not {unknown[0]!r}")
    alike = defaultdict(list)
    for place, kind in enumerate(kinds):
        alike[kind].append(place)
    choices = _Choices(
        classes=list(alike.values()),
        shifts=[range(max(1, length)) if "shift" in moves else range(1) for length in lengths],
        signs=[(1, -1) if "flip" in moves else (1,)] * len(lengths),
        exchange="exchange" in moves,
    )
    if choices.count() <= number:
        return _list_all(choices)
    return _draw(choices, number, np.random.default_rng(seed), flip="flip" in moves)


def _list_all(choices: _Choices) -> Permutations:
    options = [list(orders(places)) if choices.exchange else [tuple(places)] for places in choices.classes]
    source, shift, sign = [], [], []
    for taken, shifts, signs in product(product(*options), product(*choices.shifts), product(*choices.signs)):
        line = np.arange(len(choices.shifts))
        for places, rounds in zip(choices.classes, taken, strict=True):
            line[places] = rounds
        source.append(line)
        shift.append(shifts)
        sign.append(signs)
    return Permutations(np.array(source), np.array(shift), np.array(sign), complete=True)


def _draw(choices: _Choices, number: int, generator: np.random.Generator, *, flip: bool) -> Permutations:
    shape = (number, len(choices.shifts))
    shift = (generator.random(shape) * [len(options) for options in choices.shifts]).astype(np.int64)
    sign = generator.choice([1, -1], shape) if flip else np.ones(shape, dtype=np.int64)
    first = np.arange(shape[1])[None]
    source = np.tile(first, (number, 1))
    if choices.exchange:
        keys = generator.random(shape)
        for places in choices.classes:
            source[:, places] = np.array(places)[np.argsort(keys[:, places], axis=1)]
    return Permutations(
        np.vstack([first, source]),
        np.vstack([np.zeros_like(first), shift]),
        np.vstack([np.ones_like(first), sign]),
        complete=False,
    )


def permute_changes(
    outcomes: Sequence[np.ndarray], versions: Versions, moves: Sequence[str], number: int, seed: int
) -> tuple[list[np.ndarray], bool]:
    """Permute the changes of several outcomes over the rounds, each outcome by the same moves.

    Parameters
    ----------
    outcomes
        Each [versions], NaN if missing. The change over a gap counts as one change.
    versions
        Round and generation of each version.
    moves, number, seed
        As for `draw_permutations`.

    Returns
    -------
    permuted : list of np.ndarray
        Each [permutations, versions], the outcome itself first. A round that is exchanged takes its first level along.
    complete : bool
        Whether these are all permutations.

    Raises
    ------
    ValueError
        If a move is unknown.

    Notes
    -----
    Rounds are exchanged only if they have the same generations and, in every outcome, the same gaps. A round is not
    shifted if two outcomes with changes have different gaps in it, because no shift would keep them aligned.
    """
    names, numbers = np.asarray(versions.rounds), np.asarray(versions.generations)
    known = [
        [np.flatnonzero((names == name) & np.isfinite(outcome)) for outcome in outcomes]
        for name in dict.fromkeys(versions.rounds)
    ]  # [rounds][outcomes], places of versions
    known = [places for places in known if any(map(len, places))]
    kinds = [tuple(tuple(numbers[one].tolist()) for one in places) for places in known]
    # An outcome with one version in a round has no change there, hence nothing to keep aligned.
    circles = [{kind for kind in round_kinds if len(kind) > 1} for round_kinds in kinds]
    lengths = [len(next(iter(circle))) - 1 if len(circle) == 1 else 0 for circle in circles]
    drawn = draw_permutations(lengths, moves, number, seed, kinds)
    permuted = [_move(outcome, [places[index] for places in known], drawn) for index, outcome in enumerate(outcomes)]
    return permuted, drawn.complete


def _move(outcome: np.ndarray, known: Sequence[np.ndarray], drawn: Permutations) -> np.ndarray:
    """Apply the moves to one outcome, whose known versions in each round are `known`: [permutations, versions]."""
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
    permuted[0] = outcome  # exactly, without rounding errors of the sums
    return permuted
