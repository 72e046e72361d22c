"""Whether associations of neurons reproduce, in words and as a table."""

import csv

import numpy as np
import pytest
from reliability_tables import make_reliability

from bias_amplification.artifacts.schemas import NEURON_RELIABILITY
from bias_amplification.figures.tables.reliability import (
    may_discuss_overlap,
    reproducibility_in_words,
    reproducibility_table,
    worst_rate,
    write_reproducibility_table,
)

NOT_TOLD = (
    "r = 0.10 [-0.05, 0.25], by chance -0.20 to 0.30, p = 0.4; predicting a held-out round from the others, "
    "r = 0.10 [-0.05, 0.25], by chance -0.20 to 0.30, p = 0.4"
)


def weights(table):
    return reproducibility_in_words(table[table["measure"] == "weight"])


def test_what_is_not_told_from_chance_is_not_called_absent():
    words = reproducibility_in_words(make_reliability())

    first, second = words.split(" For activations, ")
    assert first == (
        f"For weights, associations with bias are not told from chance (between halves of the rounds, {NOT_TOLD}). "
        "They are not ruled out: the interval between halves reaches up to 0.25. Associations with text quality are "
        f"not told from chance (between halves of the rounds, {NOT_TOLD}). They are not ruled out: the interval "
        "between halves reaches up to 0.25. So the overlap of the sets is not discussed."
    )
    assert second.startswith("associations with bias are not told")
    # An interval below zero has no reproducible association left.
    assert "ruled out" not in weights(make_reliability().assign(value_high=0.004))


def test_a_p_value_just_above_the_level_does_not_look_like_the_level():
    assert "not told from chance" in weights(make_reliability().assign(p_value=26 / 1024))
    assert "p = 0.0254;" in weights(make_reliability().assign(p_value=26 / 1024))


def test_two_outcomes_that_reproduce_lead_to_their_cross_correlation():
    table = make_reliability().assign(reproduces=True)

    assert weights(table).startswith("For weights, associations with bias reproduce (between halves of the rounds, ")
    assert weights(table).endswith(
        "Effects on bias in one half and on text quality in the other are not told from unrelated ones (r = 0.10 "
        "[-0.05, 0.25], by chance -0.20 to 0.30, p = 0.4); corrected for reliability, r = 0.10 [-0.05, 0.25]."
    )
    table["p_value"] = 0.01
    table.loc[table["statistic"] == "corrected", ["value", "value_low", "value_high"]] = np.nan
    assert "in the other are told from unrelated ones (" in weights(table)
    assert weights(table).endswith("p = 0.01).")


def test_one_outcome_that_reproduces_is_not_enough_for_the_overlap():
    table = make_reliability(
        {("weight", name, "bias", "bias"): {"reproduces": True} for name in ("reliability", "prediction")}
    )

    assert "associations with bias reproduce" in weights(table)
    assert "Associations with text quality are not told from chance" in weights(table)
    assert weights(table).endswith("So the overlap of the sets is not discussed.")


def test_numbers_without_a_value_have_their_reason_in_words():
    few = make_reliability().assign(splits=0, units=3, value=np.nan, reason="too few rounds")
    still = make_reliability()
    still.loc[still["source"] == "quality", ["value", "value_high", "p_value", "smallest_p"]] = np.nan
    still.loc[still["source"] == "quality", "reason"] = "constant outcome"
    moves = make_reliability().assign(smallest_p=0.125)

    assert weights(few) == (
        "For weights, whether associations reproduce cannot be told here: it takes four rounds, or two "
        "replicates of every round. So the overlap of the sets is not discussed."
    )
    assert "Associations with text quality have no value (constant outcome)." in weights(still)
    assert "associations with bias have too few permutations to tell whether they reproduce (between" in weights(moves)


