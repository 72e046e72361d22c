"""The effects of changed neurons, against plain loops over the tables."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from intervention_tables import CONTROLS, LABELS, write_version
from scipy.stats import t as t_distribution

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    INTERVENTION_CALIBRATION,
    INTERVENTION_CONDITIONS,
    INTERVENTION_EFFECTS,
    INTERVENTION_MISSING,
    INTERVENTION_UNITS,
    QUALITY,
    predictions,
)
from bias_amplification.interventions.effects import Compared, compare_interventions
from bias_amplification.interventions.place import family_p_values, place_among
from bias_amplification.measures.contrasts import paired_contrast
from bias_amplification.study.sections import Interventions

SETS = {"bias": [8, 4], "quality": [8, 4]}
ACTIONS = [("restore base", None), ("scale", 0.5), ("scale", 2.0)]
PLANTED = {("bias", "bias"): -0.4, ("quality", "quality"): 0.8}


def compare(versions, tmp_path, bias="mean_probability", quality="quality", **settings):
    settings = {"sets": [{"name": name, "outcome": name} for name in ("bias", "quality")], **settings}
    interventions = Interventions.model_validate(settings)
    out = Compared(*(tmp_path / f"{name}.parquet" for name in Compared._fields))
    compare_interventions(versions, out, interventions, LABELS, bias, quality, seed=1)
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
        assert row["detectable"] == pytest.approx(place.detectable) and row["smallest_p"] == 1 / (CONTROLS + 1)
        # No two controls share a neuron. The largest difference is that of the changes of weights.
        assert row["inflation"] == pytest.approx(1) and row["standardised_difference"] == pytest.approx(0.75)


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


def share_neurons(version, seed):
    """Give every control 4 of 6 neurons of its own version, and the set the same neurons in all versions."""
    generator = np.random.default_rng(seed)
    table = read_table(version.units, INTERVENTION_UNITS).to_pandas()
    for control, rows in table.groupby("control"):
        free = 100 * seed + generator.permutation(6)
        table.loc[rows.index, "neuron"] = (free if control else np.arange(6))[: len(rows)].astype(np.int32)
    table["layer"] = np.int16(0)
    units = pa.Table.from_pandas(table, INTERVENTION_UNITS, preserve_index=False)
    write_table(units, version.units, INTERVENTION_UNITS)
    return {control: set(rows["neuron"]) for control, rows in table.groupby("control")}


def shared_variance(members, spreads):
    """Return the variances of sets and controls, by plain loops over pairs, if neurons had independent effects."""

    def covariance(first, second):
        return sum(s * t * len(m[first] & n[second]) / 16 for m, s in zip(members, spreads, strict=True)
                   for n, t in zip(members, spreads, strict=True))  # fmt: skip

    controls = range(1, CONTROLS + 1)
    mean = sum(covariance(i, j) for i in controls for j in controls) / CONTROLS**2
    own = covariance(0, 0) + mean - 2 * sum(covariance(0, j) for j in controls) / CONTROLS
    between = (sum(covariance(i, i) for i in controls) - CONTROLS * mean) / (CONTROLS - 1)
    return own, between


def test_shared_neurons_widen_intervals_and_bring_a_set_nearer_to_its_controls(tmp_path):
    settings = {"sets": {"bias": [4]}, "planted": {("bias", "bias"): -0.1}}
    versions = [write_version(tmp_path / str(k), **settings, seed=k, name=("first", k, 3)) for k in (1, 2)]
    members = [share_neurons(version, seed) for seed, version in enumerate(versions, 1)]

    table = compare(versions, tmp_path)

    change = ("bias", 4, "restore base", None)
    for outcome in ("bias", "quality"):
        found = [read_differences(version, outcome, change)[0].mean(axis=1) for version in versions]
        row = table[table["round"].isna() & table["outcome"].eq(outcome)].iloc[0]
        own, between = shared_variance(members, [one[1:].std() for one in found])
        factor = np.sqrt(own / between * CONTROLS / (CONTROLS + 1))
        assert factor > 1.5 and row["inflation"] == pytest.approx(factor)
        # The place, by hand: the set's difference from its controls is divided by the factor first.
        values = np.mean(found, axis=0)
        mean = values[1:].mean()
        values[0] = mean + (values[0] - mean) / factor
        far = np.abs(values - values.mean())
        assert row["p_value"] == pytest.approx((far >= far[0]).mean())
        # The interval is that of one more control, with two controls at the change by one of 24 texts.
        variance = np.sum((values[1:] - mean) ** 2) / (CONTROLS - 1) + 2 / 24**2 / (CONTROLS - 1)
        half = t_distribution.ppf(0.975, CONTROLS - 1) * np.sqrt(variance * (1 + 1 / CONTROLS)) * factor
        assert (row["specific_high"] - row["specific_low"]) / 2 == pytest.approx(half)
    single = table[table["round"].notna()]
    for number, rows in single.groupby("replicate"):
        own, between = shared_variance([members[int(number) - 1]], [1.0])
        factor = np.sqrt(own / between * CONTROLS / (CONTROLS + 1))
        assert factor > 1.2 and rows["inflation"].tolist() == pytest.approx([factor] * 2)


def test_sets_that_could_not_be_made_are_listed_with_their_version(tmp_path):
    reason = "only 31 neurons can be chosen"
    versions = [
        write_version(tmp_path / "1", sets={"bias": [4]}, missing_sets=[("bias", 40, reason)]),
        write_version(tmp_path / "2", sets={"bias": [4]}, name=("second", 2, 3)),
        write_version(tmp_path / "3", sets={}, name=("third", 1, 3), missing_sets=[("bias", None, "no neuron is")]),
    ]

    compare(versions, tmp_path)

    assert read_table(tmp_path / "missing.parquet", INTERVENTION_MISSING).to_pylist() == [
        {"round": "first", "replicate": 1, "generation": 3, "set": "bias", "size": 40, "reason": reason},
        {"round": "third", "replicate": 1, "generation": 3, "set": "bias", "size": None, "reason": "no neuron is"},
    ]


def test_conclusions_say_whether_their_error_rate_holds_in_simulated_studies(tmp_path):
    # The features of a set and of its controls are far apart in one version, and the same in the other.
    unlike = write_version(tmp_path / "unlike", sets={"bias": [4, 8]})
    alike = write_version(tmp_path / "alike", sets={"bias": [4, 8]})
    units = read_table(alike.units, INTERVENTION_UNITS).to_pandas()
    names = INTERVENTION_UNITS.names[-3:]
    drawn = np.random.default_rng(1).normal(size=(8, 3))
    units[names] = drawn[units.groupby(["set", "size", "control"]).cumcount()]
    write_table(pa.Table.from_pandas(units, INTERVENTION_UNITS, preserve_index=False), alike.units, INTERVENTION_UNITS)

    for version, valid in ((unlike, False), (alike, True)):
        table = compare([version], tmp_path)
        calibration = read_table(tmp_path / "calibration.parquet", INTERVENTION_CALIBRATION).to_pandas()

        family = calibration[calibration["claim"] == "family"].set_index("world")["valid"]
        assert (
            family["independent"]
            and family["half_explained"] == family["mostly_explained"] == valid
            and set(calibration["comparisons"]) == {2}
        )
        assert table[table["told"]]["valid"].tolist() == [valid] * 2 and table[~table["told"]]["valid"].isna().all()
    # Of several versions, conclusions are about all of them together.
    several = compare([alike, alike._replace(replicate=2)], tmp_path)
    assert several["valid"].notna().tolist() == (several["round"].isna() & several["told"]).tolist()


def test_sets_of_all_significant_neurons_are_put_together_whatever_their_size(tmp_path):
    versions = [write_version(tmp_path / str(size), sets={"bias": [size]}, name=("first", size, 3)) for size in (4, 7)]

    table = compare(versions, tmp_path, criterion="significant")

    together = table[table["round"].isna()]
    assert together["versions"].tolist() == [2, 2] and together["size"].tolist() == [6, 6]
    alone = table[table["round"].notna()]
    assert alone["size"].tolist() == [4, 4, 7, 7]
    # Conclusions are about both versions together.
    assert together["told"].all() and together["p_family"].notna().all()
    assert not alone["told"].any() and alone["p_family"].isna().all()
    # Sets of a wanted size keep it.
    strongest = compare(versions, tmp_path)
    assert strongest[strongest["round"].isna()]["size"].tolist() == [4, 4, 7, 7]


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

    assert pd.isna(table.loc["bias", ["before", "effect", "specific", "p_value", "p_family", "detectable"]]).all()
    assert table.loc["quality", "p_family"] > 0 and table.loc["bias", "articles"] == 0


def test_tables_of_other_conditions_are_refused(tmp_path):
    version = write_version(tmp_path / "a", sets={"bias": [4]})
    other = write_version(tmp_path / "b", sets={"bias": [4, 8]})
    short = read_table(version.quality, QUALITY).slice(1)
    write_table(short, tmp_path / "b/quality.parquet", QUALITY)

    for wrong in (version._replace(predictions=other.predictions), version._replace(quality=other.quality)):
        with pytest.raises(StudyError, match=r"b/(predictions|quality)\.parquet does not have the same articles under"):
            compare([wrong], tmp_path)
