"""Sets of neurons and their overlap, compared with enumeration, statsmodels and the published counts."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from bias_amplification.neurons.sets import (
    adjust,
    chance_overlap,
    count_sets,
    independent_overlap,
    odds_ratio,
    overlap,
    share_of_true_nulls,
    significant,
    verdict,
)


def test_the_published_counts_overlap_as_by_chance():
    found = chance_overlap(9216, 3243, 1033, 389)

    assert found.expected_both == pytest.approx(363.5, abs=0.05)
    assert found.p_overlap == pytest.approx(0.042, abs=0.0005)


def test_the_tail_equals_that_of_all_possible_sets():
    # All sets of 3 among 7 beside a fixed set of 4: count those that share 2 or more.
    shared = [len(set(drawn) & {0, 1, 2, 3}) for drawn in combinations(range(7), 3)]

    found = chance_overlap(7, 4, 3, 2)

    assert found.p_overlap == pytest.approx(sum(count >= 2 for count in shared) / len(shared), rel=1e-12)
    assert found.expected_both == pytest.approx(sum(shared) / len(shared), rel=1e-12)


def test_neurons_outside_the_population_are_not_counted():
    first, second = np.array([1, 1, 0, 1, 0], dtype=bool), np.array([1, 0, 1, 1, 0], dtype=bool)
    population = np.array([1, 1, 1, 0, 1], dtype=bool)

    found = overlap(first, second, population)

    assert (found.population, found.first, found.second, found.both) == (4, 2, 2, 1)
    assert found.expected_both == 1.0


def test_an_empty_population_has_no_expected_overlap():
    found = overlap(np.zeros(3, bool), np.ones(3, bool), np.zeros(3, bool))

    assert found.population == 0
    assert np.isnan([found.expected_both, found.p_overlap]).all()


def test_a_p_value_of_exactly_alpha_is_significant():
    above = np.nextafter(0.05, 1)

    assert significant(np.array([0.049, 0.05, above, np.nan, 0]), 0.05).tolist() == [True, True, False, False, True]


def test_a_correction_admits_its_own_level():
    p_values = np.array([0.0125, 0.013, np.nan, 0.9, 0.9])

    assert significant(p_values, 0.05, "bonferroni").tolist() == [True, False, False, False, False]
    assert significant(p_values, 0.05, "benjamini_hochberg").tolist() == [True, True, False, False, False]


@settings(max_examples=50)
@given(
    st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=1, max_size=40),
    st.sampled_from(
        [("benjamini_hochberg", "fdr_bh"), ("benjamini_yekutieli", "fdr_by"), ("bonferroni", "bonferroni")]
    ),
)
def test_adjusted_p_values_equal_those_of_statsmodels(values, methods):
    p_values = np.array(values)
    tested = np.isfinite(p_values)

    found = adjust(p_values, methods[0])

    assert np.isnan(found[~tested]).all()
    if tested.any():
        expected = multipletests(p_values[tested], method=methods[1])[1]
        np.testing.assert_allclose(found[tested], expected, rtol=1e-12, atol=1e-300)


def test_the_share_of_true_nulls_of_a_mixture_is_estimated():
    generator = np.random.default_rng(3)
    p_values = np.concatenate([generator.random(70_000), generator.beta(0.05, 20, size=30_000)])

    # Binomial error of the count above one half: 2 sqrt(35,000 / 2) / 50,000 = .005.
    assert share_of_true_nulls(p_values) == pytest.approx(0.7, abs=0.01)
    assert share_of_true_nulls(np.full(10, 0.9)) == 1
    assert np.isnan(share_of_true_nulls(np.array([np.nan])))


def test_the_interval_of_the_published_odds_ratio_contains_1():
    estimate, low, high = odds_ratio(9216, 3243, 1033, 389)

    # Without conditioning: (389 x 5329) / (2854 x 644) = 1.1279.
    assert estimate == pytest.approx(1.128, abs=0.002)
    assert low < 1 < estimate < high
    assert np.isnan(odds_ratio(10, 0, 5, 0)).all()


#: Independent sets of 300 among 3,000 neurons: 30 in both on average, and almost never none.
PLENTY = independent_overlap([3000], [300], [300])


def draw(mean, spread, number=4000):
    return np.round(np.random.default_rng(2).normal(mean, spread, number)).clip(0)


@pytest.mark.parametrize(
    ("both", "words"),
    [(30, "not told apart from chance"), (60, "more alike than chance"), (5, "more distinct than chance")],
)
def test_the_verdict_compares_the_overlap_with_chance(both, words):
    assert verdict(both, draw(30, 5)[None], PLENTY)[0] == words


@pytest.mark.parametrize(("both", "words"), [(50, "more alike than chance"), (5, "more distinct than chance")])
def test_every_null_must_be_rejected(both, words):
    narrow, wide = draw(30, 5), draw(30, 14)

    assert verdict(both, np.array([narrow, narrow]), PLENTY) == (words, 0)
    assert verdict(both, np.array([narrow, wide]), PLENTY) == ("not told apart from chance", 1)


def test_a_wide_null_is_distinguished_from_too_few_neurons():
    assert verdict(10, draw(10, 12)[None], PLENTY)[0] == "not told apart from chance"
    few = independent_overlap([100], [10], [10])
    assert verdict(1, draw(1, 1)[None], few)[0] == "too few neurons to tell"


def test_an_overlap_without_alternative_gets_no_verdict():
    # If one set has all neurons, the overlap is the other set.
    assert verdict(7, np.full((1, 100), 7), independent_overlap([20], [20], [7]))[0] == "too few neurons to tell"
    assert verdict(0, np.zeros((1, 100)), independent_overlap([20], [0], [7]))[0] == "too few neurons to tell"


def test_too_few_permutations_give_no_verdict():
    null = draw(30, 5, 20)[None]

    assert verdict(90, null, PLENTY, smallest=1 / 20)[0] == "too few permutations to tell"
    assert verdict(90, null, PLENTY, smallest=1 / 40)[0] == "more alike than chance"


def test_the_independent_overlap_equals_that_of_drawn_sets():
    layers = np.array([[7, 4, 3], [5, 0, 2], [0, 0, 0], [6, 2, 5]])
    drawn = np.zeros(20_000)
    generator = np.random.default_rng(1)
    for population, first, second in layers:
        drawn += generator.hypergeometric(first, population - first, second, len(drawn)) if population else 0

    found = independent_overlap(*layers.T)

    assert found @ np.arange(len(found)) == pytest.approx(4 * 3 / 7 + 2 * 5 / 6, rel=1e-12)
    np.testing.assert_allclose(found, np.bincount(drawn.astype(int), minlength=len(found)) / 20_000, atol=0.015)


def test_sets_are_counted_by_every_criterion():
    generator = np.random.default_rng(6)
    bias, quality = generator.random((2, 400)) ** 3
    bias[3] = np.nan

    found = count_sets(bias, quality, 0.05)

    kept = np.isfinite(bias)
    assert (found["neurons"], found["tested_bias"], found["tested_quality"], found["tested"]) == (400, 399, 400, 399)
    assert found["both"] == ((bias <= 0.05) & (quality <= 0.05)).sum()
    for ending, method in (("bh", "fdr_bh"), ("by", "fdr_by"), ("bonferroni", "bonferroni")):
        chosen = np.zeros(400, dtype=bool)
        chosen[kept] = multipletests(bias[kept], 0.05, method)[0]
        other = multipletests(quality, 0.05, method)[0]
        assert found[f"bias_{ending}"] == chosen.sum()
        assert found[f"quality_{ending}"] == other.sum() > 0
        assert found[f"both_{ending}"] == (chosen & other).sum()
    assert found["odds_ratio_low"] < found["odds_ratio"] < found["odds_ratio_high"]
    assert 0 < found["true_nulls_bias"] < 1
