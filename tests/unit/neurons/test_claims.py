"""What a study claims, and when a claim is wrong."""

import numpy as np
import pytest
from random_studies import list_versions

from bias_amplification.neurons.claims import Truth, count_claims, level_of, misses, study_claims
from bias_amplification.neurons.worlds import Run, Simulation, plant, simulate
from bias_amplification.study.sections import Neurons


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


def simulated(studies=1):
    """Return studies of six rounds of eleven generations without an effect."""
    return simulate("random_walks", list_versions(6, 11), Run(np.zeros((66, 0)), []), studies, 20, seed=1)


def test_nothing_is_decided_where_an_outcome_never_changes():
    walks = simulated()
    still = Simulation(walks.world, walks.versions, walks.x, np.stack([walks.y[0], np.zeros_like(walks.y[1])]))

    claims = study_claims(still, 0, ["flip_generations"], Neurons(), 1)

    without = [claim for claim in claims if "quality" in claim or "overlap" in claim or claim.startswith("cross")]
    assert len(without) > 8 and {claims[claim] for claim in without} == {None}
    assert all(isinstance(claims[claim], bool) for claim in ("count of bias", "family-wise, bias", "reproduces, bias"))


def test_an_interval_misses_the_truth_if_another_is_told():
    planted = plant(simulated(8), [0, 1], slice(0, 4), 0.7)

    wrong = {r: count_claims(planted, ["flip_generations"], Neurons(), 1, truth=Truth(r, 1.0)) for r in (1.0, -1.0)}

    name = "interval of corrected correlation"
    assert len(wrong[1.0][name]) > 2
    assert wrong[1.0][name].mean() < 0.5 < wrong[-1.0][name].mean()
