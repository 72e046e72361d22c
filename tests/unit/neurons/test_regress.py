"""Regressions over all neurons at once against statsmodels, one neuron at a time."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from bias_amplification.neurons import regress as module
from bias_amplification.neurons.designs import RegressionSettings, Rows, bartlett_kernel, count_lags, make_rows
from bias_amplification.neurons.regress import correlate, regress

#: Both sides are float64 sums over tens of rows.
TOLERANCE = {"rtol": 1e-9, "atol": 0}


def random_study(seed: int, rounds: int, generations: int, neurons: int = 5):
    """Random walks in each round, so that errors are serially correlated."""
    generator = np.random.default_rng(seed)
    names = [f"round {index}" for index in range(rounds) for _ in range(generations)]
    numbers = [generation for _ in range(rounds) for generation in range(generations)]
    x = generator.normal(size=(rounds, generations, neurons)).cumsum(axis=1).reshape(-1, neurons)
    x = x * 10.0 ** generator.integers(-6, 3, size=neurons) + generator.normal(size=neurons)
    y = generator.normal(size=(rounds, generations)).cumsum(axis=1).ravel()
    return names, numbers, x, y


def difference_plainly(names, numbers, values, difference):
    """Loop over versions; rows and the round that each belongs to."""
    rows, groups = [], []
    for index in range(len(values)):
        if difference == "levels":
            rows.append(values[index])
        elif index and (difference == "across" or names[index] == names[index - 1]):
            rows.append(values[index] - values[index - 1])
        else:
            continue
        groups.append(names[index])
    return np.array(rows), groups


def fit_with_statsmodels(x, y, groups, options: RegressionSettings, lags: int):
    constants = np.ones((len(y), 1))
    if options.fixed_effects:
        constants = np.array([[group == name for name in dict.fromkeys(groups)] for group in groups], dtype=float)
    model = sm.OLS(y, np.column_stack([constants, x]))
    use_t = options.reference == "t"
    if options.difference == "within":
        codes = np.array([list(dict.fromkeys(groups)).index(group) for group in groups])
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
    difference=st.sampled_from(["within", "across", "levels"]),
    lags=st.sampled_from([0, 1, 2, 4, "plugin"]),
    reference=st.sampled_from(["normal", "t"]),
    small_sample=st.booleans(),
    fixed_effects=st.booleans(),
)
def test_slopes_are_those_of_statsmodels(
    seed, rounds, generations, difference, lags, reference, small_sample, fixed_effects
):
    names, numbers, x, y = random_study(seed, rounds, generations)
    options = RegressionSettings(difference, lags, reference, small_sample, fixed_effects)

    slopes = regress(x, y, make_rows(names, numbers, difference), options)

    assert (slopes.reason == "").all()
    outcome, groups = difference_plainly(names, numbers, y, difference)
    number_of_lags = int(np.floor(4 * (len(outcome) / 100) ** (2 / 9))) if lags == "plugin" else lags
    for neuron in range(x.shape[1]):
        # Centred levels: a large mean would cost the oracle digits, and changes no slope.
        regressor, _ = difference_plainly(names, numbers, x[:, neuron] - x[:, neuron].mean(), difference)
        scale = np.abs(regressor).max()
        expected = fit_with_statsmodels(regressor / scale, outcome, groups, options, number_of_lags)
        found = [slopes.estimate, slopes.standard_error, slopes.statistic, slopes.p_value]
        oracle = [expected.params[-1] / scale, expected.bse[-1] / scale, expected.tvalues[-1], expected.pvalues[-1]]
        np.testing.assert_allclose([values[neuron] for values in found], oracle, **TOLERANCE)


def test_a_large_mean_costs_no_digits():
    names, numbers, x, y = random_study(3, 4, 9)
    x = np.round(x * 2**20) / 2**20  # exact when moved by a power of two
    options = RegressionSettings(difference="levels")
    rows = make_rows(names, numbers, "levels")

    moved, still = regress(x + 2.0**20, y, rows, options), regress(x, y, rows, options)

    keep = np.abs(x).max(axis=0) < 2**10  # those whose digits all fit
    assert keep.any()
    np.testing.assert_allclose(moved.estimate[keep], still.estimate[keep], **TOLERANCE)
    np.testing.assert_allclose(moved.p_value[keep], still.p_value[keep], **TOLERANCE)


def test_every_neuron_is_estimated_as_if_alone():
    names, numbers, x, y = random_study(5, 3, 8, neurons=30)
    rows, options = make_rows(names, numbers, "within"), RegressionSettings()

    together = regress(x, y, rows, options)

    for neuron in range(30):
        alone = regress(x[:, [neuron]], y, rows, options)
        assert alone.p_value[0] == pytest.approx(together.p_value[neuron], rel=1e-12)


def test_lag_products_do_not_reach_over_a_border_or_a_gap():
    series, time = np.array([0, 0, 0, 1, 1]), np.array([1, 2, 4, 5, 6])

    kernel = bartlett_kernel(Rows(series, None, series, time), lags=2)

    expected = [
        [1, 2 / 3, 0, 0, 0],
        [2 / 3, 1, 1 / 3, 0, 0],
        [0, 1 / 3, 1, 0, 0],
        [0, 0, 0, 1, 2 / 3],
        [0, 0, 0, 2 / 3, 1],
    ]
    np.testing.assert_allclose(kernel, expected, rtol=1e-15)


def test_differences_within_rounds_leave_out_borders_and_missing_generations():
    rows = make_rows(["a", "a", "a", "b", "b", "b"], [0, 1, 2, 0, 1, 3], "within")

    assert rows.of(np.array([1.0, 2.0, 4.0, 10.0, 13.0, 99.0])).tolist() == [1.0, 2.0, 3.0]
    assert rows.series.tolist() == [0, 0, 1]
    assert rows.time.tolist() == [1, 2, 1]


def test_the_paper_has_sixty_transitions():
    names, numbers, _, _ = random_study(0, 6, 11)

    lengths = [len(make_rows(names, numbers, difference).after) for difference in ("within", "across", "levels")]

    assert lengths == [60, 65, 66]


@pytest.mark.parametrize(
    ("names", "numbers"), [(["a", "b", "a"], [0, 0, 1]), (["a", "a"], [1, 0]), (["a", "a"], [1, 1])]
)
def test_versions_out_of_order_are_refused(names, numbers):
    with pytest.raises(ValueError, match="round by round"):
        make_rows(names, numbers, "within")


def test_the_plugin_rule_counts_the_rows_that_are_known():
    names, numbers, x, y = random_study(5, 4, 11)
    rows = make_rows(names, numbers, "within")
    assert (count_lags("plugin", 40), count_lags("plugin", 20)) == (3, 2)
    y[:22] = np.nan

    found = regress(x, y, rows, RegressionSettings(lags="plugin"))

    np.testing.assert_array_equal(found.p_value, regress(x, y, rows, RegressionSettings(lags=2)).p_value)


def test_lags_by_the_plugin_rule():
    # 4 (60 / 100)^(2/9) = 3.57; 4 (100 / 100)^(2/9) = 4; 4 (1000 / 100)^(2/9) = 6.67.
    assert [count_lags("plugin", rows) for rows in (60, 100, 1000)] == [3, 4, 6]
    assert count_lags(2, 60) == 2
    with pytest.raises(ValueError, match="lags"):
        count_lags(-1, 60)


def test_what_cannot_be_estimated_has_a_reason_and_no_number():
    names, numbers, x, y = random_study(1, 2, 8, neurons=6)
    x[:, 1] = 0.1 + 0.2  # never changes
    x[:, 2] = np.arange(16) * 0.1 + 7  # changes by the same amount each time, but for rounding
    x[:, 3] = y * 0.3 + 0.7  # the outcome itself
    x[4, 4] = np.nan
    x[4, 5] = np.inf

    slopes = regress(x, y, make_rows(names, numbers, "within"), RegressionSettings())

    expected = ["", module.CONSTANT_NEURON, module.CONSTANT_NEURON, module.PERFECT_FIT, *[module.NOT_FINITE] * 2]
    assert slopes.reason.tolist() == expected
    for values in (slopes.estimate, slopes.standard_error, slopes.statistic, slopes.p_value):
        assert np.isfinite(values).tolist() == [True, *[False] * 5]


@pytest.mark.parametrize("constant", [0.0, 0.1 + 0.2])
def test_an_outcome_that_never_changes_has_a_reason(constant):
    names, numbers, x, _ = random_study(1, 2, 8)

    slopes = regress(x, np.full(16, constant), make_rows(names, numbers, "within"), RegressionSettings())

    assert set(slopes.reason) == {module.CONSTANT_OUTCOME}
    assert np.isnan(slopes.p_value).all()


@pytest.mark.parametrize(("rounds", "generations"), [(2, 2), (1, 3), (1, 1)])
def test_fewer_than_three_rows_are_too_few(rounds, generations):
    names, numbers, x, y = random_study(1, rounds, generations)

    slopes = regress(x, y, make_rows(names, numbers, "within"), RegressionSettings())

    assert set(slopes.reason) == {module.TOO_FEW_ROWS}
    assert np.isnan(slopes.estimate).all()


def test_a_missing_outcome_takes_its_transitions_with_it():
    names, numbers, x, y = random_study(2, 2, 9)
    missing = y.copy()
    missing[4] = np.nan  # the transitions 3 to 4 and 4 to 5 of the first round
    rows = make_rows(names, numbers, "within")

    found = regress(x, missing, rows, RegressionSettings(lags=1))

    expected = regress(x, y, rows.only(~np.isin(rows.after, [4, 5])), RegressionSettings(lags=1))
    np.testing.assert_array_equal(found.p_value, expected.p_value)
    assert (found.reason == "").all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), versions=st.integers(3, 80))
def test_correlations_are_those_of_scipy(seed, versions):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(versions, 4)) * [1e-9, 1, 1e5, 1] + [0, 1, 0, 0]
    y = generator.normal(size=versions)
    x[:, 3] = 0.3

    found = correlate(x, y)

    expected = [pearsonr(x[:, neuron], y).statistic for neuron in range(3)]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(found[3])


def test_correlation_leaves_out_missing_outcomes_and_constants():
    x = np.array([[1.0, np.nan], [2.0, 1.0], [3.0, 2.0], [4.0, 5.0]])

    assert correlate(x, np.array([2.0, 4.0, np.nan, 8.0]))[0] == pytest.approx(1, rel=1e-12)
    assert np.isnan(correlate(x, np.array([2.0, 4.0, 5.0, 8.0]))[1])
    assert np.isnan(correlate(x, np.full(4, 0.3))).all()
    assert np.isnan(correlate(x, np.array([1.0, np.nan, np.nan, np.nan]))).all()


def andrews_plainly(score, series):
    """AR(1) plug-in bandwidth for the Bartlett kernel, one score series at a time."""
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
def test_lags_chosen_by_the_data_are_those_of_a_plain_loop(rule, difference):
    names, numbers, x, y = random_study(8, 3, 11, neurons=20)
    rows = make_rows(names, numbers, difference)

    found = regress(x, y, rows, RegressionSettings(difference=difference, lags=rule, small_sample=False))

    bandwidth_plainly = {"andrews": andrews_plainly, "newey_west": newey_west_plainly}[rule]
    outcome = rows.of(y) - rows.of(y).mean()
    lengths = set()
    for neuron in range(20):
        z = rows.of(x[:, neuron]) - rows.of(x[:, neuron]).mean()
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


def test_each_neuron_may_have_an_outcome_of_its_own():
    names, numbers, x, _ = random_study(4, 3, 8, neurons=6)
    outcomes = np.random.default_rng(1).normal(size=(24, 6)).cumsum(axis=0)
    rows, options = make_rows(names, numbers, "within"), RegressionSettings(fixed_effects=True)

    together = regress(x, outcomes, rows, options)

    for neuron in range(6):
        alone = regress(x[:, [neuron]], outcomes[:, neuron], rows, options)
        assert together.p_value[neuron] == pytest.approx(alone.p_value[0], rel=1e-12)


def test_fixed_effects_leave_too_few_rows():
    names, numbers, x, y = random_study(1, 3, 2)

    slopes = regress(x, y, make_rows(names, numbers, "within"), RegressionSettings(fixed_effects=True))

    assert set(slopes.reason) == {module.TOO_FEW_ROWS}
