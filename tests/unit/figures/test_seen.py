"""Titles that say what is seen."""

import pytest
from page_tables import make_contrasts

from bias_amplification.figures.seen import direction, seen_title

ROUNDS = {"balanced_synthetic": "synthetic", "balanced_preservation": "preservation"}
COLUMNS = ["share_blue", "text_quality_index"]
ENDS = {"balanced_synthetic": "33.3% to 61.2%", "balanced_preservation": "40.0% to 20.0%"}


@pytest.fixture
def contrasts(metrics):
    """Changes of three replicates: the share of blue rises with synthetic; all else is not told apart."""
    found = make_contrasts(metrics, "not told apart").assign(replicates=3)
    found.loc[(found["round"] == "balanced_synthetic") & (found["outcome"] == "share"), "verdict"] = "rises"
    return found


def put(contrasts, name, outcome, **values):
    place = (contrasts["round"] == name) & (contrasts["outcome"] == outcome)
    contrasts.loc[place, list(values)] = list(values.values())


def test_a_title_says_only_what_is_told_apart(contrasts):
    title = seen_title("Figure 3: bias", COLUMNS, ROUNDS, contrasts, ENDS)

    assert title == "Figure 3: the share of articles labelled blue rises with synthetic (33.3% to 61.2%)"
    assert seen_title("Bias", COLUMNS, ROUNDS, contrasts, ENDS, "post").startswith("The share of posts labelled blue")


def test_a_title_is_neutral_if_nothing_is_told_apart_or_tracked(contrasts):
    nothing = contrasts.assign(verdict="not told apart")

    assert seen_title("Figure 3: bias", COLUMNS, ROUNDS, nothing, ENDS) == "Figure 3: bias"
    # No round tracks red, and no change of perplexity is in the table.
    assert seen_title("Figure 6: red", ["share_red", "perplexity_base"], ROUNDS, contrasts, ENDS) == "Figure 6: red"


def test_directions_and_quality_are_named(contrasts):
    put(contrasts, "balanced_preservation", "share", verdict="falls")
    for name in ROUNDS:
        put(contrasts, name, "quality", verdict="falls")

    assert seen_title("Bias", COLUMNS, ROUNDS, contrasts, ENDS) == (
        "The share of articles labelled blue rises with synthetic (33.3% to 61.2%) and falls with preservation (40.0% "
        "to 20.0%); text quality falls with synthetic and preservation"
    )


def test_one_replicate_is_said_and_its_interval_must_exclude_0(contrasts):
    one = {"verdict": "one replicate", "replicates": 1}
    put(contrasts, "balanced_synthetic", "share", **one, estimate_low=0.02, estimate_high=0.3)
    put(contrasts, "balanced_preservation", "share", **one, estimate_low=-0.2, estimate_high=0.01)
    title = seen_title("Bias", COLUMNS, ROUNDS, contrasts, {})
    assert title == "The share of articles labelled blue rises with synthetic (one training of each round)"

    put(contrasts, "balanced_preservation", "share", verdict="falls", replicates=3)
    title = seen_title("Bias", COLUMNS, ROUNDS, contrasts, {})
    assert title.endswith("rises with synthetic and falls with preservation (one training of synthetic)")
    alone = {"balanced_synthetic": "synthetic"}
    assert seen_title("Bias", COLUMNS, alone, contrasts, {}).endswith("rises with synthetic (one training)")


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.1, 0.2, "rises"), (-0.2, -0.1, "falls"), (-0.1, 0.1, ""), (0.0, 0.1, "")]
)
def test_direction_of_one_replicate(low, high, expected):
    assert direction({"verdict": "one replicate", "estimate_low": low, "estimate_high": high}) == expected
    assert direction({"verdict": "not told apart", "estimate_low": low, "estimate_high": high}) == ""
    assert direction({"verdict": "one replicate", "estimate_low": float("nan"), "estimate_high": float("nan")}) == ""
