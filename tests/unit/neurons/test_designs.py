"""Rows of regressions, lags and kernels."""

import numpy as np
import pytest
from random_studies import list_versions

from bias_amplification.neurons.designs import Rows, Versions, bartlett_kernel, count_lags, make_rows


def test_the_kernel_is_zero_across_series_and_over_gaps():
    series, time = np.array([0, 0, 0, 1, 1]), np.array([1, 2, 4, 5, 6])

    kernel = bartlett_kernel(Rows(series, None, series, time, series, time), lags=2)

    expected = [
        [1, 2 / 3, 0, 0, 0],
        [2 / 3, 1, 1 / 3, 0, 0],
        [0, 1 / 3, 1, 0, 0],
        [0, 0, 0, 1, 2 / 3],
        [0, 0, 0, 2 / 3, 1],
    ]
    np.testing.assert_allclose(kernel, expected, rtol=1e-15)


def test_differences_within_rounds_skip_borders_and_missing_generations():
    rows = make_rows(Versions(["a", "a", "a", "b", "b", "b"], [0, 1, 2, 0, 1, 3]), "within")

    assert rows.take(np.array([1.0, 2.0, 4.0, 10.0, 13.0, 99.0])).tolist() == [1.0, 2.0, 3.0]
    assert rows.series.tolist() == [0, 0, 1]
    assert rows.time.tolist() == [1, 2, 1]


def test_the_paper_has_sixty_transitions():
    versions = list_versions(6, 11)

    lengths = [len(make_rows(versions, difference).after) for difference in ("within", "across", "levels")]

    assert lengths == [60, 65, 66]


@pytest.mark.parametrize(
    ("names", "numbers"), [(["a", "b", "a"], [0, 0, 1]), (["a", "a"], [1, 0]), (["a", "a"], [1, 1])]
)
def test_unsorted_versions_are_an_error(names, numbers):
    with pytest.raises(ValueError, match="round by round"):
        make_rows(Versions(names, numbers), "within")


def test_lags_of_the_plugin_rule():
    # 4 (60 / 100)^(2/9) = 3.57; 4 (100 / 100)^(2/9) = 4; 4 (1000 / 100)^(2/9) = 6.67.
    assert [count_lags("plugin", rows) for rows in (60, 100, 1000)] == [3, 4, 6]
    assert count_lags(2, 60) == 2
    assert count_lags("andrews", 60) is None
    with pytest.raises(ValueError, match="lags"):
        count_lags(-1, 60)


@pytest.mark.parametrize(("fixed_effects", "rank"), [("none", 1), ("rounds", 3), ("both", 3 + 5 - 1)])
def test_the_constants_are_those_of_dummies(fixed_effects, rank):
    rows = make_rows(list_versions(3, 6), "within")
    values = np.random.default_rng(1).normal(size=15)
    dummies = [np.ones((15, 1)), np.eye(3)[rows.group], np.eye(5)[rows.generation - 1]]
    columns = np.hstack(dummies[: ["none", "rounds", "both"].index(fixed_effects) + 1])

    basis = rows.constants(fixed_effects)

    fitted = columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    assert basis.shape == (15, rank) and rows.freedom(fixed_effects) == 15 - rank - 1
    np.testing.assert_allclose(basis @ (basis.T @ values), fitted, atol=1e-12)


def test_a_single_round_has_no_constants_of_generations():
    rows = make_rows(list_versions(1, 6), "within")

    np.testing.assert_allclose(np.abs(rows.constants("both")), np.full((5, 1), 1 / np.sqrt(5)))
