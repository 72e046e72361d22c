"""Regressions over all neurons at once against statsmodels, one neuron at a time."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from random_studies import random_study
from scipy.stats import pearsonr

from bias_amplification.neurons import regress as module
from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.regress import correlate, regress
from bias_amplification.study.sections import Neurons

#: Both sides are float64 sums over tens of rows.
TOLERANCE = {"rtol": 1e-9, "atol": 0}


def scaled_study(seed: int, rounds: int, generations: int, neurons: int = 5):
    """Draw random walks of neurons with other scales and levels, and one outcome."""
    versions, x, y = random_study(seed, rounds, generations, neurons)
    generator = np.random.default_rng(seed + 1)
    x = x * 10.0 ** generator.integers(-6, 3, size=neurons) + generator.normal(size=neurons)
    return versions, x, y[0]


def difference_plainly(versions, values, difference):
    """Loop over versions: the rows, and round and generation of each."""
    rows, groups = [], []
    for index in range(len(values)):
        if difference == "levels":
            rows.append(values[index])
        elif index and (difference == "across" or versions.rounds[index] == versions.rounds[index - 1]):
            rows.append(values[index] - values[index - 1])
        else:
            continue
        groups.append((versions.rounds[index], versions.generations[index]))
    return np.array(rows), groups


def fit_with_statsmodels(x, y, groups, options: Neurons, lags: int):
    constants = np.ones((len(y), 1))
    names, generations = (np.array(part) for part in zip(*groups, strict=True))
    if options.fixed_effects != "none":
        constants = (names[:, None] == np.unique(names)).astype(float)
    if options.fixed_effects == "both" and len(np.unique(names)) > 1:
        others = np.unique(generations)[1:]
        constants = np.hstack([constants, generations[:, None] == others])
    model = sm.OLS(y, np.column_stack([constants, x]))
    use_t = options.reference == "t"
    if options.difference == "within":
        codes = np.unique(names, return_inverse=True)[1]
        keywords = {
            "groups": codes,
            "maxlags": lags,
            "use_correction": "hac" if options.small_sample else False,
            "df_correction": False,
        }
        return model.fit(cov_type="hac-panel", cov_kwds=keywords, use_t=use_t)
    keywords = {"maxlags": lags, "use_correction": options.small_sample}
    return model.fit(cov_type="HAC", cov_kwds=keywords, use_t=use_t)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rounds=st.integers(1, 6),
    generations=st.integers(6, 14),
    options=st.builds(
        Neurons,
        difference=st.sampled_from(["within", "across", "levels"]),
        lags=st.sampled_from([0, 1, 2, 4, "plugin"]),
        reference=st.sampled_from(["normal", "t"]),
        small_sample=st.booleans(),
        fixed_effects=st.sampled_from(["none", "rounds", "both"]),
    ),
)
def test_slopes_equal_those_of_statsmodels(seed, rounds, generations, options):
    versions, x, y = scaled_study(seed, rounds, generations)

    slopes = regress(x, y, make_rows(versions, options.difference), options)

    assert (slopes.reason == "").all()
    outcome, groups = difference_plainly(versions, y, options.difference)
    lags = int(np.floor(4 * (len(outcome) / 100) ** (2 / 9))) if options.lags == "plugin" else options.lags
    for neuron in range(x.shape[1]):
        # Centred levels: a large mean would cost the oracle digits, and changes no slope.
        regressor, _ = difference_plainly(versions, x[:, neuron] - x[:, neuron].mean(), options.difference)
        scale = np.abs(regressor).max()
        expected = fit_with_statsmodels(regressor / scale, outcome, groups, options, lags)
        found = [slopes.estimate, slopes.standard_error, slopes.statistic, slopes.p_value]
        oracle = [expected.params[-1] / scale, expected.bse[-1] / scale, expected.tvalues[-1], expected.pvalues[-1]]
        np.testing.assert_allclose([values[neuron] for values in found], oracle, **TOLERANCE)


def test_a_large_mean_costs_no_digits():
    versions, x, y = scaled_study(3, 4, 9)
    x = np.round(x * 2**20) / 2**20  # exact when moved by a power of two
    options = Neurons(difference="levels")
    rows = make_rows(versions, "levels")

    moved, still = regress(x + 2.0**20, y, rows, options), regress(x, y, rows, options)

    keep = np.abs(x).max(axis=0) < 2**10  # neurons whose digits are all kept
    assert keep.any()
    np.testing.assert_allclose(moved.estimate[keep], still.estimate[keep], **TOLERANCE)
    np.testing.assert_allclose(moved.p_value[keep], still.p_value[keep], **TOLERANCE)


def test_other_neurons_do_not_matter():
    versions, x, y = scaled_study(5, 3, 8, neurons=30)
    rows, options = make_rows(versions, "within"), Neurons()

    together = regress(x, y, rows, options)

    for neuron in range(30):
        alone = regress(x[:, [neuron]], y, rows, options)
        assert alone.p_value[0] == pytest.approx(together.p_value[neuron], rel=1e-12)


def test_many_neurons_are_regressed_in_blocks():
    versions, x, y = random_study(neurons=2 * module.BLOCK + 3)
    rows = make_rows(versions, "within")
    own = np.repeat(y[0][:, None], x.shape[1], axis=1)
    own[:, -1] = y[1]

    found, of_own = regress(x, y[0], rows, Neurons()), regress(x, own, rows, Neurons())

    last = slice(2 * module.BLOCK, None)
    expected = regress(x[:, last], y[0], rows, Neurons()).p_value
    np.testing.assert_allclose(found.p_value[last], expected, rtol=1e-12)
    np.testing.assert_allclose(of_own.p_value[:-1], found.p_value[:-1], rtol=1e-12)
    assert of_own.p_value[-1] == pytest.approx(regress(x[:, [-1]], y[1], rows, Neurons()).p_value[0], rel=1e-12)


def test_the_plugin_rule_counts_the_known_rows():
    # 40 rows give 3 lags; 20 rows give 2.
    versions, x, y = scaled_study(5, 4, 11)
    rows = make_rows(versions, "within")
    y[:22] = np.nan

    found = regress(x, y, rows, Neurons(lags="plugin"))

    np.testing.assert_array_equal(found.p_value, regress(x, y, rows, Neurons(lags=2)).p_value)
    assert (found.p_value != regress(x, y, rows, Neurons(lags=3)).p_value).all()


def test_neurons_without_an_estimate_have_a_reason():
    versions, x, y = scaled_study(1, 2, 8, neurons=6)
    x[:, 1] = 0.1 + 0.2  # never changes
    x[:, 2] = np.arange(16) * 0.1 + 7  # changes by the same amount each time, except for rounding
    x[:, 3] = y * 0.3 + 0.7  # the outcome itself
    x[4, 4] = np.nan
    x[4, 5] = np.inf

    slopes = regress(x, y, make_rows(versions, "within"), Neurons())

    expected = ["", module.CONSTANT_NEURON, module.CONSTANT_NEURON, module.PERFECT_FIT, *[module.NOT_FINITE] * 2]
    assert slopes.reason.tolist() == expected
    for values in (slopes.estimate, slopes.standard_error, slopes.statistic, slopes.p_value):
        assert np.isfinite(values).tolist() == [True, *[False] * 5]


@pytest.mark.parametrize("constant", [0.0, 0.1 + 0.2])
def test_a_constant_outcome_has_a_reason(constant):
    versions, x, _ = scaled_study(1, 2, 8)

    slopes = regress(x, np.full(16, constant), make_rows(versions, "within"), Neurons())

    assert set(slopes.reason) == {module.CONSTANT_OUTCOME}
    assert np.isnan(slopes.p_value).all()


@pytest.mark.parametrize("difference", ["within", "levels"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("generations", [8, 1])
def test_an_infinite_outcome_has_a_reason(difference, value, generations):
    versions, x, y = scaled_study(1, 2, generations)
    x[0, 1] = np.nan
    y[[0, -1]] = value, np.nan

    slopes = regress(x, y, make_rows(versions, difference), Neurons(difference=difference))

    rest = module.INFINITE_OUTCOME
    assert slopes.reason.tolist() == [rest, module.NOT_FINITE, rest, rest, rest]
    assert np.isnan(slopes.p_value).all()
    assert np.isnan(correlate(x, y)).all()


def test_an_infinite_outcome_of_one_neuron_does_not_affect_the_others():
    versions, x, y = scaled_study(1, 2, 8)
    rows, own = make_rows(versions, "within"), np.repeat(y[:, None], 5, axis=1)
    own[3, 2] = np.inf

    slopes = regress(x, own, rows, Neurons())

    assert slopes.reason.tolist() == ["", "", module.INFINITE_OUTCOME, "", ""]
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(slopes.p_value[others], regress(x, y, rows, Neurons()).p_value[others], rtol=1e-12)


@pytest.mark.parametrize(
    ("rounds", "generations", "fixed_effects"),
    [(2, 2, "none"), (1, 3, "none"), (1, 1, "none"), (3, 2, "rounds"), (2, 3, "both")],
)
def test_too_few_rows_are_a_reason(rounds, generations, fixed_effects):
    versions, x, y = scaled_study(1, rounds, generations)

    slopes = regress(x, y, make_rows(versions, "within"), Neurons(fixed_effects=fixed_effects))

    assert set(slopes.reason) == {module.TOO_FEW_ROWS}
    assert np.isnan(slopes.estimate).all()


def test_a_missing_outcome_removes_its_transitions():
    versions, x, y = scaled_study(2, 2, 9)
    missing = y.copy()
    missing[4] = np.nan  # the transitions 3 to 4 and 4 to 5 of the first round
    rows = make_rows(versions, "within")

    found = regress(x, missing, rows, Neurons(lags=1))

    expected = regress(x, y, rows.keep(~np.isin(rows.after, [4, 5])), Neurons(lags=1))
    np.testing.assert_array_equal(found.p_value, expected.p_value)
    assert (found.reason == "").all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), versions=st.integers(3, 80))
def test_correlations_equal_those_of_scipy(seed, versions):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(versions, 4)) * [1e-9, 1, 1e5, 1] + [0, 1, 0, 0]
    y = generator.normal(size=versions)
    x[:, 3] = 0.3

    found = correlate(x, y)

    expected = [pearsonr(x[:, neuron], y).statistic for neuron in range(3)]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(found[3])


def test_correlations_ignore_missing_outcomes_and_constants():
    x = np.array([[1.0, np.nan], [2.0, 1.0], [3.0, 2.0], [4.0, 5.0]])

    assert correlate(x, np.array([2.0, 4.0, np.nan, 8.0]))[0] == pytest.approx(1, rel=1e-12)
    assert np.isnan(correlate(x, np.array([2.0, 4.0, 5.0, 8.0]))[1])
    assert np.isnan(correlate(x, np.full(4, 0.3))).all()
    assert np.isnan(correlate(x, np.array([1.0, np.nan, np.nan, np.nan]))).all()


def andrews_plainly(score, series):
    """Compute the AR(1) plug-in bandwidth for the Bartlett kernel, one score series at a time."""
    zero = one = 0.0
    for t in range(len(score)):
        zero += score[t] ** 2
        if t and series[t] == series[t - 1]:
            one += score[t] * score[t - 1]
    r = one / zero
    alpha = 4 * r**2 / ((1 - r) ** 2 * (1 + r) ** 2)
    return min(max(1.1447 * (alpha * len(score)) ** (1 / 3), 1), len(score))


def newey_west_plainly(score, series):
    n = len(score)
    m = int(4 * (n / 100) ** (2 / 9))
    sums = [
        sum(score[t] * score[t - lag] for t in range(lag, n) if series[t] == series[t - lag]) for lag in range(m + 1)
    ]
    s0 = sums[0] + 2 * sum(sums[1:])
    s1 = 2 * sum(lag * value for lag, value in enumerate(sums))
    return min(1 + int(1.1447 * ((s1 / s0) ** 2 * n) ** (1 / 3)), n)


@pytest.mark.parametrize("rule", ["andrews", "newey_west"])
@pytest.mark.parametrize("difference", ["within", "levels"])
def test_data_driven_lags_equal_those_of_a_plain_loop(rule, difference):
    versions, x, y = scaled_study(8, 3, 11, neurons=20)
    rows = make_rows(versions, difference)

    found = regress(x, y, rows, Neurons(difference=difference, lags=rule, small_sample=False, fixed_effects="none"))

    bandwidth_plainly = {"andrews": andrews_plainly, "newey_west": newey_west_plainly}[rule]
    outcome = rows.take(y) - rows.take(y).mean()
    lengths = set()
    for neuron in range(20):
        z = rows.take(x[:, neuron]) - rows.take(x[:, neuron]).mean()
        slope = z @ outcome / (z @ z)
        score = z * (outcome - slope * z)
        bandwidth = bandwidth_plainly(score, rows.series)
        lengths.add(round(bandwidth, 6))
        meat = sum(
            max(0, 1 - abs(t - s) / bandwidth) * score[t] * score[s]
            for t in range(len(z))
            for s in range(len(z))
            if rows.series[t] == rows.series[s]
        )
        assert found.standard_error[neuron] == pytest.approx(np.sqrt(meat) / (z @ z), rel=1e-9)
    assert len(lengths) > 1


def test_each_neuron_may_have_its_own_outcome():
    versions, x, _ = scaled_study(4, 3, 8, neurons=6)
    outcomes = np.random.default_rng(1).normal(size=(24, 6)).cumsum(axis=0)
    rows, options = make_rows(versions, "within"), Neurons(fixed_effects="both")

    together = regress(x, outcomes, rows, options)

    for neuron in range(6):
        alone = regress(x[:, [neuron]], outcomes[:, neuron], rows, options)
        assert together.p_value[neuron] == pytest.approx(alone.p_value[0], rel=1e-12)
