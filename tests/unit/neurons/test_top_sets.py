"""Sets of the strongest neurons."""

import numpy as np
import pytest
from random_studies import random_study, rounds_of_rows

from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.regress import regress
from bias_amplification.neurons.top_sets import Compared, choose_sizes, common_share, count_neurons, top_sets
from bias_amplification.study.sections import Neurons


def members(sets, neurons):
    """Return the neurons of sets [sizes, lines, bytes]: [sizes][lines]."""
    return [[set(np.flatnonzero(np.unpackbits(line, count=neurons))) for line in of_size] for of_size in sets]


def test_sets_are_the_largest_values_of_each_line():
    strength = np.random.default_rng(0).normal(size=(5, 41))

    found = members(top_sets(strength, np.array([1, 3, 20])), 41)

    for place, size in enumerate((1, 3, 20)):
        assert found[place] == [set(np.argsort(-line)[:size]) for line in strength]


def test_of_equally_strong_neurons_the_first_are_chosen():
    strength = np.array([[0.0, 2, 2, 2, 1], [0, 0, 0, 0, 0], [5, 4, 3, 2, 1]])

    found = members(top_sets(strength, np.array([2, 4])), 5)

    assert found == [[{1, 2}, {0, 1}, {0, 1}], [{1, 2, 3, 4}, {0, 1, 2, 3}, {0, 1, 2, 3}]]


def test_common_shares_are_of_the_size_of_the_sets():
    generator = np.random.default_rng(1)
    sizes = np.array([2, 5, 9])
    first, second = (top_sets(generator.normal(size=(4, 19)), sizes) for _ in range(2))

    shares, with_one = common_share(first, second, sizes), common_share(first[:, :1], second, sizes)

    pairs = members(first, 19), members(second, 19)
    for place, size in enumerate(sizes):
        for line in range(4):
            assert shares[line, place] == len(pairs[0][place][line] & pairs[1][place][line]) / size
            assert with_one[line, place] == len(pairs[0][place][0] & pairs[1][place][line]) / size
    assert (count_neurons(first) == sizes[:, None]).all()


@pytest.mark.parametrize(
    ("wanted", "tested", "sizes"),
    [([30, 10, 100, 10], 200, [10, 30, 100]), ([10, 30], 59, [10]), ([10, 30], 12, [6]), ([10], 1, []), ([1], 0, [])],
)
def test_sizes_are_at_most_half_of_the_tested_neurons(wanted, tested, sizes):
    assert choose_sizes(wanted, tested).tolist() == sizes


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"lags": "newey_west"},
        {"fixed_effects": "rounds"},
        {"fixed_effects": "none"},
        {"difference": "levels"},
        {"small_sample": False},
    ],
)
def test_one_permutation_and_many_give_the_sets_of_the_regressions(choices):
    study = random_study(rounds=5, generations=9, neurons=70)
    settings = Neurons(set_sizes=[4, 12], **choices)
    outcomes = [np.stack([y, -y, y[::-1]]) for y in study.y]
    compared, tested = Compared.prepare(study.x, outcomes, study.versions, settings)
    keep = (compared.generations != 3) & (rounds_of_rows(study.versions, settings.difference) != "round 1")
    rows = make_rows(study.versions, settings.difference)

    many, one = compared.sets(keep, slice(None)), compared.sets(keep, slice(1))

    assert tested.all()
    for outcome, with_many, with_one in zip(outcomes, many, one, strict=True):
        for line, y in enumerate(outcome):
            strength = regress(study.x, y, rows.keep(keep), settings).statistic ** 2
            expected = [set(np.argsort(-strength)[:size]) for size in (4, 12)]
            assert [found[line] for found in members(with_many, 70)] == expected
        assert (with_one == with_many[:, :1]).all()


def test_neurons_that_are_constant_in_the_rows_are_last():
    study = random_study(rounds=4, generations=9, neurons=20)
    study.x[:18, :4] = 0.7  # constant in the first two rounds only
    compared, tested = Compared.prepare(study.x, study.y[:, None], study.versions, Neurons(set_sizes=[5, 10]))
    first = np.isin(rounds_of_rows(study.versions), ["round 0", "round 1"])

    one = compared.sets(first, slice(None))
    repeated = Compared.prepare(study.x, study.y[:, None].repeat(3, axis=1), study.versions, Neurons(set_sizes=[5, 10]))
    many = repeated[0].sets(first, slice(None))

    assert tested.all()
    for found in (*one, *many):
        assert not any({0, 1, 2, 3} & line for line in members(found, 20)[1])


def test_rows_without_a_regression_have_no_sets():
    study = random_study(rounds=4, generations=9, neurons=20)
    study.y[1, :9] = np.arange(9) * 0.3  # changes of quality are the same in the first round
    compared, _ = Compared.prepare(study.x, study.y[:, None], study.versions, Neurons())

    assert compared.sets(rounds_of_rows(study.versions) == "round 0", slice(None)) is None
    assert compared.sets(rounds_of_rows(study.versions) == "round 1", slice(None)) is not None
    assert compared.sets(np.arange(len(rounds_of_rows(study.versions))) < 2, slice(None)) is None


@pytest.mark.parametrize("permutations", [1, 3])
def test_sets_are_not_filled_with_neurons_that_do_not_change(permutations):
    study = random_study(rounds=4, generations=9, neurons=20)
    study.x[:18, :11] = 0.7  # constant in the first two rounds only, so that 9 neurons change there
    outcomes = study.y[:, None].repeat(permutations, axis=1)
    first = np.arange(32) < 16

    nine, ten = (
        Compared.prepare(study.x, outcomes, study.versions, Neurons(set_sizes=[size]))[0].sets(first, slice(None))
        for size in (9, 10)
    )

    assert ten is None
    assert members(nine[0], 20)[0] == [set(range(11, 20))] * permutations
