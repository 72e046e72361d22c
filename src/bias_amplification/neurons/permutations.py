"""Permutations of the outcomes: drawing them, and applying them to changes between generations and rounds.

A permutation moves an outcome's changes from generation to generation. It moves bias and quality by the same moves, and
leaves the neurons unchanged. So it keeps the correlation of neurons with one another, and of the outcomes with each
other. These moves can be combined:

- "flip_generations": the signs of the changes of all rounds into one generation are flipped together. It keeps whatever
  rounds have in common. Valid if the changes of one generation do not depend on those of others, and if increases and
  decreases from the round's mean change are equally likely.
- "exchange_replicates": the outcomes of whole replicates are exchanged, in all rounds of a seed set together. The
  replicates of a round differ by chance alone, so this is valid whatever moves them.
- "shift": the changes of each round are shifted in a circle. Valid if rounds are independent and changes are alike over
  generations.
- "flip": the signs of all changes of a round are flipped. Valid if rounds are independent, and increases and decreases
  equally likely.
- "exchange": whole rounds are exchanged. Valid if rounds are alike, in scale and in what they share.
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
from bias_amplification.study.sections import Move, Neurons

MOVES = get_args(Move)
#: The default null, the one that replaces it in studies with enough replicates, and two for comparison.
DEFAULT, BETWEEN_REPLICATES = ["flip_generations"], ["exchange_replicates"]
COMPARED = [["flip", "exchange"], ["exchange"]]


@dataclass(frozen=True)
class Permutations:
    """The moves of each round in each permutation; the first permutation changes nothing."""

    source: np.ndarray
    """[permutations, rounds], the round whose changes are taken."""
    shift: np.ndarray
    """[permutations, rounds], places by which the changes are shifted in a circle."""
    sign: np.ndarray
    """[permutations, rounds], 1 or -1."""
    generation_sign: np.ndarray
    """[permutations, generations], 1 or -1."""
    complete: bool
    """Whether these are all permutations, each once."""


@dataclass(frozen=True)
class _Choices:
    """The choices that a permutation has."""

    classes: list[list[tuple[int, ...]]]
    """Groups of rounds that can be exchanged with one another; the rounds of a group stay together, in this order."""
    shifts: list[range]
    """For each round, the shifts."""
    signs: list[tuple[int, ...]]
    """For each round, the signs."""
    generation_signs: list[tuple[int, ...]]
    """For each generation, the signs."""

    def count(self) -> int:
        """Return the number of possible permutations."""
        options = (*self.shifts, *self.signs, *self.generation_signs)
        return math.prod(map(len, options)) * math.prod(math.factorial(len(groups)) for groups in self.classes)


@dataclass(frozen=True)
class _Known:
    """The rounds that have a value, and the versions in which each outcome is known."""

    places: list[list[np.ndarray]]
    """[rounds][outcomes], places of versions."""
    first: list[int]
    """[rounds], place of the round's first version."""
    kinds: list[Hashable]
    """[rounds], the generations in which each outcome is known."""


def permute_by_first(
    outcomes: Sequence[np.ndarray], versions: Versions, settings: Neurons, number: int, seed: int
) -> tuple[list[np.ndarray], bool, list[str]]:
    """Permute outcomes by the moves that decide in a study.

    Parameters
    ----------
    outcomes, versions, number, seed
        As for `permute_changes`.
    settings
        `permutations.schemes`, alpha and fixed_effects.

    Returns
    -------
    permuted, complete
        As from `permute_changes`.
    moves : list of str
        The first of `resolve_schemes`.
    """
    moves = resolve_schemes(settings.permutations.schemes, outcomes, versions, settings.alpha)[0]
    return *permute_changes(outcomes, versions, moves, number, seed, settings.fixed_effects), moves


