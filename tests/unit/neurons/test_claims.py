"""What a study claims, and when a claim is wrong."""

import numpy as np
import pytest

from bias_amplification.neurons.claims import Truth, level_of, misses


@pytest.mark.parametrize(
    ("low", "value", "missed"),
    [
        (0.1, 0.0, True),
        (-0.1, 0.0, False),
        (0.0, 0.0, False),
        (-0.1, 0.4, True),
        (-0.1, None, None),
        (np.nan, 0.0, None),
    ],
)
def test_an_interval_misses_a_value_outside_of_it(low, value, missed):
    assert misses({"value_low": low, "value_high": 0.3}, value) is missed
    assert misses(None, value) is None


def test_intervals_and_verdicts_keep_their_level_whatever_alpha_is():
    assert [level_of(claim, 0.2) for claim in ("interval of overlap", "overlap alike", "count of bias")] == [
        0.05,
        0.05,
        0.2,
    ]


def test_without_a_share_of_common_neurons_no_neuron_has_an_effect():
    assert Truth().without_effects and not Truth(1.0, 0.0).without_effects
