"""Sets of neurons in halves of the rounds."""

from itertools import combinations

import numpy as np
import pytest
from random_studies import random_study, rounds_of_rows

from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.half_sets import MOST_SPLITS, choose_splits, compare_halves, leave_out_generations
from bias_amplification.neurons.halves import lay_out
from bias_amplification.neurons.reliability import PermutedStudy
from bias_amplification.neurons.top_sets import Compared
from bias_amplification.study.sections import Neurons


def prepare(study, outcomes=None, **choices):
    outcomes = study.y[:, None] if outcomes is None else outcomes
    return Compared.prepare(study.x, outcomes, study.versions, Neurons(**choices))[0]


def strengths(x, y, rounds, generations, rows):
    """Compute |t| of each neuron by plain loops: Newey-West with one lag over the given steps (round, generation)."""
    place = {(name, generation): i for i, (name, generation) in enumerate(zip(rounds, generations, strict=True))}
    after = [place[row] for row in rows]
    before = [place[name, generation - 1] for name, generation in rows]
    change = np.array([y[i] - y[j] for i, j in zip(after, before, strict=True)])
    change -= change.mean()
    found = []
    for neuron in range(x.shape[1]):
        step = np.array([x[i, neuron] - x[j, neuron] for i, j in zip(after, before, strict=True)])
        step -= step.mean()
        slope = (step * change).sum() / (step**2).sum()
        score = step * (change - slope * step)
        meat = sum(
            score[i] * score[j] * {0: 1, 1: 0.5}.get(abs(rows[i][1] - rows[j][1]), 0)
            for i in range(len(rows))
            for j in range(len(rows))
            if rows[i][0] == rows[j][0]
        )
        found.append(abs(slope) * (step**2).sum() / np.sqrt(meat))
    return np.array(found)


def test_halves_agree_with_plain_loops():
    study = random_study(rounds=5, generations=6, neurons=24)
    study.y[1, 8] = np.nan  # quality of generation 2 of the second round is unknown, so that it lacks two steps
    names = list(dict.fromkeys(study.versions.rounds))
    settings = {"set_sizes": [3, 8], "fixed_effects": "none"}
    compared = prepare(study, **settings)

    splits = choose_splits(compared, study.versions, np.random.default_rng(0))[1]
    shares, used = compare_halves(compared, splits, np.array([0]))
    left_out = leave_out_generations(compared, used)

    def expected(left_out):
        shares = np.zeros((3, 2))
        for half in combinations(names, 2):
            sets = []
            for part in (half, [name for name in names if name not in half]):
                for y in study.y:
                    rows = [(name, g) for name in part for g in range(1, 6) if g != left_out]
                    where = {(n, g): i for i, (n, g) in enumerate(zip(*study.versions[:2], strict=True))}
                    rows = [(n, g) for n, g in rows if np.isfinite(y[where[n, g]]) and np.isfinite(y[where[n, g - 1]])]
                    order = np.argsort(-strengths(study.x, y, *study.versions[:2], rows))
                    sets.append([set(order[:size]) for size in (3, 8)])
            for place, size in enumerate((3, 8)):
                bias, quality, other_bias, other_quality = (one[place] for one in sets)
                shares[0, place] += (len(bias & other_quality) + len(other_bias & quality)) / (2 * size)
                shares[1, place] += len(bias & other_bias) / size
                shares[2, place] += len(quality & other_quality) / size
        return shares / 10

    assert len(used) == len(splits) == 10
    np.testing.assert_allclose(np.stack(shares)[:, 0], expected(None), atol=1e-12)
    for place, generation in enumerate(range(1, 6)):
        np.testing.assert_allclose(np.stack(left_out)[:, place], expected(generation), atol=1e-12)


def test_every_split_is_listed_once():
    for rounds, many in ((4, 3), (5, 10), (6, 10), (7, MOST_SPLITS)):
        study = random_study(rounds=rounds)

        by, splits = choose_splits(prepare(study), study.versions, np.random.default_rng(3))

        halves = {frozenset([tuple(split), tuple(~split)]) for split in splits}
        assert (by, len(halves), len(splits)) == ("rounds", many, many)
        for split in splits:
            named = rounds_of_rows(study.versions)
            firsts = [split[named == name] for name in dict.fromkeys(named)]
            assert all(first.all() or not first.any() for first in firsts)
            assert sum(first.all() for first in firsts) == rounds // 2


def test_replicates_are_split_as_for_the_reliability():
    rows = [
        (f"{name}{replicate}", generation, name, replicate, "balanced")
        for name in "ab"
        for replicate in (1, 2, 3, 4)
        for generation in range(7)
    ]
    versions = Versions(*map(tuple, zip(*rows, strict=True)))
    study = random_study(rounds=8, generations=7)
    compared = Compared.prepare(study.x, study.y[:, None], versions, Neurons())[0]

    by, splits = choose_splits(compared, versions, np.random.default_rng(0))

    layout = lay_out(versions, 0)
    assert by == layout.by == "replicates"
    assert {tuple(split) for split in splits} == {tuple(split[layout.unit]) for split in layout.splits}
    assert len(splits) == 3


@pytest.mark.parametrize("rounds", [1, 3])
def test_too_few_rounds_have_no_halves(rounds):
    study = random_study(rounds=rounds, generations=9)
    compared = prepare(study)

    assert choose_splits(compared, study.versions, np.random.default_rng(0))[1] == []
    assert compare_halves(compared, [], np.array([0]))[1] == []


def test_rounds_without_an_outcome_are_in_no_half():
    study = random_study(rounds=5, generations=9)
    study.y[1, :18] = np.nan

    assert choose_splits(prepare(study), study.versions, np.random.default_rng(0))[1] == []
    study.y[1, 9:18] = random_study(1, rounds=5, generations=9).y[1, 9:18]
    assert len(choose_splits(prepare(study), study.versions, np.random.default_rng(0))[1]) == 3


def test_a_round_without_outcomes_is_in_no_half_of_the_overlap_nor_of_the_reliability():
    study = random_study(rounds=5)
    names = np.asarray(study.versions.rounds)
    last = names == names[-1]
    pair = [np.where(last, np.nan, y)[None] for y in study.y]
    compared = Compared.prepare(study.x, pair, study.versions, Neurons())[0]

    _, splits = choose_splits(compared, study.versions, np.random.default_rng(0))

    found = PermutedStudy.of(pair, pair, study.versions, Neurons(), 0)
    rows = rounds_of_rows(study.versions) == names[-1]
    assert (found.layout.unit[rows] == -1).all() and not any(split[rows].any() for split in splits)
    usable = {tuple(split[found.layout.unit] & ~rows) for split in found.layout.splits}
    assert usable == {tuple(split) for split in splits} and len(usable) == 3
