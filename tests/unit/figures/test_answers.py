"""What the top of the page says."""

import numpy as np
import pandas as pd
import pytest
from page_tables import changes_of, make_contrasts, make_overlap
from reliability_tables import make_calibration, make_reliability, make_world

from bias_amplification.figures.answers import (
    HEADINGS,
    Line,
    answer_rows,
    answers_html,
    neurons_in_words,
    published_in_words,
    trust_in_words,
)
from bias_amplification.figures.neuron_validity import known_here

#: Tests of which it is known whether they are valid.
KNOWN = [f"{claim} {outcome}" for claim in ("count of", "reproduces,") for outcome in ("bias", "quality")]


def test_each_round_has_its_numbers(metrics):
    rows = answer_rows(metrics, changes_of(metrics), make_contrasts(metrics, "rises"))

    assert [row[0] for row in rows[:2]] == ["balanced synthetic", "balanced overfitting"] and len(rows) == 6
    assert {len(row) for row in rows} == {len(HEADINGS)}
    own = metrics[metrics["round"] == "balanced_synthetic"].set_index("generation")
    first, last = (100 * own.loc[generation, "share_blue"] for generation in (0, 10))
    _, label, share, change, verdict, ways, quality, quality_change, _verdict = rows[0]
    assert (label, share, verdict) == ("blue", f"{first:.1f} to {last:.1f}", "rises")
    assert change.startswith(f"{last - first:.1f} points [")
    assert ways == "4 of 4 the same way"
    ends = [own.loc[generation, "text_quality_index"] for generation in (0, 10)]
    assert quality == "{:.2f} to {:.2f}".format(*ends) and quality_change.startswith(f"{ends[1] - ends[0]:.3f} [")


def test_quality_is_the_index_whose_change_is_told(metrics):
    [row, *_] = answer_rows(metrics, changes_of(metrics), make_contrasts(metrics), "text_quality_index_weighted")

    own = metrics[metrics["round"] == "balanced_synthetic"].set_index("generation")["text_quality_index_weighted"]
    assert row[6] == f"{own.loc[0]:.2f} to {own.loc[10]:.2f}"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.02, 0.3, "rises"), (-0.3, -0.02, "falls"), (-0.1, 0.2, "not told apart")]
)
def test_with_one_replicate_the_interval_over_articles_tells_of_this_training(metrics, low, high, expected):
    contrasts = make_contrasts(metrics, "one replicate").assign(estimate_low=low, estimate_high=high)

    rows = answer_rows(metrics, changes_of(metrics), contrasts)

    assert {row[4] for row in rows} == {row[8] for row in rows} == {f"{expected} (one training)"}


def test_generations_without_labels_or_rounds_without_any_have_no_value(metrics):
    tracked = [name for name in metrics.columns if name.endswith(("_blue", "_blue_low", "_blue_high"))]
    last = (metrics["round"] == "balanced_synthetic") & (metrics["generation"] == 10)
    metrics.loc[last | (metrics["round"] == "balanced_overfitting"), tracked] = np.nan
    contrasts = make_contrasts(metrics)
    contrasts.loc[contrasts["estimate"].isna(), "verdict"] = "no value"

    rows = answer_rows(metrics, changes_of(metrics), contrasts)

    assert rows[0][2:6] == ["50.0 to no value", "", "no value", ""]
    assert rows[1][2:6] == ["no value to no value", "", "no value", ""]
    assert "no value" not in rows[2]


def test_a_study_of_one_generation_has_no_change(metrics):
    contrasts = make_contrasts(metrics, "one replicate").assign(estimate=0.0, estimate_low=-0.04, estimate_high=0.04)
    only = metrics[metrics["generation"].fillna(0) == 0]

    rows = answer_rows(only, changes_of(only), contrasts)

    assert rows[0][2:6] == ["50.0", "", "only one generation", ""]


def score(candidate, split, test, validation=0.8):
    tested = {"macro_f1": test, "f1": dict.fromkeys("abc", test), "calibration": {"expected_error": 0.0345}}
    return {"candidate": candidate, "split": split, "test": tested, "validation": {"macro_f1": validation}}


def test_trust_is_said_of_the_selected_classifier_on_every_split(metrics):
    scores = [score("a", "random", 0.9, 0.7), score("b", "random", 0.61), score("b", "event", 0.58)]
    scores += [score("b", "outlet", 0.29)]
    metrics = metrics.assign(agreement=[0.45, *[0.7] * (len(metrics) - 2), 0.861], adjusted_misfit=0.272)

    assert trust_in_words(scores, metrics, "story") == (
        "The classifier's macro F1 is 0.61 on stories at random, 0.58 on new events and 0.29 on new outlets; guessing "
        "gives at most 0.33. On test stories, its confidence differs from its accuracy by 3.5 points on average. A "
        "second classifier gives the same label to 45 to 86% of a version's stories. Up to 27% of a version's stories "
        "are beyond any mixture of the classifier's known confusions."
    )
    nothing = metrics.assign(agreement=float("nan"), adjusted_misfit=float("nan"))
    assert trust_in_words([], nothing, "post") == ""


