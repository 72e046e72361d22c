"""Statistics under permutations against one regression at a time."""

import numpy as np
import pytest
from random_studies import random_study

from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.neurons.permuted_statistics import PermutedStatistics
from bias_amplification.neurons.regress import regress
from bias_amplification.study.sections import Neurons


@pytest.mark.parametrize("lags", [0, 1, 3, "plugin", "newey_west", "andrews"])
@pytest.mark.parametrize("difference", ["within", "across", "levels"])
@pytest.mark.parametrize("fixed_effects", ["none", "rounds", "both"])
def test_statistics_equal_those_of_one_regression_at_a_time(lags, difference, fixed_effects):
    versions, x, (outcome, _) = random_study()
    outcome[9] = np.nan
    x[:, 4] = 0.25
    settings = Neurons(difference=difference, lags=lags, fixed_effects=fixed_effects)
    rows = make_rows(versions, difference)
    (permuted,), _ = permute_changes([outcome], versions, ["shift", "flip", "exchange"], 20, seed=3)

    kept = rows.keep(np.isfinite(rows.take(outcome)))
    tested = np.arange(12) != 4
    statistics = PermutedStatistics(x, kept, settings, tested)
    slope, squared = statistics.compute(statistics.changes(permuted))

    for permutation, line in enumerate(permuted):
        expected = regress(x, line, rows, settings)
        assert ((expected.reason == "") == tested).all()
        np.testing.assert_allclose(squared[permutation], expected.statistic[tested] ** 2, rtol=1e-9)
        np.testing.assert_array_equal(np.sign(slope[permutation]), np.sign(expected.estimate[tested]))


@pytest.mark.parametrize("reference", ["t", "normal"])
def test_the_threshold_is_where_p_equals_alpha(reference):
    versions, x, y = random_study()
    rows = make_rows(versions, "within")
    found = regress(x, y[0], rows, Neurons(reference=reference))

    for alpha in found.p_value:
        settings = Neurons(reference=reference, alpha=alpha)
        limit = PermutedStatistics(x, rows, settings, np.full(12, True)).threshold()

        assert ((found.statistic**2 >= limit) == (found.p_value <= alpha)).all()
