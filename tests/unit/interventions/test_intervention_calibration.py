"""Simulated studies with a run's sets and controls, against exact shares and plain loops."""

import numpy as np
import pytest

from bias_amplification.interventions.calibrate import Comparison, World, calibrate_comparisons, simulate_values
from bias_amplification.interventions.place import inflation

K, UNITS = 20, 6


def comparison(outcome="bias", *, versions=1, shared=False, shift=0.0, seed=1, spreads=None):
    """Invent sets and controls: `shared` neurons between controls, features of the set that are shifted."""
    generator = np.random.default_rng(seed)
    members, features = [], []
    for version in range(versions):
        own = np.arange(UNITS * (K + 1)).reshape(K + 1, UNITS)
        if shared:
            own[1:] = 1000 * (version + 1) + generator.permuted(np.tile(np.arange(15), (K, 1)), axis=1)[:, :UNITS]
        by_unit = {unit: generator.normal(size=3) for unit in np.unique(own[1:])}
        members.append(own)
        found = np.array([[by_unit.get(unit, np.zeros(3)) for unit in one] for one in own])
        found[0] = found[1:].mean(axis=(0, 1)) + generator.normal(size=(UNITS, 3))
        found[0] += found[1:].mean(axis=(0, 1)) - found[0].mean(axis=0) + shift
        features.append(found)
    spreads = [0.1] * versions if spreads is None else spreads
    return Comparison(outcome, members, features, spreads, inflation(members, spreads), step=0.0)


def rates(tests, **settings):
    rows = calibrate_comparisons(tests, 3, **settings)
    return {(row["world"], row["claim"], row["level"]): row for row in rows}


def test_p_values_of_independent_sets_are_uniform():
    found = rates([comparison(), comparison("quality")])

    for level, places in ((0.05, 1), (0.2, 4), (0.5, 10)):
        row = found["independent", "comparison", level]
        # 20 controls have 21 places; three standard errors.
        assert row["rejected"] == pytest.approx(places / (K + 1), abs=3 * row["standard_error"])
        assert row["valid"] and row["studies"] == 1000 and row["comparisons"] == 2
    for claim in ("interval", "family"):
        assert found["independent", claim, 0.05]["rejected"] == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 1000))


def test_shared_neurons_make_comparisons_wrong_only_without_the_inflation():
    own = comparison(shared=True)

    corrected, wrong = (rates([one])["independent", "family", 0.05] for one in (own, own._replace(inflation=1.0)))

    assert own.inflation > 1.4
    assert corrected["valid"] and not wrong["valid"] and wrong["rejected"] > 0.15 > 0.08 > corrected["rejected"]


def test_features_of_a_set_unlike_its_controls_make_comparisons_wrong_where_they_explain_effects():
    found = rates([comparison(shift=1.5)], studies=400)

    assert found["independent", "family", 0.05]["valid"] and found["few_act", "family", 0.05]["valid"]
    half, most = (found[name, "family", 0.05] for name in ("half_explained", "mostly_explained"))
    assert not half["valid"] and not most["valid"] and most["rejected"] > half["rejected"] > 0.3


def test_values_are_means_of_the_effects_of_neurons():
    tests = [comparison(shared=True, versions=2, spreads=[0.1, 0.3]), comparison("quality", shared=True, versions=2)]
    # The same set under two outcomes, and twice under one.
    values = simulate_values([*tests, tests[0]], World(), 4000, np.random.default_rng(1))

    assert values.shape == (4000, 3, K + 1)
    np.testing.assert_array_equal(values[:, 0], values[:, 2])
    assert abs(np.corrcoef(values[:, 0, 0], values[:, 1, 0])[0, 1]) < 0.06
    # The covariances of the run's design, by plain loops over the sets' common neurons, up to one factor a version.
    wanted = np.zeros((K + 1, K + 1))
    scales = []
    for members, spread in zip(tests[0].members, (0.1, 0.3), strict=True):
        common = np.array([[len(set(one) & set(other)) / UNITS**2 for other in members] for one in members])
        between = np.trace(common[1:, 1:]) / (K - 1) - common[1:, 1:].sum() / K / (K - 1)
        scales.append(spread / np.sqrt(between))
    for first, one in zip(tests[0].members, scales, strict=True):
        for second, other in zip(tests[0].members, scales, strict=True):
            for i in range(K + 1):
                for j in range(K + 1):
                    wanted[i, j] += one * other * len(set(first[i]) & set(second[j])) / UNITS**2 / 4
    found = np.cov(values[:, 0].T)
    np.testing.assert_allclose(found, wanted, atol=0.1 * wanted.max())


def test_what_features_explain_has_its_share_of_the_variance():
    own = comparison(shift=0.0)
    generators = np.random.default_rng(2), np.random.default_rng(2)
    values = simulate_values([own], World(explained=1.0), 50, generators[0])[:, 0]

    # Loops: weights are drawn first; all of an effect is the weighted sum of features, whose scale is the study's.
    weights = generators[1].normal(size=(50, 3))
    sums = np.array([[[unit @ w for unit in one] for one in own.features[0]] for w in weights])
    means = sums.mean(axis=2) / sums.reshape(50, -1).std(axis=1)[:, None]
    np.testing.assert_allclose(values, means * 0.1 / np.sqrt(means[:, 1:].var(axis=1, ddof=1).mean()))


def test_controls_that_have_all_the_same_effect_are_simulated_too():
    own = comparison(spreads=[0.0])._replace(step=0.25)

    row = rates([own], studies=200)["independent", "family", 0.05]

    # The step belongs to effects of another scale, and is left out.
    assert 0 < row["rejected"] < 0.12


def test_without_comparisons_there_are_no_rows_and_a_seed_gives_the_same():
    assert calibrate_comparisons([], 1) == []
    assert calibrate_comparisons([comparison()], 5, 30) == calibrate_comparisons([comparison()], 5, 30)
    assert calibrate_comparisons([comparison()], 5, 30) != calibrate_comparisons([comparison()], 6, 30)
