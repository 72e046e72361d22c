import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from bias_amplification.measures.contrasts import paired_contrast, replicates_needed


def differences(replicates, articles, shift=0.3, chance=0.6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(shift, 1, (replicates, articles)) + generator.normal(0, chance, (replicates, 1))


def redrawn(replicates, articles):
    """Number the articles of replicates that have none in common."""
    return np.arange(replicates * articles).reshape(replicates, articles)


def test_redrawn_articles_give_the_t_test_of_the_replicates_means():
    values = differences(5, 40)
    oracle = stats.ttest_1samp(values.mean(axis=1), 0)

    found = paired_contrast(values, redrawn(5, 40))

    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-9)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-6)
    assert (found.degrees, found.replicates, found.articles, found.different) == (4, 5, 40, 200)
    np.testing.assert_allclose(found.of_replicates, values.mean(axis=1), rtol=1e-12)


def test_same_articles_add_their_own_error():
    # Articles' means: 1, 2, 6. Replicates' means: 2, 4. Rest: -1, 1, 0 and 1, -1, 0.
    values = np.array([[-1.0, 2.0, 5.0], [3.0, 2.0, 7.0]])

    found = paired_contrast(values)

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
    for articles, quantile in ((redrawn(2, 4), 2.4469119), (None, 3.1824463)):
        found = paired_contrast(values, articles)
        assert found.estimate == 0.5
        assert found.high - found.estimate == pytest.approx(quantile * np.sqrt(1 / 24), rel=1e-6)


def test_two_articles_are_added_for_an_outcome_with_a_span():
    nothing = np.zeros((3, 10))

    # Variance of the mean of 30 or 10 independent differences and two of 1 and -1, with 27 + 2 or 9 + 2 degrees.
    for articles, independent, freedom, quantile in ((redrawn(3, 10), 30, 29, 2.045230), (None, 10, 11, 2.200985)):
        found = paired_contrast(nothing, articles, span=1.0)
        assert found.high == pytest.approx(quantile * np.sqrt(2 / freedom / (independent + 2)), rel=1e-5)
        assert found.low == -found.high
        assert found.p == 1


def test_interval_of_one_replicate_of_shares_is_the_t_interval_with_two_more_articles():
    values = np.array([1.0, 0.0, 0.0, -1.0, 1.0, 0.0, 1.0])

    found = paired_contrast(values[None], span=1.0)

    # The two articles change the mean, but not the estimate.
    squares = ((values - values.mean()) ** 2).sum() + 2
    assert found.estimate == pytest.approx(2 / 7)
    assert found.high - found.estimate == pytest.approx(stats.t.isf(0.025, 8) * np.sqrt(squares / 8 / 9), rel=1e-9)


def test_p_value_is_below_the_level_if_and_only_if_the_interval_excludes_zero():
    generator = np.random.default_rng(1)
    values = generator.normal(0.25, 1, (2000, 3, 20)) + generator.normal(0, 0.2, (2000, 3, 1))

    for articles in (redrawn(3, 20), None):
        found = paired_contrast(values, articles)
        significant = found.p <= 0.05
        assert 0.02 < significant.mean() < 0.9
        np.testing.assert_array_equal(significant, (found.low > 0) | (found.high < 0))


def test_many_studies_at_once_equal_each_alone():
    values = np.random.default_rng(2).normal(size=(4, 3, 12))

    together = paired_contrast(values, span=1.0)

    for place in range(4):
        alone = paired_contrast(values[place], span=1.0)
        for name in ("estimate", "low", "high", "standard_error", "p"):
            assert getattr(together, name)[place] == pytest.approx(getattr(alone, name), rel=1e-9)


def test_missing_values_are_left_out():
    values = differences(4, 10)
    gaps = values.copy()
    gaps[1, 3] = gaps[2, 7] = np.nan
    gaps = np.vstack([gaps, np.full((1, 10), np.nan)])

    same, own = paired_contrast(gaps), paired_contrast(gaps, redrawn(5, 10))

    means = [row[~np.isnan(row)].mean() for row in gaps[:4]]
    assert (own.low, own.high) == pytest.approx(tuple(stats.ttest_1samp(means, 0).confidence_interval()))
    assert (own.replicates, own.articles, own.different) == (4, 10, 38)
    assert (same.replicates, same.articles, same.different) == (4, 10, 10)
    np.testing.assert_allclose(same.of_replicates, means)
    # A column without a value in any replicate changes nothing.
    longer = np.hstack([values, np.full((4, 1), np.nan)])
    assert paired_contrast(longer).high == pytest.approx(paired_contrast(values).high, rel=1e-12)


