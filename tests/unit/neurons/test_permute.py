"""Statistics under permutations against one regression at a time, and the permutations themselves."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from bias_amplification.neurons.designs import RegressionSettings, make_rows
from bias_amplification.neurons.permute import (
    Null,
    Statistics,
    draw_permutations,
    fill_layer,
    permutation_p_value,
    permute_outcomes,
)
from bias_amplification.neurons.regress import regress


def random_study(seed=0, rounds=4, generations=7, neurons=12):
    generator = np.random.default_rng(seed)
    names = [f"round {index}" for index in range(rounds) for _ in range(generations)]
    numbers = list(range(generations)) * rounds
    x = generator.normal(size=(rounds, generations, neurons)).cumsum(axis=1).reshape(-1, neurons)
    y = generator.normal(size=(2, rounds, generations)).cumsum(axis=2).reshape(2, -1)
    return names, numbers, x, y


def permute_alone(outcome, names, numbers, moves, number, seed):
    return permute_outcomes([outcome], names, numbers, moves, number, seed)[0][0]


@pytest.mark.parametrize("lags", [0, 1, 3, "plugin", "newey_west", "andrews"])
@pytest.mark.parametrize("difference", ["within", "across", "levels"])
@pytest.mark.parametrize("fixed_effects", [False, True])
def test_statistics_are_those_of_one_regression_at_a_time(lags, difference, fixed_effects):
    names, numbers, x, y = random_study()
    y[0, 9] = np.nan
    x[:, 4] = 0.25
    settings = RegressionSettings(difference=difference, lags=lags, fixed_effects=fixed_effects)
    rows = make_rows(names, numbers, difference)
    permuted = permute_alone(y[0], names, numbers, ["shift", "flip", "exchange"], 20, seed=3)

    kept = rows.only(np.isfinite(rows.of(y[0])))
    tested = np.arange(12) != 4
    statistics = Statistics(x, kept, settings, tested)
    slope, squared = statistics.of(statistics.changes(permuted))

    for permutation, outcome in enumerate(permuted):
        expected = regress(x, outcome, rows, settings)
        assert ((expected.reason == "") == tested).all()
        np.testing.assert_allclose(squared[permutation], expected.statistic[tested] ** 2, rtol=1e-9)
        np.testing.assert_array_equal(np.sign(slope[permutation]), np.sign(expected.estimate[tested]))


def test_the_threshold_is_where_p_is_alpha():
    names, numbers, x, y = random_study()
    rows = make_rows(names, numbers, "within")
    for reference in ("t", "normal"):
        settings = RegressionSettings(reference=reference)
        found = regress(x, y[0], rows, settings)
        limit = Statistics(x, rows, settings, np.full(12, True)).threshold(0.3)
        assert ((found.statistic**2 > limit) == (found.p_value < 0.3)).all()
        assert 0 < (found.p_value < 0.3).sum() < 12


def test_moves_keep_what_they_say():
    names, numbers, _, y = random_study(rounds=3, generations=6)
    changes = np.diff(y[0].reshape(3, 6), axis=1)

    for move in ("shift", "flip", "exchange"):
        permuted = permute_alone(y[0], names, numbers, [move], 50, seed=1)
        np.testing.assert_array_equal(permuted[0], y[0])
        assert len(np.unique(permuted.round(9), axis=0)) > 4
        for line in permuted:
            moved = np.diff(line.reshape(3, 6), axis=1)
            if move == "shift":
                rolled = [[np.roll(one, by) for by in range(5)] for one in changes]
                assert all(min(np.abs(r - m).max() for r in rs) < 1e-12 for rs, m in zip(rolled, moved, strict=True))
            elif move == "flip":
                np.testing.assert_allclose(np.abs(moved), np.abs(changes), atol=1e-12)
                assert all(len(set(np.sign(m * c))) == 1 for m, c in zip(moved, changes, strict=True))
            else:
                ends = sorted(tuple(one.round(9)) for one in line.reshape(3, 6))
                assert ends == sorted(tuple(one.round(9)) for one in y[0].reshape(3, 6))


def test_few_permutations_are_all_listed_once():
    flips = draw_permutations([5, 5, 5], ["flip"], 100, seed=0)
    trades = draw_permutations([5, 4, 5], ["exchange"], 100, seed=0)

    assert flips.complete and len(np.unique(flips.sign, axis=0)) == len(flips.sign) == 8
    assert trades.source.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert not draw_permutations([5] * 6, ["shift"], 100, seed=0).complete


def test_rounds_trade_places_with_their_like_only():
    drawn = draw_permutations([3, 4, 3, 4, 3], ["shift", "exchange"], 200, seed=5)

    assert (np.sort(drawn.source[:, [0, 2, 4]], axis=1) == [0, 2, 4]).all()
    assert (np.sort(drawn.source[:, [1, 3]], axis=1) == [1, 3]).all()
    assert len(np.unique(drawn.source, axis=0)) == 12
    assert (drawn.shift < [3, 4, 3, 4, 3]).all() and (drawn.shift.max(axis=0) == [2, 3, 2, 3, 2]).all()


@pytest.mark.parametrize(
    "moves", [["flip", "exchange"], ["exchange"], ["flip"], ["shift"], ["shift", "flip", "exchange"]]
)
@pytest.mark.parametrize("number", [99, 3000])
def test_outcomes_with_other_gaps_stay_in_step(moves, number):
    names, numbers, _, y = random_study(rounds=5, generations=6)
    y[1] = y[0] + 0.01 * y[1]
    y[1, 8] = np.nan
    rows = make_rows(names, numbers, "within")

    (bias, quality), _ = permute_outcomes(y, names, numbers, moves, number, seed=4)

    assert len(bias) == len(quality)
    assert np.isfinite(bias).all()
    assert (np.isnan(quality) == np.isnan(y[1])).all()
    kept = np.isfinite(rows.of(y[1]))
    together = [np.corrcoef(rows.of(b)[kept], rows.of(q)[kept])[0, 1] for b, q in zip(bias, quality, strict=True)]
    assert min(together) > 0.99


def test_an_outcome_that_a_round_lacks_holds_nothing_back():
    names, numbers, _, y = random_study(rounds=3, generations=4)
    y[1, :4] = np.nan

    (bias, quality), complete = permute_outcomes(y, names, numbers, ["shift", "exchange"], 100, seed=1)

    assert complete and len(np.unique(bias.round(9), axis=0)) == 3**3 * 2
    assert np.isnan(quality[:, :4]).all() and len(np.unique(quality[:, 4:].round(9), axis=0)) == 3**2 * 2


def test_rounds_with_other_generations_do_not_trade_places():
    names, numbers = ["a"] * 4 + ["b"] * 4 + ["c"] * 4, [0, 1, 2, 3, 0, 1, 3, 4, 0, 1, 2, 3]
    outcome = np.random.default_rng(0).normal(size=12)

    permuted = permute_alone(outcome, names, numbers, ["exchange"], 100, seed=1)

    assert len(permuted) == 2
    np.testing.assert_allclose(permuted[1], outcome[[*range(8, 12), *range(4, 8), *range(4)]])


def test_a_layer_is_counted_as_one_regression_after_another_would():
    names, numbers, x, y = random_study(neurons=40)
    y[1] += y[0]
    x[:, 7] = 1.5
    settings, rows, alpha = RegressionSettings(), make_rows(names, numbers, "within"), 0.2
    outcomes = permute_outcomes(y, names, numbers, ["shift", "flip", "exchange"], 60, seed=2)[0]
    null = Null.empty(layers=2, permutations=61, neurons=50)

    fill_layer(null, 1, slice(10, 50), x, outcomes, rows, settings, alpha)

    tested = np.arange(40) != 7
    fits = [[regress(x[:, tested], line, rows, settings) for line in outcome] for outcome in outcomes]
    p_values = np.array([[fit.p_value for fit in line] for line in fits])  # [outcome, permutation, neuron]
    squared = np.array([[fit.statistic**2 for fit in line] for line in fits])
    below = p_values < alpha
    np.testing.assert_array_equal(null.counts[:2, 1], below.sum(axis=2))
    np.testing.assert_array_equal(null.counts[2, 1], (below[0] & below[1]).sum(axis=1))
    np.testing.assert_allclose(null.maximum, squared.max(axis=2), rtol=1e-9)
    expected = (squared >= squared[:, :1] * (1 - 1e-9)).sum(axis=1)
    np.testing.assert_array_equal(null.exceeded[:, 10:][:, tested], expected)
    assert not null.exceeded[:, :10].any() and not null.exceeded[:, 17].any()
    same = [np.sign(a.estimate) == np.sign(b.estimate) for a, b in zip(*fits, strict=True)]
    np.testing.assert_array_equal(null.same_sign[0, 1], np.sum(same, axis=1))
    sizes = below[:, 0].sum(axis=1)
    top = [
        [set(np.argsort(line)[len(line) - size :]) for line in lines]
        for lines, size in zip(squared, sizes, strict=True)
    ]
    slopes = np.array([[fit.estimate > 0 for fit in line] for line in fits])
    # Both outcomes moved, bias alone, quality alone.
    for way, (bias, quality) in enumerate([(range(61), range(61)), (range(61), [0] * 61), ([0] * 61, range(61))]):
        lines = list(zip(bias, quality, strict=True))
        ranked = [spearmanr(squared[0, a], squared[1, b]).statistic for a, b in lines]
        np.testing.assert_allclose(null.rank_agreement[way, 1], ranked, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(null.matched[way, 1], [len(top[0][a] & top[1][b]) for a, b in lines])
        np.testing.assert_array_equal(null.same_sign[way, 1], [(slopes[0, a] == slopes[1, b]).sum() for a, b in lines])
    assert null.sizes[:, 1].tolist() == sizes.tolist()
    assert null.tested_alone.tolist() == [[0, 39], [0, 39]]
    assert null.tested.tolist() == [0, 39]
    assert null.matched[0, 1, 0] == null.counts[2, 1, 0] > 0


def test_the_p_value_counts_what_is_no_smaller_than_in_fact():
    assert permutation_p_value(np.array([3, 1, 3, 5, 2])) == pytest.approx(0.6)


def test_counts_of_unrelated_walks_are_rejected_as_often_as_they_should_be():
    # 300 studies at a level of 10%: the number rejected is binomial, standard deviation 5.2.
    rejected = 0
    for seed in range(300):
        names, numbers, x, y = random_study(seed, rounds=4, generations=6, neurons=10)
        outcomes = permute_outcomes(y, names, numbers, ["shift", "flip", "exchange"], 39, seed)[0]
        null = Null.empty(1, 40, 10)
        fill_layer(null, 0, slice(0, 10), x, outcomes, make_rows(names, numbers, "within"), RegressionSettings(), 0.05)
        rejected += permutation_p_value(null.maximum[0]) <= 0.1
    assert 14 <= rejected <= 46


def test_an_outcome_that_never_changes_leaves_the_other_standing():
    names, numbers, x, y = random_study()
    rows, settings = make_rows(names, numbers, "within"), RegressionSettings()
    moving = permute_alone(y[0], names, numbers, ["shift"], 30, seed=2)
    still = permute_alone(np.full(28, 0.1 + 0.2), names, numbers, ["shift"], 30, seed=2)
    null, both = Null.empty(1, 31, 12), Null.empty(1, 31, 12)

    fill_layer(null, 0, slice(0, 12), x, [moving, still], rows, settings, 0.3)
    fill_layer(both, 0, slice(0, 12), x, [moving, moving], rows, settings, 0.3)

    np.testing.assert_array_equal(null.counts[0], both.counts[0])
    np.testing.assert_array_equal(null.exceeded[0], both.exceeded[0])
    assert null.counts[0].sum() > 0
    assert null.tested[0] == 0
    assert not null.counts[1:].any() and not null.matched.any() and not null.exceeded[1].any()
    assert np.isnan(null.observed[1]).all() and np.isnan(null.rank_agreement).all()


def test_what_the_regression_refuses_is_tested_nowhere():
    names, numbers, x, y = random_study()
    x[:, 0] = 3 * y[0] + 1  # a perfect fit
    x[:, 1] = np.where(np.arange(28) < 7, y[0], 0)  # no change where the other rounds are, and
    x[:, 2], x[5, 2] = 0, 1  # one spike
    y[1, 7:] = 0.5
    rows, settings = make_rows(names, numbers, "within"), RegressionSettings(lags=0)
    outcomes = permute_outcomes(y, names, numbers, ["flip"], 15, seed=2)[0]
    null = Null.empty(1, 16, 12)

    fill_layer(null, 0, slice(0, 12), x, outcomes, rows, settings, 0.3)

    reasons = [regress(x, one, rows, settings).reason for one in y]
    assert "perfect fit" in reasons[0]
    np.testing.assert_array_equal(np.isnan(null.observed), [one != "" for one in reasons])
    np.testing.assert_array_equal(null.exceeded == 0, [one != "" for one in reasons])
    assert null.tested[0] == ((reasons[0] == "") & (reasons[1] == "")).sum() < 12


@pytest.mark.parametrize("lags", [1, "newey_west"])
def test_a_nearly_perfect_fit_keeps_its_statistic(lags):
    names, numbers, x, y = random_study()
    x[:, 0] = y[0] + 1e-8 * x[:, 1]
    x[:, 2] = y[0] + 1e-4 * x[:, 1]
    rows, settings = make_rows(names, numbers, "within"), RegressionSettings(lags=lags)
    outcomes = permute_outcomes(y, names, numbers, ["flip"], 16, seed=2)[0]
    null = Null.empty(1, 16, 12)

    fill_layer(null, 0, slice(0, 12), x, outcomes, rows, settings, 0.3)

    expected = regress(x, y[0], rows, settings)
    assert expected.statistic[0] > 1e6
    np.testing.assert_allclose(null.observed[0], expected.statistic**2, rtol=1e-7)
    assert null.counts[0, 0, 0] == (expected.p_value < 0.3).sum()
    assert null.exceeded[0, 2] == 2  # itself and all signs flipped


def test_nothing_is_tested_on_too_few_rows():
    names, numbers, x, y = random_study(rounds=1, generations=2)
    outcomes = permute_outcomes(y, names, numbers, ["shift"], 30, seed=2)[0]
    null = Null.empty(1, len(outcomes[0]), 12)

    fill_layer(null, 0, slice(0, 12), x, outcomes, make_rows(names, numbers, "within"), RegressionSettings(), 0.05)

    assert not null.counts.any() and not null.tested.any() and np.isnan(null.observed).all()
