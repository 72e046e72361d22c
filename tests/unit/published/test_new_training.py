"""Numbers of several replicates, compared with those of one published training."""

import math

import numpy as np
import pandas as pd
import pytest

from bias_amplification.published.numbers import Numbers, for_new_training
from bias_amplification.published.verdicts import Estimate


def around(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def metrics_of(values: dict, column: str = "share_right", half: float = 0.01) -> pd.DataFrame:
    """Return rows of a metrics table: values of replicates by round and generation (None for the base model)."""
    rows = [
        {"round": name, "replicate": replicate, "generation": generation, "seed_set": "balanced"}
        | {column: value, f"{column}_low": value - half, f"{column}_high": value + half}
        for (name, generation), replicates in values.items()
        for replicate, value in enumerate(replicates, start=1)
    ]
    return pd.DataFrame(rows)


def test_interval_is_the_prediction_interval_of_one_more_value():
    found = for_new_training([around(value, 0.01) for value in (0.5, 0.6, 0.7)])
    # Student's quantile for two degrees of freedom is 4.302653, s is 0.1: 4.302653 * 0.1 * sqrt(1 + 1/3).
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.6 - 0.496828, 0.6 + 0.496828), abs=1e-6)

    base = for_new_training([around(value, 0.01) for value in (0.5, 0.6, 0.7)], trained=False)
    assert (base.low, base.high) == pytest.approx((0.6 - 0.248414, 0.6 + 0.248414), abs=1e-6)


def test_one_replicate_keeps_its_interval_and_equal_ones_have_that_of_their_articles():
    one = Estimate(0.9, 0.85, 0.92)
    assert for_new_training([one]) == one
    assert not for_new_training([]).known

    equal = for_new_training([one] * 4)
    assert (equal.value, equal.low, equal.high) == pytest.approx((0.9, 0.875, 0.91))


@pytest.mark.parametrize("replicates", [2, 5, 10])
def test_training_of_the_same_process_is_rarely_outside(replicates):
    """With the interval of the mean, 8, 33 and 51% of the published numbers are outside instead of 5%."""
    generator = np.random.default_rng(1)
    studies, half = 2000, 0.005
    # The noise of training is 0.1; the error of the articles has a 95% interval of 0.005 and is part of the values.
    values = math.hypot(0.1, half / 1.96) * generator.normal(size=(studies, replicates + 1))

    outside = []
    for published, *own in values.tolist():
        number = for_new_training([around(value, half) for value in own])
        outside.append(number.minus(around(published, half)).sign != 0)

    # Three Monte Carlo standard errors of 2,000 studies are 1.5 points.
    assert np.mean(outside) == pytest.approx(0.05, abs=0.015)


def test_change_is_that_of_the_table_of_changes():
    # The replicates begin at different shares, and rise by 0.20, 0.21 or 0.22. The row of all together is not used.
    metrics = metrics_of(
        {("base", None): (0.1, 0.2, 0.3), ("mine", 0): (0.2, 0.4, 0.7), ("mine", 1): (0.4, 0.61, 0.92)}
    )
    changes = metrics_of({("mine", 0): (0.1, 0.2, 0.4), ("mine", 1): (0.2, 0.21, 0.22)})
    together = metrics_of({("mine", 1): (0.99,)}).assign(replicate=math.nan)
    numbers = Numbers(metrics, pd.concat([changes, together]))

    change = numbers.change("mine", "balanced", 1, "share_right")
    # s is 0.01: 4.302653 * 0.01 * sqrt(4/3). The articles' interval is 0.01 / sqrt(3), which is smaller.
    assert (change.value, change.low, change.high) == pytest.approx((0.21, 0.21 - 0.0496828, 0.21 + 0.0496828))
    assert numbers.change("mine", "balanced", 0, "share_right").value == pytest.approx(0.7 / 3)
    assert not numbers.change("base", "balanced", 0, "share_right").known
    # The base model is not trained again: 4.302653 * 0.1 / sqrt(3).
    assert numbers.at("base", "balanced", None, "share_right").high == pytest.approx(0.2 + 0.248414, abs=1e-6)


def test_published_changes_are_differences_of_independent_numbers():
    numbers = Numbers(metrics_of({("base", None): (0.1,), ("mine", 0): (0.2,), ("mine", 1): (0.5,)}))

    change = numbers.change("mine", "balanced", 1, "share_right")

    assert (change.value, change.high) == pytest.approx((0.3, 0.3 + 0.01 * math.sqrt(2)))
    assert numbers.change("mine", "balanced", 0, "share_right").value == pytest.approx(0.1)
    assert not numbers.change("mine", "balanced", 2, "share_right").known


def test_replicate_without_a_value_is_left_out_and_intervals_end_at_the_ends_of_the_scale():
    metrics = metrics_of({("mine", 0): (0.5, math.nan, 0.9), ("mine", 1): (math.nan, 0.5, math.nan)})
    changes = metrics_of({("mine", 1): (math.nan,) * 3, ("mine", 2): (0.4, math.nan, -0.4)})
    numbers = Numbers(metrics, changes)

    number = numbers.at("mine", "balanced", 0, "share_right")

    assert (number.value, number.low, number.high) == pytest.approx((0.7, 0.0, 1.0))
    assert numbers.at("mine", "balanced", 1, "share_right") == Estimate(0.5, 0.49, 0.51)
    assert not numbers.change("mine", "balanced", 1, "share_right").known
    change = numbers.change("mine", "balanced", 2, "share_right")
    assert (change.value, change.low, change.high) == pytest.approx((0.0, -1.0, 1.0))
    quality = Numbers(metrics_of({("mine", 0): (1.0, 2.0)}, "text_quality_index_weighted"))
    number = quality.at("mine", "balanced", 0, "text_quality_index_weighted")
    assert (number.low, number.high) == (0.0, 3.0)
