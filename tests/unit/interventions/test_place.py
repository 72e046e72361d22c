"""The place of a set among its controls, against plain loops, statsmodels and simulated sets."""

import numpy as np
import pytest
import statsmodels.api as sm

from bias_amplification.interventions.controls import draw_controls, standardise
from bias_amplification.interventions.place import Place, distances, family_p_values, inflation, place_among

K = 20


def effects(seed=0, controls=K):
    return np.random.default_rng(seed).normal(0.3, 2.0, controls + 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_p_value_is_the_share_of_places_as_far_from_the_common_mean(seed):
    values = effects(seed).tolist()
    mean = sum(values) / len(values)
    far = 0
    for value in values:
        far += abs(value - mean) >= abs(values[0] - mean)

    assert place_among(np.array(values)).p_value == far / (K + 1)


def test_ties_count_against_the_set():
    values = np.array([0.3, *[0.3, 0.0] * 10])

    # As far above the mean as ten controls, which round differently.
    values[1::2] += 1e-16
    mean = values.mean()
    assert place_among(values).p_value == (np.abs(values - mean) >= 0.3 - mean - 1e-12).mean()
    # Nothing differs from anything.
    same = place_among(np.full(K + 1, 0.7), step=0.1)
    assert same.p_value == 1.0 and same.specific == pytest.approx(0) and same.detectable > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_that_of_one_more_control(seed):
    values = effects(seed)

    place = place_among(values)

    fit = sm.OLS(values[1:], np.ones(K)).fit()
    low, high = fit.get_prediction([1.0]).conf_int(obs=True, alpha=0.05)[0]
    assert (values[0] - high, values[0] - low) == pytest.approx((place.low, place.high), rel=1e-9)
    assert place.controls_mean == pytest.approx(fit.params[0]) and place.specific == values[0] - place.controls_mean
    assert place.controls_deviation == pytest.approx(np.sqrt(fit.scale))
    wider = place_among(values, inflation=1.5)
    assert wider.high - wider.low == pytest.approx(1.5 * (place.high - place.low))
    assert place.smallest_p == 1 / (K + 1) and place.controls == K


def test_what_would_have_been_seen_is_found_in_four_of_five_studies():
    generator = np.random.default_rng(1)
    found = []
    for values in generator.normal(size=(4000, K + 1)):
        # The true deviation instead of the estimate, so that the planted effect does not depend on the values.
        planted = place_among(np.append(0, np.tile([-1.0, 1.0], K // 2) * np.sqrt((K - 1) / K))).detectable
        values[0] += planted
        found.append(place_among(values).p_value <= 0.05)

    # Standard error .6 points; a place among 20 controls decides a little less sharply than Student's t.
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)
    single, family = (place_among(effects(), tests=tests).detectable for tests in (1, 4))
    assert 1.2 < family / single < 1.5


def test_an_interval_has_a_width_although_all_effects_are_the_same():
    place = place_among(np.zeros(K + 1), step=1 / 12)

    assert -0.2 < place.low < -0.02 and place.high == -place.low and 0.02 < place.detectable < 0.2


def test_controls_without_a_value_are_left_out():
    values = effects()
    values[[3, 7]] = np.nan

    assert place_among(values) == place_among(values[np.isfinite(values)])
    assert place_among(np.append(np.nan, values)) == Place(controls=K - 1)


def test_controls_that_all_have_the_same_neurons_say_nothing():
    members = np.array([[0, 1], *[[2, 3]] * K])

    factor = inflation([members], [1.0])
    place = place_among(np.append(5.0, np.zeros(K)), factor)

    assert factor == float("inf")
    assert place.p_value == 1.0 and np.isnan([place.low, place.high, place.detectable]).all()


def test_inflation_is_the_ratio_of_two_variances_of_simulated_effects():
    generator = np.random.default_rng(2)
    # Two versions: the set is the same but for one neuron, controls share neurons.
    members = [np.vstack([[0, 1, 2], generator.permuted(np.tile(np.arange(5, 12), (K, 1)), axis=1)[:, :3]])
               for _ in range(2)]  # fmt: skip
    members[1][0] = [0, 1, 3]
    spreads = [1.0, 2.0]
    of_set, between = [], []
    for unit in generator.normal(size=(40_000, 12)):
        values = np.mean([s * unit[m].mean(axis=1) for s, m in zip(spreads, members, strict=True)], axis=0)
        of_set.append(values[0] - values[1:].mean())
        between.append(values[1:].var(ddof=1))

    ratio = np.var(of_set) / np.mean(between) / (1 + 1 / K)
    assert inflation(members, spreads) == pytest.approx(np.sqrt(ratio), rel=0.03)
    assert inflation([np.arange(3 * (K + 1)).reshape(-1, 3)], [1.0]) == pytest.approx(1.0)


def test_p_values_of_a_family_agree_with_a_plain_loop():
    generator = np.random.default_rng(3)
    values, factors = generator.normal(size=(4, K + 1)) * [[1], [10], [0.1], [1]], np.array([1, 1.2, 1, 1.4])
    values[0, 0] += 4

    steps = np.array([0.5, 2.0, 0.05, 0.0])

    found = family_p_values(values, factors, steps)

    scaled = []
    for one, factor, step in zip(values, factors, steps, strict=True):
        far = distances(one, factor)
        scaled.append(far / np.sqrt((far**2).mean() + step**2))
    for test in range(4):
        as_far = [1] + [max(one[k] for one in scaled) >= scaled[test][0] for k in range(1, K + 1)]
        assert found[test] == sum(as_far) / (K + 1)
    assert found[0] == 1 / (K + 1)
    values[2, 0] = np.nan
    without, rest = family_p_values(values, factors, steps), [0, 1, 3]
    assert np.isnan(without[2])
    assert without[rest].tolist() == family_p_values(values[rest], factors[rest], steps[rest]).tolist()
    assert np.isnan(family_p_values(np.full((2, K + 1), np.nan), np.ones(2))).all()


@pytest.mark.parametrize("changed", [0.01, 0.1, 0.5])
def test_what_would_have_been_seen_is_found_among_several_tests_of_few_articles(changed):
    generator = np.random.default_rng(4)
    articles, found, wrong = 12, [], []
    for _ in range(600):
        # Each article's text changes its label with this probability, in either direction.
        flips = generator.choice([-1, 0, 1], p=[changed / 2, 1 - changed, changed / 2], size=(4, K + 1, articles))
        values = flips.mean(axis=2)
        wrong.append(family_p_values(values, np.ones(4), 1 / articles).min() <= 0.05)
        values[0, 0] += place_among(values[0], 1.0, 1 / articles, tests=4).detectable
        found.append(family_p_values(values, np.ones(4), 1 / articles)[0] <= 0.05)

    assert np.mean(found) > 0.7  # without the step, 17 to 64% are
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def random_version(generator, layers=2, width=48):
    """Return the layer of each neuron and its features."""
    features = np.exp(generator.normal(size=(layers * width, 3)) @ [[1, 0.4, 0], [0, 1, 0.5], [0, 0, 1]])
    layer = np.repeat(np.arange(layers), width)
    return layer, standardise(features, layer)


def effects_of_neurons(generator, scores, share, outcomes):
    """Draw effects of which the features explain a share of the variance: [neurons, outcomes]."""
    explained = scores @ generator.normal(size=(3, outcomes))
    noise = generator.normal(size=explained.shape)
    return np.sqrt(share) * explained / explained.std(axis=0) + np.sqrt(1 - share) * noise


@pytest.mark.slow
@pytest.mark.parametrize(("size", "share"), [(8, 0.0), (8, 0.5), (8, 0.9), (25, 0.3)])
def test_random_sets_have_uniform_p_values_and_intervals_that_hold(size, share):
    generator = np.random.default_rng(4)
    p_values, missed = [], []
    for _ in range(500):
        layer, scores = random_version(generator)
        chosen = generator.permutation(len(layer))[:size]
        members = np.vstack([chosen, draw_controls(chosen, layer, scores, K, generator)])
        factor = inflation([members], [1.0])
        for values in effects_of_neurons(generator, scores, share, 4)[members].mean(axis=1).T:
            place = place_among(values, factor)
            p_values.append(place.p_value)
            missed.append(not place.low <= 0 <= place.high)

    # 2,000 studies: the standard errors of the rates are .5, .9 and 1.1 points. Where features explain nearly all of
    # the effects, controls that are balanced on them are more alike than random sets, and tests are conservative.
    lower = 0.6 if share < 0.9 else 0.3
    for level, error in ((1 / (K + 1), 0.016), (4 / (K + 1), 0.03), (10 / (K + 1), 0.05)):
        rate = np.mean(np.array(p_values) <= level + 1e-9)
        assert lower * level - error < rate < level + error, (level, rate)
    assert 0.015 < np.mean(missed) < 0.065


@pytest.mark.slow
def test_of_four_tests_one_is_wrong_in_five_per_cent_of_studies():
    generator = np.random.default_rng(5)
    alone, together = [], []
    for _ in range(800):
        layer, scores = random_version(generator)
        order = generator.permutation(len(layer))
        sets = [np.vstack([s, draw_controls(s, layer, scores, K, generator)]) for s in (order[:8], order[5:13])]
        of_neurons = effects_of_neurons(generator, scores, 0.2, 2)
        values = np.stack([of_neurons[members, k].mean(axis=1) for members in sets for k in (0, 1)])
        factors = np.repeat([inflation([members], [1.0]) for members in sets], 2)
        alone.append(min(place_among(*one).p_value for one in zip(values, factors, strict=True)) <= 0.05)
        together.append(family_p_values(values, factors).min() <= 0.05)

    assert np.mean(alone) > 0.12 and 0.02 < np.mean(together) < 0.075


@pytest.mark.slow
def test_a_set_that_is_the_same_in_several_versions_is_not_taken_for_several_sets():
    generator = np.random.default_rng(6)
    corrected, plain = [], []
    for _ in range(500):
        layer, scores = random_version(generator)
        chosen = generator.permutation(len(layer))[:8]
        members = [np.vstack([chosen, draw_controls(chosen, layer, scores, K, generator)]) for _ in range(4)]
        of_neurons = generator.normal(size=len(layer))
        by_version = [of_neurons[one].mean(axis=1) for one in members]
        values, factor = np.mean(by_version, axis=0), inflation(members, [v[1:].std() for v in by_version])
        corrected.append(place_among(values, factor).p_value <= 0.05)
        plain.append(place_among(values).p_value <= 0.05)

    assert np.mean(plain) > 0.15 and np.mean(corrected) < 0.075
