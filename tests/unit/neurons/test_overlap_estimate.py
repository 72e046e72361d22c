"""The estimated share of common neurons."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from bias_amplification.neurons.half_sets import Halves
from bias_amplification.neurons.overlap_estimate import estimate_share, graded_share

CHANCE = Halves(0.1, 0.1, 0.1)


def left_out(observed, spread, seed=0, generations=10):
    """Shares without each generation, around the observed ones."""
    noise = np.random.default_rng(seed).normal(size=(3, generations)) * spread
    return Halves(*(value + line - line.mean() for value, line in zip(observed, noise, strict=True)))


def test_the_estimate_is_relative_to_the_ceilings():
    # Excess over chance of .2, where the same neurons would have sqrt(.4 * .9) = .6: an agreement of a third.
    observed = Halves(0.3, 0.5, 1.0)

    found = estimate_share(observed, left_out(observed, 0.001), CHANCE, size=10_000)

    assert found.share == pytest.approx(0.1 + 0.9 / 3)
    assert found.low < found.share < found.high < 0.5


def test_shares_as_high_as_the_ceilings_are_common_neurons_and_at_chance_unrelated_ones():
    same, unrelated = (Halves(crossed, 0.5, 0.5) for crossed in (0.5, 0.1))

    common, chance = (estimate_share(one, left_out(one, 0.002), CHANCE, 1000) for one in (same, unrelated))

    assert common.share == common.high == 1 and common.low > 0.75
    assert chance.share == pytest.approx(0.1) and chance.low < 0.1 < chance.high < 0.3


def test_more_noise_gives_a_wider_interval_and_a_ceiling_within_noise_everything():
    observed = Halves(0.3, 0.5, 0.5)

    widths = [
        found.high - found.low
        for found in (estimate_share(observed, left_out(observed, spread), CHANCE, 300) for spread in (0, 0.02, 0.2))
    ]

    assert 0 < widths[0] < widths[1] < widths[2] == 1
    assert estimate_share(Halves(0.3, 0.09, 0.5), left_out(observed, 0.01), CHANCE, 300)[1:] == (0, 1)
    assert np.isnan(estimate_share(Halves(0.3, 0.09, 0.5), left_out(observed, 0.01), CHANCE, 300).share)


def test_few_neurons_give_a_wider_interval():
    observed = Halves(0.3, 0.5, 0.5)

    few, many = (estimate_share(observed, left_out(observed, 0.001), CHANCE, size) for size in (10, 1000))

    assert few.high - few.low > 2 * (many.high - many.low)


def test_the_middle_of_the_interval_is_fiellers():
    """Without the corrections for small sets, the upper end solves the quadratic equation of Fieller's theorem."""
    observed = Halves(0.5, 0.6, 0.6)
    without = left_out(observed, 0.005, seed=4)
    size = 10**12

    found = estimate_share(observed, without, Halves(0.1, 0.1, 0.1), size)

    many = 10
    crossed, ceiling = without.crossed - 0.1, np.sqrt((without.bias - 0.1) * (without.quality - 0.1))
    cov = (
        (many - 1)
        / many
        * np.array([[((a - a.mean()) * (b - b.mean())).sum() for b in (crossed, ceiling)] for a in (crossed, ceiling)])
    )
    squared = 2.2621571627409915**2  # the 97.5% quantile of t with 9 degrees of freedom
    a = 0.5**2 - squared * cov[1, 1]
    b = 0.4 * 0.5 - squared * cov[0, 1]
    root = np.sqrt(b**2 - a * (0.4**2 - squared * cov[0, 0]))
    # The variance grows above the observed overlap, so only the agreement below it is exact.
    low = min(0.1 + 0.9 * (b - root) / a, graded_share((b - root) / a, 0.1, 0.5))
    assert found.low == pytest.approx(low, abs=2 / 1000)
    assert 0.1 + 0.9 * (b + root) / a <= found.high + 2 / 1000


@pytest.mark.parametrize("generations", [1, 2])
def test_too_few_generations_have_an_estimate_without_interval(generations):
    observed = Halves(0.3, 0.5, 0.5)

    found = estimate_share(observed, left_out(observed, 0.01, generations=generations), CHANCE, 30)

    assert found.share == pytest.approx(0.55) and found[1:] == (0, 1)


def test_unknown_shares_without_a_generation_have_no_interval():
    observed = Halves(0.3, 0.5, 0.5)
    without = left_out(observed, 0.001)
    without.bias[2] = np.nan

    assert estimate_share(observed, without, CHANCE, 300)[1:] == (0, 1)


def test_no_common_neuron_under_any_permutation_is_no_division_by_zero():
    observed = Halves(0.0, 0.4, 0.4)

    found = estimate_share(observed, left_out(observed, 0.01), Halves(0.0, 0.0, 0.0), 10)

    assert found.share < 1e-5 and found.low == pytest.approx(0, abs=1e-5) and 0 < found.high < 1


@pytest.mark.parametrize(("chance", "correlation", "reliability"), [(0.1, 0.8, 0.5), (0.02, 0.5, 0.7), (0.3, 0.9, 0.2)])
def test_graded_associations_have_the_share_of_bivariate_normal_variables(chance, correlation, reliability):
    end = norm.isf(chance / 2)

    def share(r):
        corner = multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([-end, -end])
        other = multivariate_normal([0, 0], [[1, -r], [-r, 1]]).cdf([-end, -end])
        return 2 * (corner + other) / chance

    ceiling = share(reliability) - chance
    agreement = (share(reliability * correlation) - chance) / ceiling

    assert graded_share(agreement, chance, ceiling) == pytest.approx(share(correlation), abs=2e-4)
    assert graded_share(1, chance, ceiling) == pytest.approx(1)
    assert graded_share(1e-12, chance, ceiling) == pytest.approx(chance, abs=1e-5)
    assert graded_share(-0.05, chance, ceiling) < chance
