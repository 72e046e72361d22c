"""The table of the estimated overlap."""

import csv

import pandas as pd

from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.figures.tables.overlap_curve import overlap_curve_table, write_overlap_curve_table
from bias_amplification.neurons.overlap_curve import NOT_REPRODUCED, NOTHING_TESTED

ROW = dict.fromkeys(NEURON_OVERLAP_CURVE.names) | {
    "measure": "weight", "scheme": "flip", "complete": True, "permutations": 99, "tested": 1000, "size": 30,
    "share": 0.1, "share_low": 0.0, "share_high": 0.2, "share_null": "both", "chance": 0.03, "chance_by_layer": 0.04,
    "splits": 10, "halves": 0.05, "halves_low": 0.01, "halves_high": 0.06, "ceiling_bias": 0.4,
    "ceiling_bias_low": 0.02, "ceiling_bias_high": 0.2,
    "ceiling_quality": 0.3, "ceiling_quality_low": 0.03, "ceiling_quality_high": 0.21,
    "p_ceiling_bias": 0.01, "p_ceiling_quality": 0.02, "visible": True, "halves_common": 0.35, "halves_distinct": 0.02,
    "estimate": 0.08, "estimate_low": 0.0, "estimate_high": 0.446,
}  # fmt: skip
HIDDEN = {"size": 100, "visible": False, "estimate": None, "estimate_high": 1.0, "halves_common": None,
          "halves_distinct": None, "reason": NOT_REPRODUCED}  # fmt: skip


def test_shares_are_in_per_cent_with_their_ranges(tmp_path, write, validity):
    nothing = dict.fromkeys(ROW) | {name: ROW[name] for name in ("measure", "scheme", "complete", "permutations")}
    nothing |= {"tested": 1, "splits": 0, "visible": False, "reason": NOTHING_TESTED}
    file = write(pd.DataFrame([ROW, ROW | HIDDEN, nothing]), "curve.parquet", NEURON_OVERLAP_CURVE)

    write_overlap_curve_table(file, **validity(), out=[tmp_path / "curve.csv"])

    with (tmp_path / "curve.csv").open(newline="", encoding="utf-8") as lines:
        found, hidden, untested = csv.DictReader(lines)
    assert found == {
        "measure": "weight", "neurons in a set": "30", "estimate (%)": "8", "95% interval (%)": "0 to 45",
        "unrelated sets (%)": "3", "unrelated within layers (%)": "4", "found in all rounds (%)": "10 [0, 20]",
        "between halves (%)": "5 [1, 6]", "bias with itself (%)": "40 [2, 20]", "p, bias": "0.01",
        "text quality with itself (%)": "30 [3, 21]", "p, text quality": "0.02", "halves of the same neurons (%)": "35",
        "halves of different neurons (%)": "2", "no estimate because": "",
        "not valid here": "",
    }  # fmt: skip
    assert (hidden["estimate (%)"], hidden["95% interval (%)"]) == ("", "0 to 100")
    assert hidden["no estimate because"] == NOT_REPRODUCED
    assert untested["no estimate because"] == NOTHING_TESTED
    assert untested["95% interval (%)"] == untested["found in all rounds (%)"] == untested["neurons in a set"] == ""


def test_a_claim_about_the_overlap_that_is_often_wrong_is_named():
    invalid = {"flip": {"count of bias": 0.3, "interval of overlap": 0.1}, "": {"neuron": 0.2}}

    table = overlap_curve_table(pd.DataFrame([ROW, ROW | HIDDEN]), invalid)

    assert table["not valid here"].tolist() == ["interval of overlap (10%)"] * 2
