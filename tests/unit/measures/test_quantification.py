import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from bias_amplification.measures.intervals import difference_interval
from bias_amplification.measures.quantification import Resamples, adjust, adjusted_change, adjusted_shares, misfit

RATES = np.array([[0.85, 0.10, 0.05], [0.10, 0.70, 0.20], [0.05, 0.15, 0.80]])


def adjusted_intervals(counts: np.ndarray, confusion: np.ndarray, seed: int) -> list[tuple[float, float, float]]:
    return adjust(np.repeat(np.arange(len(counts)), counts), Resamples(confusion, seed)).intervals


@pytest.mark.parametrize("true", [(0.2, 0.3, 0.5), (0.0, 0.1, 0.9), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.0, 1.0)])
def test_adjusted_shares_invert_the_confusion(true):
    assert adjusted_shares(np.array(true) @ RATES, RATES) == pytest.approx(np.array(true), abs=1e-5)
    assert misfit(np.array(true) @ RATES, RATES) == pytest.approx(0, abs=1e-6)


def test_without_errors_the_shares_are_those_observed():
    assert adjusted_shares(np.array([0.1, 0.2, 0.7]), np.eye(3)) == pytest.approx(np.array([0.1, 0.2, 0.7]), abs=1e-15)


@pytest.mark.parametrize("observed", [(0.0, 0.05, 0.95), (0.01, 0.9, 0.09), (1.0, 0.0, 0.0), (0.02, 0.28, 0.7)])
def test_shares_without_exact_solution_have_the_highest_likelihood(observed):
    """The oracle maximises the same likelihood by sequential quadratic programming; shares agree to 1e-4."""
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


def test_a_share_of_zero_is_exactly_zero():
    """Expectation maximisation alone ends at .99985 in the first case."""
    assert adjusted_shares(RATES[0], RATES) == pytest.approx(np.array([1, 0, 0]), abs=1e-12)
    confusion = np.array([[187, 18, 2], [11, 178, 12], [4, 24, 179]])
    rates = confusion / confusion.sum(axis=1, keepdims=True)
    assert adjusted_shares(np.array([0, 1, 0]), rates).tolist() == [0, 1, 0]


def test_misfit_is_the_distance_to_the_nearest_explained_shares():
    assert misfit(np.array([0.0, 0.05, 0.95]), RATES) == pytest.approx(0.15, abs=1e-3)


def test_a_label_that_no_test_article_was_given_can_be_observed():
    rates = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]])
    # The first two labels never lead to the third one, so the observed shares say nothing about the true ones.
    assert adjusted_shares(np.array([0.0, 0.0, 1.0]), rates) == pytest.approx(np.full(3, 1 / 3))
    assert misfit(np.array([0.0, 0.0, 1.0]), rates) == pytest.approx(1)
    found = adjusted_shares(np.array([0.2, 0.3, 0.5]), rates)
    assert np.isfinite(found).all() and found.sum() == pytest.approx(1)
    counts, confusion = np.array([0, 0, 9]), np.array([[3, 0, 0], [0, 2, 0], [1, 0, 0]])
    assert np.isfinite(adjusted_intervals(counts, confusion, 0)).all()


@pytest.mark.parametrize("counts", [(1, 0), (0, 7)])
def test_intervals_of_few_articles_are_finite_and_include_the_share(counts):
    found = adjusted_intervals(np.array(counts), np.array([[1, 0], [0, 1]]), 0)
    assert np.isfinite(found).all()
    assert all(0 <= low <= share <= high <= 1 for share, low, high in found)


def test_a_classifier_that_ignores_the_text_gives_equal_shares():
    shares = adjusted_shares(np.array([0.2, 0.8]), np.array([[0.3, 0.7], [0.3, 0.7]]))
    assert shares == pytest.approx(np.array([0.5, 0.5]))


def test_many_shares_at_once_are_adjusted_as_each_alone():
    generator = np.random.default_rng(0)
    observed = generator.dirichlet(np.ones(3), 40)
    rates = generator.dirichlet(np.ones(3), (40, 3))
    together = adjusted_shares(observed, rates)
    assert together == pytest.approx(np.array([adjusted_shares(o, r) for o, r in zip(observed, rates, strict=True)]))


@pytest.mark.slow
def test_intervals_include_the_true_share_in_95_percent_of_studies():
    """80 studies of 300 articles and 450 test articles; tolerance 3 standard errors."""
    generator = np.random.default_rng(5)
    true = np.array([0.2, 0.3, 0.5])
    studies, hits = 80, np.zeros(3)
    for study in range(studies):
        counts = generator.multinomial(300, true @ RATES)
        confusion = np.array([generator.multinomial(150, row) for row in RATES])
        for label, (share, low, high) in enumerate(adjusted_intervals(counts, confusion, study)):
            assert low <= share <= high
            hits[label] += low <= true[label] <= high
    error = 3 * np.sqrt(0.95 * 0.05 / studies)
    assert (hits / studies > 0.95 - error).all()
    assert (hits / studies < 0.995).all()


