"""What the top of the page says."""

import pandas as pd
import pytest
from page_tables import changes_of, make_contrasts, make_overlap
from reliability_tables import make_reliability

from bias_amplification.figures.answers import (
    HEADINGS,
    Line,
    answer_rows,
    answers_html,
    neurons_in_words,
    published_in_words,
    trust_in_words,
)


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


def score(candidate, split, test, validation=0.8):
    return {
        "candidate": candidate, "split": split, "test": {"macro_f1": test, "f1": dict.fromkeys("abc", test)},
        "validation": {"macro_f1": validation},
    }  # fmt: skip


def test_trust_is_said_of_the_selected_classifier_on_every_split(metrics):
    scores = [score("a", "random", 0.9, 0.7), score("b", "random", 0.61), score("b", "event", 0.58)]
    scores += [score("b", "outlet", 0.29)]
    metrics = metrics.assign(agreement=[0.45, *[0.7] * (len(metrics) - 2), 0.861], adjusted_misfit=0.272)

    assert trust_in_words(scores, metrics, "post") == (
        "The classifier's macro F1 is 0.61 on posts at random, 0.58 on new events and 0.29 on new outlets; guessing "
        "gives 0.33. A second classifier gives the same label to 45 to 86% of a version's posts. Up to 27% of a "
        "version's posts are beyond any mixture of the classifier's known confusions."
    )
    nothing = metrics.assign(agreement=float("nan"), adjusted_misfit=float("nan"))
    assert trust_in_words([], nothing, "post") == ""


def test_neurons_are_told_from_chance_or_not_or_nothing_is_said():
    keys = [("weight", name, "bias", "bias") for name in ("reliability", "prediction")]
    again = make_reliability({key: {"reproduces": True} for key in keys})
    told = make_overlap(p_bias=0.01)

    assert neurons_in_words(told, again, {}) == (
        "The number of neurons that go with an outcome is told from chance for 30 weights with bias (p ≤ 0.05). "
        "Associations are found again in other rounds: weights with bias."
    )
    assert neurons_in_words(make_overlap(), make_reliability(), {}) == (
        "The numbers of neurons that go with an outcome are not told from chance. No association is found again in "
        "other rounds, so nothing is said of common neurons."
    )
    wrong = {"flip_generations": {"count of bias": 0.25, "reproduces, bias": 0.19}}
    assert neurons_in_words(told, again, wrong) == (
        "Whether numbers of neurons are more than chance is not said, because this is wrong in up to 25% of simulated "
        "studies like this run. No association is found again in other rounds, so nothing is said of common neurons."
    )


def test_too_few_permutations_or_rounds_tell_nothing():
    few = make_overlap(smallest_p=0.125).assign(smallest_p=0.125, permutations=8)
    reliability = make_reliability().assign(smallest_p=0.125)

    expected = (
        "There are too few permutations (8) to tell whether numbers of neurons are more than chance. Whether "
        "associations are found again in other rounds cannot be told here."
    )
    assert neurons_in_words(few, reliability, {}) == expected
    unsplit = make_reliability().assign(splits=0)
    assert neurons_in_words(few, unsplit, {}) == expected


def test_published_numbers_are_counted_by_verdict():
    table = pd.DataFrame({"verdict": ["undecided", "different", "undecided"]})

    assert published_in_words(table) == "Compared with the run, 3 published numbers are: 2 undecided, 1 different."


@pytest.mark.parametrize("verdict", ["rises", "one replicate"])
def test_the_section_leads_to_its_figures_and_says_what_one_replicate_means(verdict):
    row = ["<a>", "blue", "1 to 2", "1 point", verdict, "", "", "", verdict]

    lines = [Line("Said & done.", ("table_1", "unknown"))]
    section = answers_html([row], lines, ["changes", "table_1"], "post", ["<svg></svg>"])

    assert '<th scope="row"><svg></svg>&lt;a&gt;</th><td data-heading="label">blue</td>' in section
    assert 'href="#changes"' in section and "unknown" not in section
    assert 'Said &amp; done. <span class="quiet"><a href="#table_1">table 1</a></span>' in section
    assert ("is not told to be that of the strategy" in section) == (verdict == "one replicate")
    assert "paired by post" in section
