import csv

import numpy as np
import pandas as pd

from bias_amplification.artifacts.schemas import NEURON_OVERLAP, NEURON_SETS
from bias_amplification.figures.tables.neurons import (
    calibration_table,
    neuron_table,
    overlap_table,
    sensitivity_table,
    write_neuron_table,
)

CHOICES = {
    "named": "paper", "measure": "weight", "column": "weight_mean", "bias_measure": "share",
    "quality_measure": "class", "difference": "within", "reference": "normal", "tested": 10, "bias": 4,
    "quality": 3, "both": 2, "expected_both": 1.2, "both_low": 0.0, "both_high": 4.0, "p_bias": 0.1,
    "p_quality": 0.2,
    "verdict": "too few neurons to tell",
}  # fmt: skip


def test_counts_have_their_share_of_the_tested_neurons(tmp_path, sets, write, validity):
    file = write(sets, "sets.parquet", NEURON_SETS)

    write_neuron_table(file, **validity(), out=[tmp_path / "neurons.csv"])

    with (tmp_path / "neurons.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0] == {
        "measure": "weight", "counted": "p ≤ 0.05", "neurons": "9216", "bias": "3,243 (35.2%)",
        "quality": "1,033 (11.2%)", "both": "389 (4.2%)", "both expected by chance": "363.5",
        "P of this overlap or more": "0.0419", "odds ratio of overlap": "1.128",
        "share of true nulls, bias": "0.6", "share of true nulls, quality": "0.9",
        "not valid here": "",
    }  # fmt: skip
    assert rows[1]["counted"] == "false discovery rate 0.05"
    assert (rows[1]["bias"], rows[1]["both expected by chance"]) == ("2,252 (24.4%)", "")
    assert (rows[2]["counted"], rows[2]["quality"]) == ("the same under any dependence, 0.05", "1 (0.0%)")
    assert (rows[3]["counted"], rows[3]["bias"]) == ("family-wise error 0.05", "635 (6.9%)")
    assert (rows[4]["counted"], rows[4]["quality"]) == ("p ≤ 0.05, 3 lags", "1,100 (11.9%)")
    assert [row["measure"] for row in rows] == ["weight"] * 5 + ["activation"] * 5


def test_overlap_table_has_one_row_per_measure_and_scheme():
    rows = []
    for scheme, complete in (("shift", False), ("flip", True)):
        for measure in ("weight", "activation"):
            for layer in (None, 0, 1):
                row = dict.fromkeys(NEURON_OVERLAP.names, 0.25) | {
                    "bias": 3 + (layer or 0),
                    "bias_low": 1,
                    "bias_high": 6,
                }
                row |= {"scheme": scheme, "measure": measure, "layer": layer, "permutations": 200, "complete": complete}
                rows.append(row | {"verdict": f"verdict of {measure}"})

    table = overlap_table(pd.DataFrame(rows))

    assert table["permutations"].tolist() == ["shift, 200", "shift, 200", "flip, 200 (all)", "flip, 200 (all)"]
    assert table["bias"].tolist() == ["3 [1, 6]"] * 4
    assert table["overlap is"].tolist() == ["verdict of weight", "verdict of activation"] * 2


def test_each_way_of_counting_has_the_mark_of_its_own_claim(sets):
    rates = {"neuron": 0.3, "any neuron, bonferroni": 0.2, "neuron, plug-in lags": 0.4}
    invalid = {"flip": {"count of bias": 0.5}, "": rates}

    marks = neuron_table(sets, invalid)["not valid here"].tolist()

    assert marks == ["neuron (30%)", "", "", "any neuron, bonferroni (20%)", "neuron, plug-in lags (40%)"] * 2
    overlap = neuron_table(sets, {"": {"overlap of independent neurons": 0.6}})["not valid here"]
    assert overlap.tolist() == ["overlap of independent neurons (60%)", "", "", "", ""] * 2


def test_overlaps_have_the_marks_of_their_permutations_and_choices_those_of_the_first():
    invalid = {"flip": {"count of bias": 0.2, "reliability, bias": 0.5}, "shift": {"family-wise, bias": 0.1}, "": {}}
    row = dict.fromkeys(NEURON_OVERLAP.names, 0.25) | {"measure": "weight", "layer": None, "permutations": 9}
    table = overlap_table(pd.DataFrame([row | {"scheme": scheme} for scheme in ("shift", "flip", "exchange")]), invalid)
    choices = sensitivity_table(pd.DataFrame([CHOICES]), invalid)

    assert table["not valid here"].tolist() == ["family-wise, bias (10%)", "count of bias (20%)", ""]
    assert choices["not valid here"].tolist() == ["count of bias (20%)"]


def test_calibration_table_is_in_per_cent():
    rows = {
        "world": ["random_walks"] * 2, "test": ["neuron", "benjamini_hochberg"], "difference": ["levels"] * 2,
        "lags": ["newey_west", "1"], "reference": ["t"] * 2, "small_sample": [True, False],
        "fixed_effects": ["none"] * 2, "effect": [0.0, 0.5], "rejected": [0.4012, 0.001],
        "studies": [100, 40], "scheme": [None] * 2, "planted": [None] * 2, "valid": [False, None],
        "standard_error": [0.0031, 0.0002], "rejected_low": [0.1, np.nan], "rejected_high": [0.8, np.nan],
        "power": [np.nan, 0.5432], "false_discovery": [np.nan, 0.049],
    }  # fmt: skip

    table = calibration_table(pd.DataFrame(rows))

    assert table["wrong without effect (%)"].tolist() == ["40.1 ± 0.3", "0.1 ± 0.0"]
    assert table["valid"].tolist() == ["no", ""]
    assert table["95% of studies (%)"].tolist() == ["10 to 80", ""]
    assert table["power (%)"].tolist()[1] == 54.3
    assert table["test"].tolist() == ["one neuron", "benjamini hochberg"]


def test_sensitivity_table_has_the_range_of_the_overlap():
    table = sensitivity_table(pd.DataFrame([CHOICES]))

    assert table.loc[0, "both [95% of permutations]"] == "2 [0, 4]"
    assert table.loc[0, "neurons"] == "weight, mean"
    assert table.loc[0, "overlap is"] == "too few neurons to tell"
