"""The effects of changed neurons, against plain loops over the tables."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from intervention_tables import CONTROLS, LABELS, write_version

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    INTERVENTION_CONDITIONS,
    INTERVENTION_EFFECTS,
    QUALITY,
    predictions,
)
from bias_amplification.interventions.effects import compare_interventions
from bias_amplification.interventions.place import family_p_values, place_among
from bias_amplification.measures.contrasts import paired_contrast
from bias_amplification.study.sections import Interventions

SETS = {"bias": [8, 4], "quality": [8, 4]}
ACTIONS = [("restore base", None), ("scale", 0.5), ("scale", 2.0)]
PLANTED = {("bias", "bias"): -0.4, ("quality", "quality"): 0.8}


def compare(versions, tmp_path, bias="mean_probability", quality="quality", **settings):
    settings = {"sets": [{"name": name, "outcome": name} for name in ("bias", "quality")], **settings}
    interventions = Interventions.model_validate(settings)
    compare_interventions(versions, tmp_path / "effects.parquet", interventions, LABELS, bias, quality)
    return read_table(tmp_path / "effects.parquet", INTERVENTION_EFFECTS).to_pandas()


def read_differences(version, outcome, change, bias="mean_probability"):
    """Return the differences [1 + controls, articles] of a change, and the articles' values without any, by loops."""
    if outcome == "bias":
        table = read_table(version.predictions, predictions(LABELS)).to_pylist()
        value = {row["article_id"]: row["probability_red"] for row in table}
        if bias == "share":
            value = {
                row["article_id"]: None if row["predicted"] is None else float(row["predicted"] == "red")
                for row in table
            }
    else:
        value = {row["article_id"]: row["quality"] for row in read_table(version.quality, QUALITY).to_pylist()}
    articles = [name.removeprefix("00000/") for name in value if name.startswith("00000/")]
    lines = {}
    for row in read_table(version.conditions, INTERVENTION_CONDITIONS).to_pylist()[1:]:
        if (row["set"], row["size"], row["action"], row["amount"]) != change:
            continue
        pairs = [(value[f"{row['condition']:05d}/{name}"], value[f"00000/{name}"]) for name in articles]
        lines[row["control"]] = [np.nan if None in pair else pair[0] - pair[1] for pair in pairs]
    before = np.array([value[f"00000/{name}"] for name in articles], dtype=float)
    return np.array([lines[control] for control in sorted(lines)]), before


@pytest.mark.parametrize("bias", ["share", "mean_probability"])
def test_numbers_agree_with_plain_loops(tmp_path, bias):
    version = write_version(tmp_path, sets=SETS, actions=ACTIONS, planted=PLANTED, missing=True)

    table = compare([version], tmp_path, bias=bias)

    assert len(table) == 2 * 2 * 3 * 2 and not table.duplicated(["set", "size", "action", "amount", "outcome"]).any()
    for row in table.replace({"amount": {np.nan: None}}).to_dict("records"):
        change = row["set"], row["size"], row["action"], row["amount"]
        differences, before = read_differences(version, row["outcome"], change, bias)
        values = np.nanmean(differences, axis=1)
        assert len(values) == CONTROLS + 1 == row["controls"] + 1
        assert row["before"] == pytest.approx(np.nanmean(before))
        assert row["effect"] == pytest.approx(values[0])
        own = paired_contrast(differences[:1], span=1.0)
        largest = 3 if row["outcome"] == "quality" else 1
        ends = max(float(own.low), -largest), min(float(own.high), largest)
        assert (row["effect_low"], row["effect_high"]) == pytest.approx(ends)
        assert row["articles"] == np.isfinite(differences[0]).sum() < 12
        place = place_among(values, step=1 / row["articles"], tests=4 if row["told"] else 1)
        assert row["p_value"] == place.p_value and row["specific"] == pytest.approx(place.specific)
        assert (row["specific_low"], row["specific_high"]) == pytest.approx((place.low, place.high))
        assert row["seen"] == pytest.approx(place.seen) and row["smallest_p"] == 1 / (CONTROLS + 1)
        # No two controls share a neuron. The largest difference is that of the changes of weights.
        assert row["inflation"] == pytest.approx(1) and row["imbalance"] == pytest.approx(0.75)


def test_told_are_the_first_size_action_and_amount_of_the_config(tmp_path):
    version = write_version(tmp_path, sets=SETS, actions=ACTIONS, planted=PLANTED)

    table = compare([version], tmp_path)

    told = table[table["told"]]
    assert list(zip(told["set"], told["outcome"], strict=True)) == [
        ("bias", "bias"), ("bias", "quality"), ("quality", "bias"), ("quality", "quality"),
    ]  # fmt: skip
    # Conditions have sizes in ascending order; the config's first size is 8.
    assert set(told["size"]) == {8} and set(told["action"]) == {"restore base"}
    changes = [(name, 8, "restore base", None) for name in told["set"]]
    values = [
        read_differences(version, outcome, change)[0].mean(axis=1)
        for outcome, change in zip(told["outcome"], changes, strict=True)
    ]
    assert told["p_family"].tolist() == family_p_values(np.array(values), np.ones(4), 1 / 12).tolist()
    assert told["p_family"].tolist()[::3] == [0.05, 0.05] and (told["p_family"].iloc[[1, 2]] > 0.05).all()
    assert table[~table["told"]]["p_family"].isna().all()


