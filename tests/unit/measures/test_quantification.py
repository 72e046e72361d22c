import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from bias_amplification.measures.quantification import adjusted_intervals, adjusted_shares, misfit

RATES = np.array([[0.85, 0.10, 0.05], [0.10, 0.70, 0.20], [0.05, 0.15, 0.80]])


@pytest.mark.parametrize("true", [(0.2, 0.3, 0.5), (0.0, 0.1, 0.9), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.0, 1.0)])
def test_what_the_errors_did_to_the_shares_is_undone(true):
    assert adjusted_shares(np.array(true) @ RATES, RATES) == pytest.approx(np.array(true), abs=1e-5)
    assert misfit(np.array(true) @ RATES, RATES) == pytest.approx(0, abs=1e-6)


def test_a_classifier_without_errors_changes_nothing():
    assert adjusted_shares(np.array([0.1, 0.2, 0.7]), np.eye(3)) == pytest.approx(np.array([0.1, 0.2, 0.7]), abs=1e-15)


@pytest.mark.parametrize("observed", [(0.0, 0.05, 0.95), (0.01, 0.9, 0.09), (1.0, 0.0, 0.0), (0.02, 0.28, 0.7)])
def test_impossible_shares_are_the_likeliest_that_exist(observed):
    """The oracle climbs the same likelihood by sequential quadratic programming; shares agree to 1e-4."""
    observed = np.array(observed)

    def loss(shares: np.ndarray) -> float:
        return -float((observed * np.log(shares @ RATES)).sum())

    simplex = {"type": "eq", "fun": lambda shares: shares.sum() - 1}
    options = {"ftol": 1e-14, "maxiter": 1000}
    oracle = minimize(
        loss, np.full(3, 1 / 3), bounds=[(0, 1)] * 3, constraints=simplex, method="SLSQP", options=options
    )
    found = adjusted_shares(observed, RATES)
    assert found == pytest.approx(oracle.x, abs=1e-4)
    assert found.sum() == pytest.approx(1, abs=1e-12) and (found >= 0).all()


def test_a_share_of_nothing_is_nothing():
    """The search alone ends near it: .99985 for the first, and a change's interval that misses 0 by 1e-7."""
    assert adjusted_shares(RATES[0], RATES) == pytest.approx(np.array([1, 0, 0]), abs=1e-12)
    confusion = np.array([[187, 18, 2], [11, 178, 12], [4, 24, 179]])
    rates = confusion / confusion.sum(axis=1, keepdims=True)
    assert adjusted_shares(np.array([0, 1, 0]), rates).tolist() == [0, 1, 0]


def test_shares_beyond_every_mixture_are_told():
    assert misfit(np.array([0.0, 0.05, 0.95]), RATES) == pytest.approx(0.15, abs=1e-3)


def test_a_label_that_no_test_article_was_given_may_be_seen_all_the_same():
    rates = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]])
    # Nothing tells of whom all these thirds are; two halves of what is left are.
    assert adjusted_shares(np.array([0.0, 0.0, 1.0]), rates) == pytest.approx(np.full(3, 1 / 3))
    assert misfit(np.array([0.0, 0.0, 1.0]), rates) == pytest.approx(1)
    found = adjusted_shares(np.array([0.2, 0.3, 0.5]), rates)
    assert np.isfinite(found).all() and found.sum() == pytest.approx(1)
    counts, confusion = np.array([0, 0, 9]), np.array([[3, 0, 0], [0, 2, 0], [1, 0, 0]])
    assert np.isfinite(adjusted_intervals(counts, confusion, 0)).all()


@pytest.mark.parametrize("counts", [(1, 0), (0, 7)])
def test_few_articles_have_wide_intervals_and_no_gaps(counts):
    found = adjusted_intervals(np.array(counts), np.array([[1, 0], [0, 1]]), 0)
    assert np.isfinite(found).all()
    assert all(0 <= low <= share <= high <= 1 for share, low, high in found)


