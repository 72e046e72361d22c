"""Draws of permutations, and their effect on outcomes."""

import numpy as np
import pytest
from random_studies import list_versions, random_study

from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.permutations import draw_permutations, permute_changes

ALL_MOVES = ["shift", "flip", "exchange"]


def permute_one(outcome, versions, moves, number):
    return permute_changes([outcome], versions, moves, number, seed=1)[0][0]


@pytest.fixture
def walk():
    """An outcome of three rounds of six generations."""
    versions, _, (outcome, _) = random_study(rounds=3, generations=6)
    return versions, outcome


def changes(outcome):
    return np.diff(outcome.reshape(3, 6), axis=1)


@pytest.mark.parametrize("move", ALL_MOVES)
def test_the_first_permutation_changes_nothing(walk, move):
    versions, outcome = walk

    permuted = permute_one(outcome, versions, [move], 50)

    np.testing.assert_array_equal(permuted[0], outcome)
    assert len(np.unique(permuted.round(9), axis=0)) > 4


def test_a_shift_moves_the_changes_of_a_round_in_a_circle(walk):
    versions, outcome = walk

    for line in permute_one(outcome, versions, ["shift"], 50):
        for original, moved in zip(changes(outcome), changes(line), strict=True):
            assert min(np.abs(np.roll(original, by) - moved).max() for by in range(5)) < 1e-12


def test_a_flip_changes_the_sign_of_all_changes_of_a_round(walk):
    versions, outcome = walk

    for line in permute_one(outcome, versions, ["flip"], 50):
        np.testing.assert_allclose(np.abs(changes(line)), np.abs(changes(outcome)), atol=1e-12)
        signs = np.sign(changes(line) * changes(outcome))
        assert (signs == signs[:, :1]).all()


def test_an_exchange_keeps_whole_rounds(walk):
    versions, outcome = walk
    rounds = sorted(map(tuple, outcome.reshape(3, 6).round(9)))

    for line in permute_one(outcome, versions, ["exchange"], 50):
        assert sorted(map(tuple, line.reshape(3, 6).round(9))) == rounds


def test_few_permutations_are_all_listed_once():
    flips = draw_permutations([5, 5, 5], ["flip"], 100, 0, "aaa")
    exchanges = draw_permutations([5, 4, 5], ["exchange"], 100, 0, "aba")

    assert flips.complete and len(np.unique(flips.sign, axis=0)) == len(flips.sign) == 8
    assert exchanges.source.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert not draw_permutations([5] * 6, ["shift"], 100, 0, "aaaaaa").complete


def test_only_rounds_of_the_same_kind_are_exchanged():
    drawn = draw_permutations([3, 4, 3, 4, 3], ["shift", "exchange"], 200, 5, "ababa")

    assert (np.sort(drawn.source[:, [0, 2, 4]], axis=1) == [0, 2, 4]).all()
    assert (np.sort(drawn.source[:, [1, 3]], axis=1) == [1, 3]).all()
    assert len(np.unique(drawn.source, axis=0)) == 12
    assert (drawn.shift < [3, 4, 3, 4, 3]).all() and (drawn.shift.max(axis=0) == [2, 3, 2, 3, 2]).all()


def test_an_unknown_move_is_an_error():
    with pytest.raises(ValueError, match="moves must be of shift, flip, exchange, not 'swap'"):
        draw_permutations([5, 5], ["flip", "swap"], 100, 0, "aa")


@pytest.mark.parametrize("moves", [["flip", "exchange"], ["exchange"], ["flip"], ["shift"], ALL_MOVES])
@pytest.mark.parametrize("number", [99, 3000])
def test_outcomes_with_different_gaps_stay_aligned(moves, number):
    versions, _, y = random_study(rounds=5, generations=6)
    y[1] = y[0] + 0.01 * y[1]
    y[1, 8] = np.nan
    rows = make_rows(versions, "within")

    (bias, quality), _ = permute_changes(y, versions, moves, number, seed=4)

    assert len(bias) == len(quality)
    assert np.isfinite(bias).all()
    assert (np.isnan(quality) == np.isnan(y[1])).all()
    kept = np.isfinite(rows.take(y[1]))
    together = [np.corrcoef(rows.take(b)[kept], rows.take(q)[kept])[0, 1] for b, q in zip(bias, quality, strict=True)]
    assert min(together) > 0.99


def test_a_round_without_one_outcome_still_permutes_the_other():
    versions, _, y = random_study(rounds=3, generations=4)
    y[1, :4] = np.nan

    (bias, quality), complete = permute_changes(y, versions, ["shift", "exchange"], 100, seed=1)

    assert complete and len(np.unique(bias.round(9), axis=0)) == 3**3 * 2
    assert np.isnan(quality[:, :4]).all() and len(np.unique(quality[:, 4:].round(9), axis=0)) == 3**2 * 2


def test_a_round_without_outcomes_is_left_out():
    versions = list_versions(3, 4)
    outcome = np.random.default_rng(0).normal(size=12)
    outcome[4:8] = np.nan

    permuted = permute_one(outcome, versions, ["exchange"], 100)

    assert len(permuted) == 2
    np.testing.assert_allclose(permuted[1], outcome[[*range(8, 12), *range(4, 8), *range(4)]])


def test_rounds_with_different_generations_are_not_exchanged():
    versions = Versions(["a"] * 4 + ["b"] * 4 + ["c"] * 4, [0, 1, 2, 3, 0, 1, 3, 4, 0, 1, 2, 3])
    outcome = np.random.default_rng(0).normal(size=12)

    permuted = permute_one(outcome, versions, ["exchange"], 100)

    assert len(permuted) == 2
    np.testing.assert_allclose(permuted[1], outcome[[*range(8, 12), *range(4, 8), *range(4)]])