@pytest.mark.slow
@pytest.mark.parametrize("true", [(0.02, 0.48, 0.5), (0.02, 0.02, 0.96)])
def test_intervals_include_small_shares_with_a_good_classifier(true):
    """60 studies of 60 articles. The bootstrap alone includes the share of 2% in about 75% of studies."""
    generator = np.random.default_rng(6)
    rates = np.full((3, 3), 0.005) + 0.985 * np.eye(3)
    studies, hits = 60, np.zeros(3)
    for study in range(studies):
        counts = generator.multinomial(60, np.array(true) @ rates)
        confusion = np.array([generator.multinomial(200, row) for row in rates])
        intervals = np.array(adjusted_intervals(counts, confusion, study))
        hits += (intervals[:, 1] <= true) & (true <= intervals[:, 2])
    assert (hits / studies > 0.95 - 3 * np.sqrt(0.95 * 0.05 / studies)).all()


def test_without_errors_the_interval_is_that_of_the_posterior():
    """The oracle is Beta(count + 1/2, other counts + 1), with three labels; tolerance 0.01."""
    confusion = 10**6 * np.eye(3, dtype=int)
    posterior = stats.beta([0.5, 0.5, 40.5], [41, 41, 1])
    found = np.array(adjusted_intervals(np.array([0, 0, 40]), confusion, 3))
    assert found[:2, 1] == pytest.approx(0) and found[2, 2] == pytest.approx(1)
    assert found[:2, 2] == pytest.approx(posterior.ppf(0.975)[:2], abs=0.01)
    assert found[2, 1] == pytest.approx(posterior.ppf(0.025)[2], abs=0.01)


def test_intervals_depend_on_the_seed():
    counts, confusion = np.array([10, 30, 60]), np.round(RATES * 40).astype(int)
    assert adjusted_intervals(counts, confusion, 1) == adjusted_intervals(counts, confusion, 1)
    assert adjusted_intervals(counts, confusion, 1) != adjusted_intervals(counts, confusion, 2)


@pytest.mark.parametrize(("counts", "first"), [((0, 0), (5, 5)), ((3, 4), (0, 0))])
def test_missing_articles_are_refused(counts, first):
    with pytest.raises(ValueError, match="adjusted shares need"):
        adjusted_intervals(np.array(counts), np.array([first, (1, 9)]), 0)


def pairs_of_labels(generator: np.random.Generator, number: int, rates: np.ndarray, alike: float) -> np.ndarray:
    """Draw the labels given to articles at two versions, [2, articles], from shares of 30 and 50% and of 60 and 80%.

    Of the articles, `alike` are confused in the same way at both.
    """
    places = generator.random((2, number))
    places[1] = np.where(generator.random(number) < alike, places[0], places[1])
    true = generator.random(number) < np.array([[0.5], [0.8]])
    return (places > np.where(true, rates[1, 0], rates[0, 0])).astype(int)


def test_change_of_adjusted_shares_is_that_of_the_shares():
    confusion = np.array([[90, 10], [20, 80]])
    resamples = Resamples(confusion, 0)
    first, last = (adjust(np.repeat([0, 1, -1], counts), resamples) for counts in ((50, 30, 5), (20, 60, 0)))

    change, low, high = adjusted_change(first, last, 1)

    # Of 80 articles with a label, 3/8 and 6/8 are given label 1: (share - 0.1) / 0.7.
    assert change == pytest.approx((6 / 8 - 3 / 8) / 0.7)
    assert low < change < high


def test_change_of_equal_labels_has_hardly_any_error():
    given = np.repeat([0, 1], [40, 60])
    same = adjust(given, Resamples(np.array([[90, 10], [20, 80]]), 0))

    change, low, high = adjusted_change(same, same, 0)

    assert change == 0
    # The interval of the share is 30 points wide; its ends are not equally far from the share.
    assert max(-low, high) < 0.06


def test_change_without_draws_that_differ_takes_errors_for_independent():
    alone = adjust(np.zeros(30, int), Resamples(10**6 * np.eye(2, dtype=int), 0))

    change, low, high = adjusted_change(alone, alone, 0)

    ends = alone.intervals[0]
    assert change == 0 and -low == pytest.approx(high, abs=1e-6) and high == pytest.approx(ends[2] - ends[1], rel=0.2)


@pytest.mark.slow
def test_changes_of_adjusted_shares_are_included_in_95_percent_of_studies():
    """100 studies of 100 articles and 200 test articles; tolerance 3 standard errors. As if independent: over 99%."""
    generator, rates = np.random.default_rng(8), np.array([[0.9, 0.1], [0.2, 0.8]])
    studies, hits, widths = 100, 0, []
    for study in range(studies):
        resamples = Resamples(np.array([generator.multinomial(100, row) for row in rates]), study)
        first, last = (adjust(given, resamples) for given in pairs_of_labels(generator, 100, rates, 0.5))
        _, low, high = adjusted_change(first, last, 1)
        hits += low <= 0.3 <= high
        apart = difference_interval(last.intervals[1], first.intervals[1])
        widths.append((high - low) / (apart[2] - apart[1]))
    assert abs(hits / studies - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / studies)
    assert np.mean(widths) < 0.95