def test_neurons_are_told_from_chance_or_not_or_nothing_is_said():
    keys = [("weight", name, "bias", "bias") for name in ("reliability", "prediction")]
    again = make_reliability({key: {"reproduces": True} for key in keys})
    told = make_overlap(p_bias=0.01)

    assert neurons_in_words(told, again, {}, KNOWN) == (
        "The number of neurons that go with an outcome is told from chance for 30 weights with bias (each number by "
        "itself, p ≤ 0.05). Associations are found again in other rounds: weights with bias."
    )
    assert neurons_in_words(make_overlap(), make_reliability(), {}, KNOWN) == (
        "The numbers of neurons that go with an outcome are not told from chance. Associations are not told from "
        "chance in other rounds, so nothing is said of common neurons."
    )
    # The rate of another claim is not named.
    wrong = {"flip_generations": {"count of bias": 0.25, "count of both": 0.5, "reproduces, bias": 0.19}}
    assert neurons_in_words(told, again, wrong, KNOWN) == (
        "Whether numbers of neurons are more than chance is not said, because this is wrong in up to 25% of simulated "
        "studies like this run. Whether associations of weights with bias are found again in other rounds is not said, "
        "because this is wrong in up to 19% of simulated studies like this run."
    )


def test_claims_whose_error_rate_is_not_known_say_so():
    again = make_reliability({("weight", "reliability", "bias", "bias"): {"reproduces": True}})

    assert neurons_in_words(make_overlap(p_bias=0.01), again, {}, []) == (
        "The number of neurons that go with an outcome is told from chance for 30 weights with bias (each number by "
        "itself, p ≤ 0.05; whether this test is valid here is not known). Associations are found again in other "
        "rounds: weights with bias; whether this test is valid here is not known."
    )
    others = make_reliability({("activation", "reliability", "bias", "bias"): {"reproduces": True}})
    assert neurons_in_words(make_overlap(), others, {}, KNOWN).endswith(
        "Associations are found again in other rounds: activations with bias. Error rates are simulated with the "
        "neurons' weights, not with their activations."
    )
    calibration = make_calibration().assign(valid=None)
    assert known_here(calibration, make_world()) == set()
    assert known_here(make_calibration(), make_world()) == {"count of bias"}


def test_too_few_permutations_or_rounds_tell_nothing():
    few = make_overlap(smallest_p=0.125).assign(smallest_p=0.125, permutations=8)
    reliability = make_reliability().assign(smallest_p=0.125)

    expected = (
        "There are too few permutations (8) to tell whether numbers of neurons are more than chance. Whether "
        "associations are found again in other rounds cannot be told here."
    )
    assert neurons_in_words(few, reliability, {}, KNOWN) == expected
    untested = make_overlap().assign(p_bias=None, p_quality=None)
    assert neurons_in_words(untested, reliability, {}, KNOWN).startswith("No number of neurons that go with an outcome")
    unsplit = make_reliability().assign(splits=0)
    assert neurons_in_words(few, unsplit, {}, KNOWN) == expected


def test_published_numbers_are_counted_by_verdict():
    table = pd.DataFrame({"verdict": ["undecided", "different", "undecided"]})

    assert published_in_words(table) == (
        "Verdicts on the 3 published numbers beside the run's own: 0 within sampling error, 0 same direction, 1 "
        "different, 2 undecided, 0 not comparable."
    )


@pytest.mark.parametrize("verdict", ["rises", "rises (one training)"])
def test_the_section_leads_to_its_figures_and_says_what_one_training_means(verdict):
    row = ["<a>", "blue", "1 to 2", "1 point", verdict, "", "", "", verdict]

    lines = [Line("Said & done.", ("table_1", "unknown"))]
    section = answers_html([row], lines, ["changes", "table_1"], "post", ["<svg></svg>"])

    assert '<th scope="row"><svg></svg>&lt;a&gt;</th><td data-heading="label">blue</td>' in section
    assert 'href="#changes"' in section and "unknown" not in section
    assert 'Said &amp; done. <span class="quiet"><a href="#table_1">table 1</a></span>' in section
    assert ("about this model and not about the strategy" in section) == (verdict == "rises (one training)")
    assert "paired by post" in section