def test_table_has_the_sentences_first_and_every_number():
    changed = {
        ("weight", "corrected", "bias", "quality"): {"value": np.nan, "reason": "a reliability is not above zero"}
    }

    table = reproducibility_table(make_reliability(changed))

    assert table["result"].iloc[0] == weights(make_reliability(changed))
    assert (table["result"] != "").tolist() == [place in (0, 10) for place in range(20)]
    assert table["correlation of"].tolist()[:10] == [
        "effects on bias: one half of the rounds and the other",
        "effects on text quality: one half of the rounds and the other",
        "bias of a held-out round, predicted by neurons of bias (100 of 1,288)",
        "text quality of a held-out round, predicted by neurons of text quality (100 of 1,288)",
        "effects on bias in one half of the rounds, on text quality in the other",
        "the same, corrected for reliability",
        "text quality of a held-out round, predicted by neurons of bias (100 of 1,288)",
        "bias of a held-out round, predicted by neurons of text quality (100 of 1,288)",
        "the same for bias, stepped up to all rounds",
        "the same for text quality, stepped up to all rounds",
    ]
    assert table["r [95% interval]"].iloc[0] == "0.10 [-0.05, 0.25]"
    assert table["by chance [95%]"].iloc[0] == "0.04 [-0.20, 0.30]"
    assert table.loc[5, ["r [95% interval]", "no value, because"]].tolist() == ["", "a reliability is not above zero"]


def test_table_is_written(tmp_path, write, validity):
    file = write(make_reliability(), "reliability.parquet", NEURON_RELIABILITY)

    write_reproducibility_table(file, **validity(), out=[tmp_path / "t.csv", tmp_path / "t.html"])

    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 20 and rows[0]["p"] == "0.4" and rows[0]["permutations"] == "1,024"
    assert "Do the neurons&#x27; associations reproduce?" in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_tests_that_are_not_valid_here_are_marked():
    invalid = {"flip_generations": {"prediction, bias neurons of quality": 0.21}}

    table = reproducibility_table(make_reliability(), invalid)

    marked = table[table["not valid here"] != ""]
    assert set(marked["not valid here"]) == {"21% wrong"} and len(marked) == 2
    assert (
        marked["correlation of"].str.startswith("text quality of a held-out round, predicted by neurons of bias").all()
    )


@pytest.mark.parametrize(
    ("claim", "marked"),
    [
        ("reliability, bias", ["reliability", "stepped_up"]),
        ("interval of reliability, bias", ["reliability", "stepped_up"]),
        ("reproduces, bias", ["prediction", "reliability", "stepped_up"]),
        ("interval of corrected correlation", ["corrected"]),
        ("cross-correlation", ["corrected", "cross_correlation"]),
    ],
)
def test_a_row_is_marked_by_its_test_its_interval_and_its_part_in_a_claim(claim, marked):
    rows = make_reliability()
    rows = rows[rows["measure"] == "weight"]

    found = [row["statistic"] for _, row in rows.iterrows() if worst_rate(row, {claim: 0.3}) == 0.3]

    assert sorted(found) == marked
    assert not [row for _, row in rows.iterrows() if worst_rate(row, {"count of bias": 0.3})]


def test_a_claim_that_is_often_wrong_here_is_not_made():
    keys = [("weight", name, one, one) for name in ("reliability", "prediction") for one in ("bias", "quality")]
    keys += [("weight", name, "bias", "quality") for name in ("cross_correlation", "corrected")]
    table = make_reliability({key: {"reproduces": True, "p_value": 0.01} for key in keys})
    own = table[table["measure"] == "weight"]

    said, withheld = (reproducibility_in_words(own, rates) for rates in ({}, {"reproduces, bias": 0.22}))

    assert "associations with bias reproduce (" in said and may_discuss_overlap(own, {})
    assert "whether associations with bias reproduce is not said, because such a claim is wrong in 22%" in withheld
    assert "Associations with text quality reproduce (" in withheld
    assert withheld.endswith("So the overlap of the sets is not discussed.")
    assert not may_discuss_overlap(own, {"reproduces, bias": 0.22})