def test_versions_are_averaged_control_by_control(tmp_path):
    versions = [
        write_version(tmp_path / str(place), sets={"bias": [4]}, planted=PLANTED, seed=place, name=("first", place, 3))
        for place in (1, 2, 3)
    ]

    table = compare(versions, tmp_path)

    assert table["round"].isna().sum() == 2 and table["replicate"].dropna().unique().tolist() == [1, 2, 3]
    together = table[table["round"].isna() & table["outcome"].eq("bias")].iloc[0]
    found = [read_differences(version, "bias", ("bias", 4, "restore base", None))[0] for version in versions]
    values = np.mean([one.mean(axis=1) for one in found], axis=0)
    contrast = paired_contrast(np.stack([one[0] for one in found]), span=1.0)
    assert together["versions"] == 3 and together["told"]
    assert together["effect"] == pytest.approx(values[0])
    assert (together["effect_low"], together["effect_high"]) == pytest.approx((contrast.low, contrast.high))
    # Sets and controls have the same neurons in all versions, so that nothing is inflated.
    assert together["inflation"] == pytest.approx(1)
    assert together["p_value"] == place_among(values).p_value
    assert together["specific"] == pytest.approx(values[0] - values[1:].mean())


def test_sets_of_all_significant_neurons_are_put_together_whatever_their_size(tmp_path):
    versions = [write_version(tmp_path / str(size), sets={"bias": [size]}, name=("first", size, 3)) for size in (4, 7)]

    table = compare(versions, tmp_path)

    together = table[table["round"].isna()]
    assert together["versions"].tolist() == [2, 2] and together["size"].tolist() == [6, 6]
    assert table[table["round"].notna()]["size"].tolist() == [4, 4, 7, 7]


def test_a_set_that_one_version_lacks_is_told_of_for_the_other(tmp_path):
    versions = [
        write_version(tmp_path / "1", sets=SETS, name=("first", 1, 3)),
        write_version(tmp_path / "2", sets={"bias": [4]}, name=("first", 2, 3)),
    ]

    table = compare(versions, tmp_path)

    together = table[table["round"].isna()].drop_duplicates(["set", "size"])
    # 8 neurons are told of in version 1, and 4 in version 2; both versions have these.
    found = together.set_index(["set", "size"])[["versions", "told"]].to_dict("index")
    assert found == {
        ("bias", 4): {"versions": 2, "told": True},
        ("bias", 8): {"versions": 1, "told": False},
        ("quality", 4): {"versions": 1, "told": False},
        ("quality", 8): {"versions": 1, "told": True},
    }


@pytest.mark.parametrize(
    ("chosen_on", "written"), [("own", "own"), ("others", "others"), (["second", "third"], "second, third")]
)
def test_rows_say_how_sets_were_chosen_and_what_is_expected_of_them(tmp_path, chosen_on, written):
    version = write_version(tmp_path, sets={"a": [3], "b": [3], "mine": [3], "other": [3]})
    sets = [
        {"name": "a", "outcome": "bias_only"},
        {"name": "b", "outcome": "both"},
        {"name": "mine", "file": "m.csv"},
        {"name": "other", "file": "m.csv", "helps": "quality"},
    ]

    table = compare([version], tmp_path, sets=sets, chosen_on=chosen_on)

    origins = table.drop_duplicates("set")["chosen_on"].tolist()
    assert origins == [written, written, "file", "file"]
    expected = table.drop_duplicates("set").set_index("set")["expected"].fillna("").to_dict()
    assert expected == {"a": "bias", "b": "both", "mine": "", "other": "quality"}


def test_without_sets_there_are_no_rows(tmp_path):
    version = write_version(tmp_path, sets={})

    assert compare([version], tmp_path).empty


def test_an_outcome_that_no_text_has_has_no_effect(tmp_path):
    version = write_version(tmp_path, sets={"bias": [4]})
    table = read_table(version.predictions, predictions(LABELS)).to_pandas()
    table[["predicted", "probability_red", "probability_blue"]] = None
    schema = predictions(LABELS)
    write_table(pa.Table.from_pandas(table, schema, preserve_index=False), version.predictions, schema)

    table = compare([version], tmp_path).set_index("outcome")

    assert pd.isna(table.loc["bias", ["before", "effect", "specific", "p_value", "p_family", "seen"]]).all()
    assert table.loc["quality", "p_family"] > 0 and table.loc["bias", "articles"] == 0


def test_tables_of_other_conditions_are_refused(tmp_path):
    version = write_version(tmp_path / "a", sets={"bias": [4]})
    other = write_version(tmp_path / "b", sets={"bias": [4, 8]})
    short = read_table(version.quality, QUALITY).slice(1)
    write_table(short, tmp_path / "b/quality.parquet", QUALITY)

    for wrong in (version._replace(predictions=other.predictions), version._replace(quality=other.quality)):
        with pytest.raises(StudyError, match=r"b/(predictions|quality)\.parquet does not have the same articles under"):
            compare([wrong], tmp_path)