def test_articles_that_some_replicates_have_in_common_by_hand():
    # Articles 0 and 1 are in both replicates. The means are 2 and 4, the deviations -1, 1, 0 and 2, -1, -1.
    values, articles = np.array([[1.0, 3.0, 2.0], [6.0, 3.0, 3.0]]), np.array([[0, 1, 2], [0, 1, 3]])

    found = paired_contrast(values, articles)

    # Mean product of the deviations: (-2 - 1) / 2, and its expectation 1 - 1/3 - 1/3 + 2/9 of the articles' variance.
    of_articles = -3 / 2 / (5 / 9)
    assert found.variances.shared == 0
    assert found.variances.between == pytest.approx(2 / 2)
    # Variances 1 and 3 within replicates. Two means have 2 of 9 pairs of places in common.
    assert found.variances.alone == pytest.approx((1 / 3 + 3 / 3) / 4 + of_articles * 2 / 9 / 2)
    assert found.different == 4
    reverse = paired_contrast(np.array([[1.0, 3.0, 2.0], [2.0, 5.0, 5.0]]), articles)
    # Deviations -1, 1, 0 and -2, 1, 1: the mean product is 3 / 2.
    assert reverse.variances.shared == pytest.approx(3 / 2 / (5 / 9) * 2 / 9)


def test_intervals_hold_with_overlapping_draws():
    # Ten replicates of 20 articles from 30. An article changes alike in all replicates, and nothing else differs.
    generator = np.random.default_rng(4)
    articles = np.array([generator.permutation(30)[:20] for _ in range(10)])
    values = generator.normal(0, 1, (2000, 30))[:, articles] + generator.normal(0, 1, (2000, 10, 20))

    found = paired_contrast(values, articles)

    # 2,000 studies: 95% is known to 1%. As if draws had nothing in common, it is far less.
    assert np.mean((found.low <= 0) & (found.high >= 0)) > 0.94
    apart = paired_contrast(values, redrawn(10, 20))
    assert np.mean((apart.low <= 0) & (apart.high >= 0)) < 0.8


def test_one_replicate_has_the_articles_interval_and_no_p_value():
    values = differences(1, 30)
    oracle = stats.ttest_1samp(values[0], 0)

    for articles in (redrawn(1, 30), None):
        found = paired_contrast(values, articles)
        assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()), rel=1e-9)
        assert found.standard_error == pytest.approx(oracle._standard_error)
        assert np.isnan(found.p)
        assert replicates_needed(found) is None


def test_without_values_nothing_is_estimated():
    found = paired_contrast(np.full((3, 4), np.nan))
    single = paired_contrast(np.ones((1, 1)))

    assert np.isnan([found.estimate, found.low, found.p]).all()
    assert (found.replicates, found.articles) == (0, 0)
    assert replicates_needed(found) is None
    assert single.estimate == 1
    assert np.isnan([single.low, single.high, single.standard_error]).all()


@pytest.mark.parametrize(
    ("shift", "alpha", "power"), [(0.3, 0.05, 0.8), (1.0, 0.05, 0.8), (1.0, 0.05, 0.95), (1.0, 0.05 / 15, 0.8)]
)
def test_replicates_needed_are_those_of_the_t_test_if_articles_are_redrawn(shift, alpha, power):
    found = paired_contrast(differences(5, 400, shift), redrawn(5, 400))
    size = abs(found.estimate) / found.of_replicates.std(ddof=1)
    oracle = TTestPower().solve_power(size, power=power, alpha=alpha)

    assert replicates_needed(found, alpha, power) == max(2, int(np.ceil(oracle)))


def test_replicates_needed_of_a_difference_that_only_more_articles_can_show():
    # The articles' own differences, which are the same in every replicate, are large.
    of_articles = np.random.default_rng(0).normal(0, 5, 20)
    found = paired_contrast(of_articles - of_articles.mean() + 0.5 + differences(4, 20, 0, 0.1))

    assert found.variances.shared > 0.5
    assert replicates_needed(found) is None


def test_smallest_difference_needs_more_replicates_than_are_searched():
    values, articles = differences(5, 50), redrawn(5, 50)

    assert replicates_needed(paired_contrast(values - values.mean() + 1e-4, articles)) is None
    assert replicates_needed(paired_contrast(values - values.mean() + 100.0, articles)) == 2