def test_a_classifier_that_knows_nothing_leaves_the_shares_open_and_does_not_fail():
    shares = adjusted_shares(np.array([0.2, 0.8]), np.array([[0.3, 0.7], [0.3, 0.7]]))
    assert shares == pytest.approx(np.array([0.5, 0.5]))


def test_many_are_adjusted_as_each_alone():
    generator = np.random.default_rng(0)
    observed = generator.dirichlet(np.ones(3), 40)
    rates = generator.dirichlet(np.ones(3), (40, 3))
    together = adjusted_shares(observed, rates)
    assert together == pytest.approx(np.array([adjusted_shares(o, r) for o, r in zip(observed, rates, strict=True)]))


def test_intervals_hold_the_true_share_as_often_as_they_say():
    """200 studies of 100 articles and 150 test articles: 95% of intervals hold it, to 3 standard errors."""
    generator = np.random.default_rng(5)
    true = np.array([0.2, 0.3, 0.5])
    studies, hits = 200, np.zeros(3)
    for study in range(studies):
        counts = generator.multinomial(100, true @ RATES)
        confusion = np.array([generator.multinomial(50, row) for row in RATES])
        for label, (share, low, high) in enumerate(adjusted_intervals(counts, confusion, study)):
            assert low <= share <= high
            hits[label] += low <= true[label] <= high
    error = 3 * np.sqrt(0.95 * 0.05 / studies)
    assert (hits / studies > 0.95 - error).all()
    assert (hits / studies < 0.995).all()


@pytest.mark.parametrize("true", [(0.02, 0.48, 0.5), (0.02, 0.02, 0.96)])
def test_small_shares_and_a_good_classifier_keep_what_intervals_say(true):
    """150 studies of 60 articles: resampling alone held the share of 2% in some 75% of them."""
    generator = np.random.default_rng(6)
    rates = np.full((3, 3), 0.005) + 0.985 * np.eye(3)
    studies, hits = 150, np.zeros(3)
    for study in range(studies):
        counts = generator.multinomial(60, np.array(true) @ rates)
        confusion = np.array([generator.multinomial(200, row) for row in rates])
        intervals = np.array(adjusted_intervals(counts, confusion, study))
        hits += (intervals[:, 1] <= true) & (true <= intervals[:, 2])
    assert (hits / studies > 0.95 - 3 * np.sqrt(0.95 * 0.05 / studies)).all()


def test_a_classifier_without_errors_leaves_the_posterior_of_a_share():
    """Beta(counts + 1/2, others + 1) for three labels, to 0.01; no draw is at the corner where all articles are."""
    confusion = 10**6 * np.eye(3, dtype=int)
    posterior = stats.beta([0.5, 0.5, 40.5], [41, 41, 1])
    found = np.array(adjusted_intervals(np.array([0, 0, 40]), confusion, 3))
    assert found[:2, 1] == pytest.approx(0) and found[2, 2] == pytest.approx(1)
    assert found[:2, 2] == pytest.approx(posterior.ppf(0.975)[:2], abs=0.01)
    assert found[2, 1] == pytest.approx(posterior.ppf(0.025)[2], abs=0.01)


def test_the_seed_fixes_the_draws():
    counts, confusion = np.array([10, 30, 60]), np.round(RATES * 40).astype(int)
    assert adjusted_intervals(counts, confusion, 1) == adjusted_intervals(counts, confusion, 1)
    assert adjusted_intervals(counts, confusion, 1) != adjusted_intervals(counts, confusion, 2)


@pytest.mark.parametrize(("counts", "first"), [((0, 0), (5, 5)), ((3, 4), (0, 0))])
def test_without_articles_there_is_no_interval(counts, first):
    with pytest.raises(ValueError, match="need articles"):
        adjusted_intervals(np.array(counts), np.array([first, (1, 9)]), 0)
