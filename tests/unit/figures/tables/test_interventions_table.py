"""The tables of interventions."""

import csv

import numpy as np
import pandas as pd
import pytest
from invented_effects import calibration, effects, missing

from bias_amplification.artifacts.schemas import INTERVENTION_CALIBRATION, INTERVENTION_EFFECTS, INTERVENTION_MISSING
from bias_amplification.figures.tables.interventions import write_calibration_table, write_interventions_table


def written(table, tmp_path, write, told, unit="article", left_out=None):
    file = write(table, "effects.parquet", INTERVENTION_EFFECTS)
    missing_file = write(missing() if left_out is None else left_out, "missing.parquet", INTERVENTION_MISSING)
    write_interventions_table(
        file, missing_file, [tmp_path / "effects.csv", tmp_path / "effects.html"], told=told, unit=unit
    )
    with (tmp_path / "effects.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_bias_is_in_points_and_quality_in_its_own_unit(tmp_path, write):
    interval = {"effect_low": -0.31, "effect_high": 0.05, "before": 0.75}

    bias, quality, *_ = written(effects([("bias", "bias")], **interval), tmp_path, write, told=True)

    assert bias == {
        "version": "first, generation 10", "set": "bias", "neurons": "10", "action": "restore base", "amount": "",
        "effect on": "bias", "own outcome": "yes", "before": "75.0", "effect": "-20.0 [-31.0, 5.0]",
        "controls": "0.4 [-20.6, 21.4]", "difference": "-20.4 [-30.0, 12.0]", "p": "0.04762", "p, adjusted": "0.04762",
        "told from controls": "yes", "detectable difference": "15.0", "neurons unlike controls (SD)": "0.1",
        "number of controls": "20",
        "articles": "48", "chosen on": "others",
    }  # fmt: skip
    shown = {name: quality[name] for name in ("effect on", "own outcome", "effect", "told from controls")}
    assert shown == {
        "effect on": "text quality", "own outcome": "", "effect": "0.01 [-0.31, 0.05]", "told from controls": "no",
    }  # fmt: skip
    assert "<h1>Which neurons act on what</h1>" in (tmp_path / "effects.html").read_text()


def test_the_first_table_has_what_is_told_and_the_second_all(tmp_path, write):
    single = effects(replicate=2)
    larger = effects(size=30, told=False, p_family=np.nan, action="scale", amount=0.5)
    together = effects(round=None, replicate=np.nan, generation=np.nan, versions=3, expected=None)
    table = pd.concat([single, larger, together], ignore_index=True)

    told, every = (written(table, tmp_path, write, told=wanted, unit="post") for wanted in (True, False))

    assert [row["version"] for row in told] == ["3 together"] * 4 and len(every) == 12
    assert every[0]["version"] == "first, replicate 2, generation 10" and every[0]["posts"] == "48"
    assert (every[4]["amount"], every[4]["p, adjusted"], every[4]["told from controls"]) == ("0.5", "", "")
    assert {row["own outcome"] for row in told} == {""}


def test_a_study_without_sets_has_the_headings(tmp_path, write):
    assert written(effects().iloc[:0], tmp_path, write, told=True) == []
    assert (tmp_path / "effects.csv").read_text().startswith("version,set,neurons,action,amount,effect on,")


@pytest.mark.parametrize("told", [True, False])
def test_sets_that_could_not_be_made_are_last_with_the_reason(tmp_path, write, told):
    left_out = missing(("bias", 100, "layer 2 has too few other neurons for controls"), ("quality", np.nan, "none"))

    *rows, large, unknown = written(effects(sets=["bias"]), tmp_path, write, told, left_out=left_out)

    assert len(rows) == 2 and {row["left out because"] for row in rows} == {""}
    assert {name: value for name, value in large.items() if value} == {
        "version": "first, generation 10", "set": "bias", "neurons": "100",
        "left out because": "layer 2 has too few other neurons for controls",
    }  # fmt: skip
    assert (unknown["set"], unknown["neurons"], unknown["left out because"]) == ("quality", "", "none")
    # The whole numbers of the rows above stay whole.
    assert [row["neurons"] for row in rows] == ["10", "10"] and rows[0]["number of controls"] == "20"


def test_a_comparison_that_is_not_valid_is_marked(tmp_path, write):
    table = effects([("bias", "bias")], valid=False)

    assert {row["told from controls"] for row in written(table, tmp_path, write, True)} == {"not valid here"}


def test_the_table_of_simulated_studies_marks_rates_that_are_too_large(tmp_path, write):
    file = write(calibration([0.05, 0.121], valid=False), "calibration.parquet", INTERVENTION_CALIBRATION)

    write_calibration_table(file, [tmp_path / "calibration.csv"])

    with (tmp_path / "calibration.csv").open(newline="", encoding="utf-8") as lines:
        first, second = csv.DictReader(lines)
    assert first["what neurons do"] == "independent effects" and first["p ≤ 5%"] == first["interval misses 0"] == "4.0"
    assert second["one comparison told, adjusted"] == "12.1 (not valid)" and second["p ≤ 20%"] == ""
    assert (second["comparisons"], second["studies"]) == ("4", "1000")