def resolve_schemes(
    schemes: Sequence[Sequence[str]] | None, outcomes: Sequence[np.ndarray], versions: Versions, alpha: float
) -> list[list[str]]:
    """Return the moves of each null distribution; the first decides.

    Parameters
    ----------
    schemes
        Config key `neurons.permutations.schemes`. Schemes that exchange replicates are left out if nothing can be
        exchanged. None: "exchange_replicates" is first if two-sided tests can reject by it, that is, if there are at
        least 2 / `alpha` such exchanges; otherwise "flip_generations" is. Others follow for comparison.
    outcomes
        Each [versions], NaN if missing: replicates with other gaps are not exchanged. Without outcomes, all are known.
    versions
        The versions of the study.
    alpha
        Level of the tests.
    """
    exchanges = _choices(BETWEEN_REPLICATES, _know(outcomes, versions), versions).count()
    if schemes is not None:
        kept = [list(moves) for moves in schemes if exchanges > 1 or "exchange_replicates" not in moves]
        return kept or [DEFAULT]
    if exchanges == 1:
        return [DEFAULT, *COMPARED]
    first = [BETWEEN_REPLICATES, DEFAULT] if exchanges >= 2 / alpha else [DEFAULT, BETWEEN_REPLICATES]
    return [*first, *COMPARED]


def permute_changes(
    outcomes: Sequence[np.ndarray],
    versions: Versions,
    moves: Sequence[str],
    number: int,
    seed: int,
    fixed_effects: str = "none",
) -> tuple[list[np.ndarray], bool]:
    """Permute the changes of several outcomes, each outcome by the same moves.

    Parameters
    ----------
    outcomes
        Each [versions], NaN if missing. The change over a gap counts as one change.
    versions
        The versions of the study.
    moves
        Some of `MOVES`.
    number
        How many permutations to draw besides the one that changes nothing; all are listed if there are no more.
    seed
        Seed of the draws.
    fixed_effects
        Config key `neurons.fixed_effects`. If each round has a constant, a round's mean change is subtracted before the
        moves, because it is no part of what is tested: flipped with the rest, it would make rounds that drift seem to
        change at random.

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
    Rounds and replicates are exchanged only if they have the same generations and, in every outcome, the same gaps. A
    round is not shifted if two outcomes with changes have different gaps in it, because no shift would keep them
    aligned. Flipping the signs of all changes at once changes no statistic, so the first generation is never flipped.
    """
    unknown = sorted(set(moves) - set(MOVES))
    if unknown:
        raise ValueError(f"moves must be of {', '.join(MOVES)}, not {unknown[0]!r}")
    known = _know(outcomes, versions)
    choices = _choices(moves, known, versions)
    draw = _list_all if choices.count() <= number else lambda one: _draw(one, number, np.random.default_rng(seed))
    drawn = draw(choices)
    generations = np.unique(versions.generations, return_inverse=True)[1]
    permuted = [
        _move(outcome, [places[index] for places in known.places], drawn, generations, fixed_effects != "none")
        for index, outcome in enumerate(outcomes)
    ]
    return permuted, drawn.complete


def _know(outcomes: Sequence[np.ndarray], versions: Versions) -> _Known:
    """Find the rounds with values; without outcomes, all rounds."""
    names, numbers = np.asarray(versions.rounds), np.asarray(versions.generations)
    found = _Known([], [], [])
    for name in dict.fromkeys(versions.rounds):
        mine = np.flatnonzero(names == name)
        places = [mine[np.isfinite(outcome[mine])] for outcome in outcomes]
        if any(map(len, places)) or not len(outcomes):
            found.places.append(places)
            found.first.append(int(mine[0]))
            found.kinds.append(tuple(tuple(numbers[one].tolist()) for one in places or [mine]))
    return found


def _choices(moves: Sequence[str], known: _Known, versions: Versions) -> _Choices:
    # An outcome with one version in a round has no change there, hence nothing to keep aligned.
    circles = [{kind for kind in kinds if len(kind) > 1} for kinds in known.kinds]
    lengths = [len(next(iter(circle))) - 1 if len(circle) == 1 else 0 for circle in circles]
    groups: dict[Hashable, list[tuple[int, ...]]] = defaultdict(list)
    if "exchange" in moves:  # the exchanges of replicates are among these
        for place, kind in enumerate(known.kinds):
            groups[kind].append((place,))
    elif "exchange_replicates" in moves and versions.replicates:
        groups = _replicates(known, versions)
    generations = len(set(versions.generations))
    flipped = max(0, generations - 2) if "flip_generations" in moves else 0
    return _Choices(
        classes=list(groups.values()),
        shifts=[range(max(1, length)) if "shift" in moves else range(1) for length in lengths],
        signs=[(1, -1) if "flip" in moves else (1,)] * len(lengths),
        generation_signs=[(1,)] * (generations - flipped) + [(1, -1)] * flipped,
    )


