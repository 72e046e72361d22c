"""Draws of permutations, and their effect on outcomes."""

import numpy as np
import pytest
from random_studies import list_versions, random_study

from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.permutations import permute_changes, resolve_schemes

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


def test_a_flip_of_generations_changes_the_signs_of_all_rounds_together(walk):
    versions, outcome = walk

    permuted, complete = permute_changes([outcome], versions, ["flip_generations"], 100, seed=1)

    signs = np.array([np.sign(changes(line) * changes(outcome)) for line in permuted[0]])
    assert complete and (signs == signs[:, :1]).all()
    assert len(np.unique(signs[:, 0], axis=0)) == len(signs) == 2**4  # all signs changed at once is no permutation


def test_a_rounds_mean_change_is_not_flipped_if_rounds_have_constants(walk):
    versions, outcome = walk
    drifting = outcome + 100.0 * np.asarray(versions.generations)

    for effects in ("rounds", "both"):
        plain, drifted = (
            permute_changes([one], versions, ["flip_generations"], 100, 1, effects)[0][0] for one in (outcome, drifting)
        )
        np.testing.assert_allclose(plain[1:], drifted[1:], atol=1e-9)


def replicated(replicates):
    """Versions of three rounds with 4 generations, two of one seed set, and so many replicates."""
    rows = [
        (f"{name}{replicate}", generation, name, replicate, seed_set)
        for name, seed_set in (("a", "even"), ("b", "even"), ("c", "red"))
        for replicate in range(1, replicates[name] + 1)
        for generation in range(4)
    ]
    return Versions(*map(tuple, zip(*rows, strict=True)))


def test_replicates_are_exchanged_in_all_rounds_of_a_seed_set_together():
    versions = replicated({"a": 3, "b": 3, "c": 3})
    outcome = np.arange(36.0)

    permuted, complete = permute_changes([outcome], versions, ["exchange_replicates"], 100, seed=1)

    taken = permuted[0].reshape(-1, 3, 3, 4)[..., 0] // 4 % 3  # [permutations, rounds, replicates]
    assert complete and len(np.unique(taken.reshape(-1, 9), axis=0)) == 6 * 6
    assert (taken[:, 0] == taken[:, 1]).all() and (np.sort(taken, axis=2) == [0, 1, 2]).all()
    rounds = permuted[0].reshape(-1, 3, 3, 4)[..., 0] // 12
    assert (rounds == [[0], [1], [2]]).all()


def test_replicates_that_lack_a_round_are_exchanged_among_themselves():
    versions = replicated({"a": 3, "b": 1, "c": 1})

    permuted, _ = permute_changes([np.arange(20.0)], versions, ["exchange_replicates"], 100, seed=1)

    # The first replicate of round a belongs to that of round b.
    assert permuted[0][:, ::4].tolist() == [[0, 4, 8, 12, 16], [0, 8, 4, 12, 16]]


def test_the_default_null_is_between_replicates_where_there_are_enough():
    one, three, five = (replicated(dict.fromkeys("abc", number)) for number in (1, 3, 5))
    compared = [["flip", "exchange"], ["exchange"]]

    assert resolve_schemes(None, [], one, 0.05) == [["flip_generations"], *compared]
    assert resolve_schemes(None, [], three, 0.05)[:2] == [["flip_generations"], ["exchange_replicates"]]  # 36 exchanges
    assert resolve_schemes(None, [], three, 0.1)[0] == ["exchange_replicates"]
    assert resolve_schemes(None, [], five, 0.05)[0] == ["exchange_replicates"]
    assert resolve_schemes([["exchange_replicates"], ["flip"]], [], one, 0.05) == [["flip"]]


def test_replicates_with_gaps_leave_fewer_exchanges():
    versions = replicated(dict.fromkeys("ab", 5) | {"c": 1})
    outcome = np.arange(44.0)
    assert resolve_schemes(None, [outcome], versions, 0.05)[0] == ["exchange_replicates"]  # 120

    outcome[1] = np.nan

    assert resolve_schemes(None, [outcome], versions, 0.05)[0] == ["flip_generations"]  # 24


def test_exchanges_of_rounds_include_those_of_replicates():
    versions = replicated({"a": 2, "b": 2, "c": 1})
    outcome = np.random.default_rng(0).normal(size=20)

    (both,), complete = permute_changes([outcome], versions, ["exchange", "exchange_replicates"], 200, seed=1)

    assert complete and len(both) == len(np.unique(both.round(9), axis=0)) == 120


def test_an_unknown_move_is_an_error(walk):
    with pytest.raises(ValueError, match=r"moves must be of flip_generations, .*, not 'swap'"):
        permute_one(walk[1], walk[0], ["flip", "swap"], 100)


def test_draws_have_every_source_and_shift():
    versions = Versions(["a"] * 4 + ["b"] * 5 + ["c"] * 4, [0, 1, 2, 3, 0, 1, 2, 3, 4, 0, 1, 2, 3])
    outcome = np.random.default_rng(0).normal(size=13).cumsum()

    permuted, complete = permute_changes([outcome], versions, ["shift", "exchange"], 40, seed=5)

    assert not complete and len(permuted[0]) == 41  # of 2 x 3 x 4 x 3 possible ones
    assert len(np.unique(permuted[0].round(9), axis=0)) > 25
    assert set(permuted[0][:, 0]) == {outcome[0], outcome[9]} and set(permuted[0][:, 4]) == {outcome[4]}


@pytest.mark.parametrize(
    "moves", [["flip_generations"], ["flip", "exchange"], ["exchange"], ["flip"], ["shift"], ALL_MOVES]
)
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


def test_studies_without_any_outcome_have_nothing_to_permute():
    versions = list_versions(2, 14)
    nothing = np.full((2, 28), np.nan)

    (bias, quality), complete = permute_changes(nothing, versions, ["flip_generations"], 512, seed=1)

    assert not complete and bias.shape == quality.shape == (513, 28)
