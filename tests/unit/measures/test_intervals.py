import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from bias_amplification.measures.intervals import (
    difference_interval,
    mean_interval,
    student_quantile,
    wilson_interval,
)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_equals_that_of_statsmodels(counts):
    successes, trials = counts
    share, low, high = wilson_interval(successes, trials)
    assert share == successes / trials
    assert (low, high) == pytest.approx(proportion_confint(successes, trials, method="wilson"), abs=1e-12)
    assert 0 <= low <= share <= high <= 1


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2), (0, 0)])
def test_wilson_interval_refuses_impossible_counts(counts):
    with pytest.raises(ValueError, match="are impossible"):
        wilson_interval(*counts)


@pytest.mark.parametrize("number", [2, 10, 50])
def test_mean_interval_equals_that_of_statsmodels(number):
    values = np.random.default_rng(0).gamma(2.0, size=number)
    mean, low, high = mean_interval(np.append(values, np.nan))
    assert mean == pytest.approx(values.mean(), abs=1e-15)
    assert (low, high) == pytest.approx(DescrStatsW(values).tconfint_mean(), rel=1e-9)


def test_student_quantile_is_that_of_scipy():
    degrees, alpha = np.array([1, 9, 300]), np.array([0.05, 0.01, 0.5])
    np.testing.assert_allclose(student_quantile(degrees, alpha), stats.t.isf(alpha / 2, degrees), rtol=1e-10)
    assert student_quantile(0) == student_quantile(1) == pytest.approx(12.706205, rel=1e-6)


def test_mean_interval_of_one_value_has_no_ends():
    assert np.isnan(mean_interval(np.array([]))).all()
    mean, low, high = mean_interval(np.array([2.5, np.nan]))
    assert mean == 2.5
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(
    ("first", "second"), [((56, 70), (48, 80)), ((0, 10), (0, 10)), ((5, 56), (0, 29)), ((9, 10), (3, 10))]
)
def test_difference_of_two_shares_has_newcombes_interval(first, second):

    found = difference_interval(wilson_interval(*first), wilson_interval(*second))

    assert found[0] == pytest.approx(first[0] / first[1] - second[0] / second[1])
    assert found[1:] == pytest.approx(confint_proportions_2indep(*first, *second, method="newcomb"), abs=1e-9)


def test_difference_of_two_means_adds_the_squares_of_their_half_widths():
    one, other = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 2.5, 3.0])

    difference, low, high = difference_interval(mean_interval(one), mean_interval(other))

    # Student's quantiles of 3 and of 2.
    half = np.sqrt(3.1824463**2 * one.var(ddof=1) / 4 + 4.3026527**2 * other.var(ddof=1) / 3)
    assert (difference, low, high) == pytest.approx((1.0, 1.0 - half, 1.0 + half), rel=1e-7)


def test_difference_of_two_means_of_pairs_is_the_paired_t_interval():
    generator = np.random.default_rng(2)
    one = generator.normal(size=12)
    other = one + 0.5 * generator.normal(size=12)

    found = difference_interval(mean_interval(one), mean_interval(other), np.corrcoef(one, other)[0, 1])

    assert found[1:] == pytest.approx(tuple(stats.ttest_rel(one, other).confidence_interval()), rel=1e-9)


def test_difference_of_two_shares_of_the_same_articles_has_newcombes_paired_interval():
    # Of 50 articles 36 have the label in both, 12 in neither, 2 in the first only.
    first, second = wilson_interval(38, 50), wilson_interval(36, 50)
    phi = (36 * 12 - 2 * 0) / np.sqrt(38 * 12 * 36 * 14)

    difference, low, high = difference_interval(first, second, phi)

    z = stats.norm.isf(0.025)
    ends = [np.sort(np.roots([1 + z**2 / 50, -(2 * p + z**2 / 50), p**2])) for p in (0.76, 0.72)]
    below, above = 0.76 - ends[0][0], ends[1][1] - 0.72
    assert difference == pytest.approx(0.04)
    assert low == pytest.approx(0.04 - np.sqrt(below**2 - 2 * phi * below * above + above**2), abs=1e-12)
    below, above = 0.72 - ends[1][0], ends[0][1] - 0.76
    assert high == pytest.approx(0.04 + np.sqrt(below**2 - 2 * phi * below * above + above**2), abs=1e-12)


def test_missing_ends_give_missing_ends():
    assert np.isnan(difference_interval((1.0, np.nan, np.nan), (0.5, 0.4, 0.6))[1:]).all()
