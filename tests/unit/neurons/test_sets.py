"""Sets of neurons and their overlap, against enumeration, statsmodels and the published counts."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from bias_amplification.neurons.sets import chance_overlap, overlap, significant, significant_after_correction


def test_the_published_counts_overlap_as_chance_gives():
    found = chance_overlap(9216, 3243, 1033, 389)

    assert found.expected_both == pytest.approx(363.5, abs=0.05)
    assert found.p_overlap == pytest.approx(0.042, abs=0.0005)


def test_the_tail_is_that_of_all_possible_sets():
    # All sets of 3 among 7 beside a fixed set of 4: count those that share 2 or more.
    shared = [len(set(drawn) & {0, 1, 2, 3}) for drawn in combinations(range(7), 3)]

    found = chance_overlap(7, 4, 3, 2)

    assert found.p_overlap == pytest.approx(sum(count >= 2 for count in shared) / len(shared), rel=1e-12)
    assert found.expected_both == pytest.approx(sum(shared) / len(shared), rel=1e-12)


def test_only_the_population_counts():
    first, second = np.array([1, 1, 0, 1, 0], dtype=bool), np.array([1, 0, 1, 1, 0], dtype=bool)
    population = np.array([1, 1, 1, 0, 1], dtype=bool)

    found = overlap(first, second, population)

    assert (found.population, found.first, found.second, found.both) == (4, 2, 2, 1)
    assert found.expected_both == 1.0


def test_no_population_has_no_expectation():
    found = overlap(np.zeros(3, bool), np.ones(3, bool), np.zeros(3, bool))

    assert found.population == 0
    assert np.isnan([found.expected_both, found.p_overlap]).all()


@settings(max_examples=50)
@given(st.lists(st.floats(0, 0.2) | st.just(float("nan")), min_size=1, max_size=60), st.sampled_from([0.01, 0.05, 0.1]))
def test_benjamini_hochberg_is_that_of_statsmodels(values, alpha):
    p_values = np.array(values)
    tested = np.isfinite(p_values)

    found = significant_after_correction(p_values, alpha)

    assert not found[~tested].any()
    if tested.any():
        expected = multipletests(p_values[tested], alpha=alpha, method="fdr_bh")
        clear = np.abs(expected[1] - alpha) > 1e-12  # at the border the two round differently
        np.testing.assert_array_equal(found[tested][clear], expected[0][clear])


def test_significant_is_strictly_below_alpha():
    assert significant(np.array([0.049, 0.05, np.nan, 0.0]), 0.05).tolist() == [True, False, False, True]
