"""What is said of changed neurons."""

import numpy as np
import pandas as pd
import pytest
from invented_effects import calibration, effects, missing

from bias_amplification.interventions.words import (
    NO_SET,
    action_in_words,
    calibration_in_words,
    interventions_in_words,
    missing_in_words,
    number_in_words,
    told_effects,
)


def in_words(table):
    """Return what is said of effects alone: without the simulated studies, which are last."""
    texts = interventions_in_words(table, missing(), calibration())
    return texts if table.empty else texts[:-1]


def test_what_was_done_is_said_first_with_the_error_rate():
    head, *sets = in_words(effects())

    assert len(sets) == 2
    assert head == (
        "In generation 10 of round first, the neurons of a set get back the incoming weights of the base model, and "
        "the model writes again. Each set is compared with 20 controls: random neurons, as many in each layer, as "
        "large and as changed. The sets were chosen on other rounds or replicates than the version in which they are "
        "changed. The p-values are adjusted for 4 comparisons: if no set acted, one of them would be told by chance in "
        "5% of studies (without the adjustment, in up to 19%)."
    )
    one = effects(sets=["bias"])
    one.loc[1, "p_family"] = np.nan
    assert in_words(one)[0].endswith("If the set did not act, this would be told by chance in 5% of studies.")
    one["p_family"] = np.nan
    assert in_words(one)[0].endswith("No comparison has a p-value.")
    assert "In generation 10 of round first, replicate 2," in in_words(effects(replicate=2))[0]


@pytest.mark.parametrize(
    ("chosen_on", "said"),
    [
        ("own", "chosen on the same versions that are changed. So this is no test on new data"),
        ("second, third", "chosen on other rounds: second, third."),
    ],
)
def test_the_versions_that_chose_are_named(chosen_on, said):
    assert said in in_words(effects(chosen_on=chosen_on))[0]


def test_sets_from_files_are_named_beside_others():
    table = pd.concat([effects(), effects(sets=["mine"], chosen_on="file")], ignore_index=True)

    head = in_words(table)[0]
    assert (
        "The sets bias, quality were chosen on other rounds or replicates than the version in which they are changed. "
        "The set mine was given in a file. The p-values are adjusted for 6 comparisons" in head
    )


def test_a_set_that_acts_on_its_own_outcome_alone_leaves_the_other_open():
    _, bias, quality = in_words(effects([("bias", "bias"), ("quality", "quality")]))

    assert bias == (
        "Set bias (10 neurons): bias changes by -20.0 points, with controls by +0.4; the difference is -20.4 [-30.0, "
        "+12.0], p = 0.0476; text quality changes by +0.01, with controls by +0.00; the difference is +0.01 [-0.30, "
        "+0.12], p = 0.4. So it acts on bias, its own outcome, more than its controls do. No effect on text quality is "
        "told, which is no evidence that there is none: for text quality looked at alone, differences from -0.30 to "
        "+0.12 fit, and one of 0.15 would have been told in 80% of studies."
    )
    assert (
        "So it acts on text quality, its own outcome, more than its controls do. No effect on bias is told" in quality
    )


def test_sets_that_act_on_both_on_none_or_on_the_other_outcome():
    _, both, other = in_words(effects([("bias", "bias"), ("bias", "quality"), ("quality", "bias")]))
    _, none, _ = in_words(effects())

    assert both.endswith(
        "So it acts on bias, its own outcome, more than its controls do and acts on text quality more than its "
        "controls do."
    )
    assert "So it acts on bias more than its controls do. No effect on text quality, its own outcome, is told" in other
    assert none.endswith(
        "No effect beyond that of its controls is told, which is no evidence that there is none: for bias looked at "
        "alone, differences from -30.0 to +12.0 points fit, and one of 15.0 points would have been told in 80% of "
        "studies; for text quality looked at alone, differences from -0.30 to +0.12 fit, and one of 0.15 would have "
        "been told in 80% of studies."
    )


def test_p_values_of_single_comparisons_decide_nothing():
    assert "So it acts" not in " ".join(in_words(effects(p_value=0.001)))


def test_unlike_controls_missing_values_and_useless_controls_are_said():
    table = effects([("bias", "quality")], sets=["bias"], standardised_difference=0.61)
    table.loc[0, ["p_family", "effect", "specific", "specific_low", "specific_high", "detectable"]] = np.nan
    _, own = in_words(table)
    _, useless = in_words(effects(sets=["bias"], detectable=np.nan))

    assert "bias has no value; text quality changes by -0.20" in own
    assert own.endswith("(standardised difference 0.61), which may cause a part of any difference.")
    assert "for bias, every difference fits, because all controls have the same neurons; for text" in useless


