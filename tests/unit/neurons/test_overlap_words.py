"""The estimated overlap in words."""

import pandas as pd
import pytest

from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.neurons.overlap_curve import NOT_REPRODUCED, NOTHING_TESTED, TOO_FEW_ROUNDS
from bias_amplification.neurons.overlap_words import overlap_in_words

VISIBLE = {
    "measure": "weight", "tested": 1000, "size": 100, "share": 0.4, "chance": 0.1, "visible": True, "halves": 0.2,
    "by": "rounds",
    "halves_common": 0.3, "halves_distinct": 0.06, "estimate": 0.55, "estimate_low": 0.25, "estimate_high": 0.8,
}  # fmt: skip
HIDDEN = VISIBLE | {
    "visible": False, "estimate": None, "estimate_low": 0.0, "estimate_high": 1.0, "reason": NOT_REPRODUCED,
    "ceiling_bias": 0.3, "ceiling_bias_low": 0.05, "ceiling_bias_high": 0.2, "p_ceiling_bias": 0.01,
    "ceiling_quality": 0.14, "ceiling_quality_low": 0.04, "ceiling_quality_high": 0.21, "p_ceiling_quality": 0.321,
}  # fmt: skip


def say(*rows):
    return overlap_in_words(pd.DataFrame([dict.fromkeys(NEURON_OVERLAP_CURVE.names) | row for row in rows]))


def test_an_estimate_is_told_with_interval_chance_and_what_the_halves_could_show():
    assert say(VISIBLE)["weight"] == (
        "Weights: of the 100 neurons most strongly associated with bias, an estimated 55% (95% interval 25% to "
        "80%) are also among the 100 most strongly associated with text quality. Unrelated sets would have 10% in"
        " common. So more neurons are common than by chance. Between halves of the rounds the two sets have 20% "
        "in common; with the noise of this study, the same neurons would give 30% and different neurons 6%."
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.0, 0.08, "So fewer neurons are common than by chance."),
        (0.0, 1.0, "Every share fits, so the study cannot tell common neurons from different ones."),
        (0.0, 0.6, "than by chance; shares above 60% do not fit."),
        (0.04, 1.0, "than by chance; shares below 4% do not fit."),
        (0.04, 0.6, "than by chance; shares below 4% and above 60% do not fit."),
    ],
)
def test_the_interval_decides_what_is_said(low, high, said):
    assert said in say(VISIBLE | {"estimate_low": low, "estimate_high": high})["weight"]


def test_sets_that_do_not_reproduce_are_no_finding():
    text = say(HIDDEN)["weight"]

    assert text == (
        "Weights: how many of their 100 strongest neurons bias and text quality have in common cannot be "
        "estimated. The neurons of text quality in one half of the rounds are not found again in the other half "
        "more often than by chance: 14% of them are, by chance 4% to 21% (p = 0.321). So every share from 0 to "
        "100% fits. In all rounds together, the sets have 40% in common, and unrelated sets would have 10%. With "
        "this much noise, that is no evidence for or against common neurons."
    )
    assert "distinct" not in text


def test_each_measure_tells_of_the_size_closest_to_a_tenth_of_the_tested_neurons():
    rows = [VISIBLE | {"size": size, "estimate": size / 1000} for size in (30, 100, 300)]
    rows += [HIDDEN | {"measure": "activation", "tested": 290, "size": size} for size in (10, 30, 100)]

    found = say(*rows)

    assert list(found) == ["weight", "activation"]
    assert "of the 100 neurons" in found["weight"] and "an estimated 10%" in found["weight"]
    assert "Activations: how many of their 30 strongest" in found["activation"]


def test_reasons_without_halves_are_told():
    few = say(HIDDEN | {"reason": TOO_FEW_ROUNDS, "estimate_low": None, "estimate_high": None})["weight"]
    nothing = say({"measure": "weight", "tested": 1, "visible": False, "reason": NOTHING_TESTED})["weight"]

    assert (
        "cannot be estimated, because it takes 4 rounds, or two replicates of every round, with both outcomes." in few
    )
    assert few.endswith("the sets have 40% in common, and unrelated sets would have 10%.")
    assert (
        nothing == "Weights: no overlap can be estimated, because fewer than two neurons are tested on both outcomes."
    )