def _replicates(known: _Known, versions: Versions) -> dict[Hashable, list[tuple[int, ...]]]:
    """Group the replicates that can be exchanged: those of one seed set that have the same rounds, and these alike."""
    members: dict[tuple, list[int]] = defaultdict(list)
    for place, first in enumerate(known.first):
        members[versions.seed_sets[first], versions.replicates[first]].append(place)
    groups: dict[Hashable, list[tuple[int, ...]]] = defaultdict(list)
    for (seed_set, _), places in members.items():
        places.sort(key=lambda place: versions.strategies[known.first[place]])
        alike = tuple((versions.strategies[known.first[place]], known.kinds[place]) for place in places)
        groups[seed_set, alike].append(tuple(places))
    return groups


def _list_all(choices: _Choices) -> Permutations:
    exchanges = [list(orders(range(len(groups)))) for groups in choices.classes]
    lines = list(
        product(
            product(*exchanges), product(*choices.shifts), product(*choices.signs), product(*choices.generation_signs)
        )
    )
    source = np.array([_exchange(choices, taken) for taken, *_ in lines])
    return Permutations(source, *(np.array([line[part] for line in lines]) for part in (1, 2, 3)), complete=True)


def _exchange(choices: _Choices, taken: Sequence[Sequence[int]]) -> np.ndarray:
    """Return for each round the round whose changes it takes, given the order of the groups of each class."""
    source = np.arange(len(choices.shifts))
    for groups, order in zip(choices.classes, taken, strict=True):
        for group, other in zip(groups, order, strict=True):
            source[list(group)] = groups[other]
    return source


def _draw(choices: _Choices, number: int, generator: np.random.Generator) -> Permutations:
    """Draw permutations; the first changes nothing."""

    def of(options: Sequence[Sequence[int]]) -> np.ndarray:
        chosen = (generator.random((number, len(options))) * [len(one) for one in options]).astype(np.int64)
        values = [np.asarray(one)[chosen[:, place]] for place, one in enumerate(options)]
        if not values:  # no round has a value
            return np.zeros((number + 1, 0), dtype=np.int64)
        return np.vstack([[one[0] for one in options], np.stack(values, axis=1)])

    shift, sign, generation_sign = of(choices.shifts), of(choices.signs), of(choices.generation_signs)
    source = np.tile(np.arange(len(choices.shifts)), (number + 1, 1))
    for line in source[1:]:
        line[:] = _exchange(choices, [generator.permutation(len(groups)) for groups in choices.classes])
    return Permutations(source, shift, sign, generation_sign, complete=False)


def _move(
    outcome: np.ndarray, known: Sequence[np.ndarray], drawn: Permutations, generations: np.ndarray, centred: bool
) -> np.ndarray:
    """Apply the moves to one outcome, whose known versions in each round are `known`: [permutations, versions]."""
    lengths = [max(0, len(versions) - 1) for versions in known]
    changes = np.zeros((len(known), max(lengths, default=0)))
    starts = np.array([outcome[versions[0]] if len(versions) else np.nan for versions in known])
    for place, versions in enumerate(known):
        own = np.diff(outcome[versions])
        changes[place, : lengths[place]] = own - own.mean() if centred and len(own) else own
    permuted = np.tile(outcome, (len(drawn.source), 1))
    for place, versions in enumerate(known):
        if not len(versions):
            continue
        source = drawn.source[:, place]
        index = (np.arange(lengths[place]) - drawn.shift[:, place, None]) % max(1, lengths[place])
        moved = changes[source[:, None], index] * drawn.sign[:, place, None]
        moved *= drawn.generation_sign[:, generations[versions[1:]]]
        permuted[:, versions[0]] = starts[source]
        permuted[:, versions[1:]] = starts[source][:, None] + np.cumsum(moved, axis=1)
    permuted[0] = outcome  # exactly, without rounding errors of the sums
    return permuted