def test_several_versions_are_told_of_together():
    single = effects([("bias", "bias")])
    together = effects(round=None, replicate=np.nan, generation=np.nan, versions=3)
    table = pd.concat([single, together], ignore_index=True)

    assert len(told_effects(table)) == 4 and told_effects(table)["round"].isna().all()
    head, bias, _ = in_words(table)
    assert head.startswith("In 3 versions together, the neurons of a set get back")
    assert bias.startswith("Set bias (10 neurons, 3 versions): bias changes by +1.0 points")
    assert len(told_effects(single)) == 4


def test_nothing_is_told_without_a_set():
    assert in_words(effects().iloc[:0]) == [NO_SET]


@pytest.mark.parametrize(
    ("action", "amount", "words"),
    [
        ("restore base", None, "get back the incoming weights of the base model"),
        ("restore 3", None, "get back the incoming weights of generation 3"),
        ("transplant 9", None, "get the incoming weights of generation 9"),
        ("ablate zero", None, "have the output 0"),
        ("ablate mean", None, "have their mean output at every token"),
        ("scale", 0.5, "have 0.5 times their output"),
        ("steer base", -1.0, "have -1 times the change of their mean output since the base model added"),
    ],
)
def test_actions(action, amount, words):
    assert action_in_words(action, amount) == words


def test_numbers_have_the_units_of_their_outcome_and_zero_has_no_minus():
    assert number_in_words("bias", -0.1234) == "-12.3" and number_in_words("quality", -0.001) == "+0.00"
    assert number_in_words("quality", 0.5, sign=False) == "0.50"


def test_a_set_that_acts_less_than_its_controls_is_not_said_to_act_more():
    table = effects([("bias", "bias")], sets=["bias"])
    table.loc[0, ["effect", "controls_mean", "specific"]] = [0.0, -0.125, 0.125]
    _, less = in_words(table)
    table.loc[0, ["effect", "controls_mean", "specific"]] = [0.1, -0.125, 0.225]
    _, other = in_words(table)

    assert "So it acts on bias, its own outcome, less than its controls do." in less
    assert "So it acts on bias, its own outcome, in the other direction than its controls do." in other


def test_nothing_is_said_to_have_been_seen_with_too_few_controls():
    _, own = in_words(effects(sets=["bias"], smallest_p=1 / 19))

    assert "for bias, nothing can be told: too few controls have a value in all comparisons" in own
    assert "would have been told" not in own


def test_sets_that_could_not_be_made_are_named_with_the_reason():
    few = "only 40 neurons can be chosen"
    table = missing(("bias", 100, few), ("bias", 1000, few), ("quality", np.nan, "no neuron is significant at 0.05"))
    said = (
        "These sets could not be made, and are left out: bias with 100 and 1,000 neurons (only 40 neurons can be "
        "chosen); quality (no neuron is significant at 0.05)."
    )

    assert missing_in_words(table) == [said] and missing_in_words(missing()) == []
    assert interventions_in_words(effects().iloc[:0], table, calibration().iloc[:0]) == [NO_SET, said]
    assert interventions_in_words(effects(), table, calibration())[-2] == said
    replicates = pd.concat([missing(("bias", 100, few), replicate=number) for number in (1, 2)])
    assert missing_in_words(replicates) == [
        "These sets could not be made, and are left out: bias with 100 neurons in first, generation 10 and first, "
        f"replicate 2, generation 10 ({few})."
    ]


def test_simulated_studies_say_whether_verdicts_have_their_error_rate():
    assert calibration_in_words(calibration()) == (
        "In 1,000 simulated studies with the same sets and controls, in which no set acts more than its controls, one "
        "of the 4 comparisons is told in 4.7 to 5.3%, depending on what neurons do. So the verdicts have the error "
        "rate that they should have."
    )
    wrong = calibration([0.05, 0.121], valid=False)
    assert calibration_in_words(wrong).endswith(
        "is told in 5.0 to 12.1%, depending on what neurons do. That is more than the 5% that it should be, so the "
        "verdicts are not valid here."
    )
    assert interventions_in_words(effects(), missing(), wrong)[-1] == calibration_in_words(wrong)
    unlikely = calibration([0.05, 0.142], valid=False).replace({"world": {"half_explained": "mostly_explained"}})
    unlikely.loc[unlikely["world"] == "independent", "valid"] = True
    assert calibration_in_words(unlikely).endswith(
        "is told in 5.0%, depending on what neurons do. So the verdicts have the error rate that they should have. If "
        "nearly all effects followed from size and change, it would be 14.2%."
    )
    assert "no comparison" in calibration_in_words(calibration().iloc[:0]).lower()


def test_a_verdict_that_is_not_valid_is_none():
    _, own, _ = in_words(effects([("bias", "bias")], valid=False))

    assert own.endswith(
        "p = 0.4. Whether it acts more than its controls do is not said, because such a verdict is not valid here."
    )
    assert "So it acts" not in own
