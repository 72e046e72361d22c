import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from bias_amplification.measures.intervals import difference_interval, mean_interval, wilson_interval


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


def test_mean_interval_equals_that_of_statsmodels_except_for_the_rounded_quantile():
    values = np.random.default_rng(0).gamma(2.0, size=50)
    mean, low, high = mean_interval(np.append(values, np.nan))
    oracle_low, oracle_high = DescrStatsW(values).zconfint_mean()
    assert mean == pytest.approx(values.mean(), abs=1e-15)
    assert high - low == pytest.approx((oracle_high - oracle_low) * 1.96 / 1.959963984540054, rel=1e-9)
    assert (low + high) / 2 == pytest.approx(mean, abs=1e-12)


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


def test_difference_of_two_means_has_the_normal_interval():
    one, other = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 2.5, 3.0])

    difference, low, high = difference_interval(mean_interval(one), mean_interval(other))

    half = 1.96 * np.sqrt(one.var(ddof=1) / 4 + other.var(ddof=1) / 3)
    assert (difference, low, high) == pytest.approx((1.0, 1.0 - half, 1.0 + half))


def test_missing_ends_give_missing_ends():
    assert np.isnan(difference_interval((1.0, np.nan, np.nan), (0.5, 0.4, 0.6))[1:]).all()
