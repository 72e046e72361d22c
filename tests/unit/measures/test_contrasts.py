import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from bias_amplification.measures.contrasts import paired_contrast, replicates_needed


def differences(replicates, articles, shift=0.3, chance=0.6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(shift, 1, (replicates, articles)) + generator.normal(0, chance, (replicates, 1))


def test_redrawn_articles_give_the_t_test_of_the_replicates_means():
    values = differences(5, 40)
    oracle = stats.ttest_1samp(values.mean(axis=1), 0)

    found = paired_contrast(values, redrawn=True)

    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-9)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-6)
    assert (found.degrees, found.replicates, found.articles) == (4, 5, 40)
    np.testing.assert_allclose(found.of_replicates, values.mean(axis=1), rtol=1e-12)


def test_same_articles_add_their_own_error():
    # Articles' means: 1, 2, 6. Replicates' means: 2, 4. Rest: -1, 1, 0 and 1, -1, 0.
    values = np.array([[-1.0, 2.0, 5.0], [3.0, 2.0, 7.0]])

    found = paired_contrast(values, redrawn=False)

    # MS_articles = 2 (4 + 1 + 9) / 2 = 14, MS_rest = 4 / 2 = 2, variance of the replicates' means 2.
    between, shared = 2 / 2, (14 - 2) / 6
    half = np.sqrt(12.7062**2 * between + 4.30265**2 * shared)
    assert found.estimate == 3
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), rel=1e-5)
    # Variance of the mean in the crossed model: (MS_articles + MS_replicates - MS_rest) / (n R).
    assert found.standard_error == pytest.approx(np.sqrt((14 + 6 - 2) / 6))


def test_equal_means_of_replicates_leave_the_articles_error():
    values = np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])

    # The variance of the mean is 1 / 24 in both cases: from 2 * 3 or 3 degrees of freedom.
    for redrawn, quantile in ((True, 2.4469119), (False, 3.1824463)):
        found = paired_contrast(values, redrawn)
        assert found.estimate == 0.5
        assert found.high - found.estimate == pytest.approx(quantile * np.sqrt(1 / 24), rel=1e-6)


def test_two_articles_are_added_for_an_outcome_with_a_span():
    nothing = np.zeros((3, 10))

    # Variance of the mean of 30 or 10 independent differences, with two of 1 and -1 among them.
    for redrawn, independent, quantile in ((True, 30, 2.051831), (False, 10, 2.262157)):
        found = paired_contrast(nothing, redrawn, span=1.0)
        assert found.high == pytest.approx(quantile * np.sqrt(2) / independent, rel=1e-5)
        assert found.low == -found.high
        assert found.p == 1


def test_p_value_is_below_the_level_if_and_only_if_the_interval_excludes_zero():
    generator = np.random.default_rng(1)
    values = generator.normal(0.25, 1, (2000, 3, 20)) + generator.normal(0, 0.2, (2000, 3, 1))

    for redrawn in (True, False):
        found = paired_contrast(values, redrawn)
        significant = found.p < 0.05
        assert 0.02 < significant.mean() < 0.9
        np.testing.assert_array_equal(significant, (found.low > 0) | (found.high < 0))


def test_many_studies_at_once_equal_each_alone():
    values = np.random.default_rng(2).normal(size=(4, 3, 12))

    together = paired_contrast(values, redrawn=False, span=1.0)

    for place in range(4):
        alone = paired_contrast(values[place], redrawn=False, span=1.0)
        for name in ("estimate", "low", "high", "standard_error", "p"):
            assert getattr(together, name)[place] == pytest.approx(getattr(alone, name), rel=1e-9)


def test_missing_values_are_left_out():
    values = differences(4, 10)
    gaps = values.copy()
    gaps[1, 3] = gaps[2, 7] = np.nan
    gaps = np.vstack([gaps, np.full((1, 10), np.nan)])

    same, redrawn = paired_contrast(gaps, redrawn=False), paired_contrast(gaps, redrawn=True)

    expected = paired_contrast(np.delete(values, [3, 7], axis=1), redrawn=False)
    assert (same.low, same.high, same.articles, same.replicates) == (expected.low, expected.high, 8, 4)
    means = [row[~np.isnan(row)].mean() for row in gaps[:4]]
    assert (redrawn.low, redrawn.high) == pytest.approx(tuple(stats.ttest_1samp(means, 0).confidence_interval()))
    assert redrawn.articles == 10


def test_one_replicate_has_the_articles_interval_and_no_p_value():
    values = differences(1, 30)
    oracle = stats.ttest_1samp(values[0], 0)

    for redrawn in (True, False):
        found = paired_contrast(values, redrawn)
        assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()), rel=1e-9)
        assert found.standard_error == pytest.approx(oracle._standard_error)
        assert np.isnan(found.p)
        assert replicates_needed(found) is None


def test_without_values_nothing_is_estimated():
    found = paired_contrast(np.full((3, 4), np.nan), redrawn=True)
    single = paired_contrast(np.ones((1, 1)), redrawn=True)

    assert np.isnan([found.estimate, found.low, found.p]).all()
    assert (found.replicates, found.articles) == (0, 0)
    assert replicates_needed(found) is None
    assert single.estimate == 1
    assert np.isnan([single.low, single.high, single.standard_error]).all()


@pytest.mark.parametrize(("shift", "power"), [(0.3, 0.8), (1.0, 0.8), (1.0, 0.95)])
def test_replicates_needed_are_those_of_the_t_test_if_articles_are_redrawn(shift, power):
    found = paired_contrast(differences(5, 400, shift), redrawn=True)
    size = abs(found.estimate) / found.of_replicates.std(ddof=1)
    oracle = TTestPower().solve_power(size, power=power, alpha=0.05)

    assert replicates_needed(found, power) == max(2, int(np.ceil(oracle)))


def test_replicates_needed_of_a_difference_that_only_more_articles_can_show():
    # The articles' own differences, which are the same in every replicate, are large.
    of_articles = np.random.default_rng(0).normal(0, 5, 20)
    found = paired_contrast(of_articles - of_articles.mean() + 0.5 + differences(4, 20, 0, 0.1), redrawn=False)

    assert found.variances.shared > 0.5
    assert replicates_needed(found) is None


def test_smallest_difference_needs_more_replicates_than_are_searched():
    found = paired_contrast(differences(5, 50, shift=0.0), redrawn=True)
    values = differences(5, 50)

    assert replicates_needed(paired_contrast(values - values.mean() + 1e-4, redrawn=True)) is None
    assert replicates_needed(paired_contrast(values - values.mean() + 100.0, redrawn=True)) == 2
    assert found.replicates == 5
