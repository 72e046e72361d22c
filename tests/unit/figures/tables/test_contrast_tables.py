import csv

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS, VARIANCE
from bias_amplification.figures.tables.contrasts import (
    changes_table,
    comparisons_table,
    in_words,
    sentence,
    variance_table,
    write_changes_table,
    write_variance_table,
)


def row(**others):
    return {
        "kind": "change",
        "outcome": "share",
        "seed_set": "balanced",
        "tracked_label": "right",
        "round": "balanced_synthetic",
        "strategy": "synthetic",
        "other_round": None,
        "other_strategy": None,
        "estimate": 0.121,
        "estimate_low": 0.04,
        "estimate_high": 0.202,
        "standard_error": 0.02,
        "degrees": 2.0,
        "p_value": 0.01,
        "p_value_adjusted": 0.03,
        "verdict": "rises",
        "replicates": 3,
        "articles": 300,
        "articles_different": 900,
        "replicates_needed": 4,
        "of_replicates": [0.1, 0.12, 0.14],
    } | others


UNCLEAR = {"estimate": 0.021, "estimate_low": -0.06, "estimate_high": 0.102, "p_value": 0.4, "p_value_adjusted": 0.9}
PAIR = {"kind": "pair", "other_round": "balanced_preservation", "other_strategy": "preservation"}
CONTROL = {"kind": "control", "other_round": "balanced_real", "other_strategy": "real"}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, "balanced synthetic: the share of right rises by 12.1 points [4.0, 20.2] (3 replicates)."),
        (
            {"verdict": "falls", "estimate": -0.121, "estimate_low": -0.202, "estimate_high": -0.04},
            "balanced synthetic: the share of right falls by 12.1 points [4.0, 20.2] (3 replicates).",
        ),
        (
            {"verdict": "not told apart", "replicates_needed": 14, **UNCLEAR},
            "balanced synthetic: the share of right is not told apart from no change (2.1 points [-6.0, 10.2], "
            "3 replicates); to tell one of this size apart would need about 14 replicates.",
        ),
        (
            {"verdict": "not told apart", "replicates_needed": None, **UNCLEAR},
            "balanced synthetic: the share of right is not told apart from no change (2.1 points [-6.0, 10.2], "
            "3 replicates); to tell one of this size apart would need more than 1,000 replicates.",
        ),
        (
            {"verdict": "not told apart", "replicates_needed": None, "articles_different": 300, **UNCLEAR},
            "balanced synthetic: the share of right is not told apart from no change (2.1 points [-6.0, 10.2], "
            "3 replicates); to tell one of this size apart would need more than 1,000 replicates, or more articles, "
            "because replicates share some.",
        ),
        (
            {"verdict": "not told apart", "replicates_needed": None, **UNCLEAR, "estimate": 0.0},
            "balanced synthetic: the share of right is not told apart from no change (0.0 points [-6.0, 10.2], "
            "3 replicates).",
        ),
        (
            {"verdict": "one replicate", "replicates": 1, "p_value": np.nan, **PAIR},
            "balanced synthetic compared with balanced preservation: the difference of the share of right is 12.1 "
            "points [4.0, 20.2] with one replicate that has the same articles in both. The interval holds the error of "
            "articles only, so it does not show what the strategy does.",
        ),
        (
            {"verdict": "one replicate", "replicates": 1, "p_value": np.nan},
            "balanced synthetic: the change of the share of right is 12.1 points [4.0, 20.2] with one replicate. The "
            "interval holds the error of articles only, so it does not show what the strategy does.",
        ),
        (
            {"verdict": "no value", "outcome": "quality", "estimate": np.nan},
            "balanced synthetic: no article has a value of the text quality index.",
        ),
        (
            {"verdict": "told apart", "outcome": "quality", **PAIR},
            "balanced synthetic compared with balanced preservation: the change of the text quality index is higher by "
            "0.121 [0.040, 0.202] (3 replicates).",
        ),
        (
            {"verdict": "not told apart", "p_value": 0.05, "p_value_adjusted": 0.07, **CONTROL},
            "balanced synthetic compared with the control balanced real: the share of right is not told apart from no "
            "difference (12.1 points [4.0, 20.2], 3 replicates): its own interval excludes 0, but among all "
            "comparisons this may be chance; to tell one of this size apart would need about 4 replicates.",
        ),
        (
            {"verdict": "not told apart", "replicates_needed": 9, **CONTROL, **UNCLEAR},
            "balanced synthetic compared with the control balanced real: the share of right is not told apart from no "
            "difference (2.1 points [-6.0, 10.2], 3 replicates); to tell one of this size apart would need about 9 "
            "replicates.",
        ),
    ],
)
def test_sentence(others, expected):
    assert sentence(pd.Series(row(**others))) == expected


def test_changes_stand_beside_what_is_left_beside_each_control():
    left = {"estimate": 0.08, "estimate_low": 0.01, "estimate_high": 0.15, "verdict": "told apart"}
    rows = [row(), row(round="left_synthetic"), row(**CONTROL, **left), row(**PAIR)]

    table = changes_table(pd.DataFrame(rows))

    assert table["round"].tolist() == ["balanced_synthetic", "left_synthetic"]
    assert table["change"].tolist() == ["12.1 points [4.0, 20.2]"] * 2
    assert table["beside real"].tolist() == ["8.0 points [1.0, 15.0]", ""]
    assert table["articles"].tolist() == ["300 in each replicate, 900 different ones"] * 2
    assert table["result"].iloc[0] == sentence(pd.Series(row()))


def test_controls_of_one_strategy_are_named():
    rows = [row(), row(round="slow"), row(**CONTROL), row(**CONTROL | {"round": "slow", "other_round": "slow_real"})]

    table = changes_table(pd.DataFrame(rows))

    assert table["beside real"].tolist() == [
        "12.1 points [4.0, 20.2] (balanced_real)", "12.1 points [4.0, 20.2] (slow_real)",
    ]  # fmt: skip


def test_comparisons_list_controls_first_and_have_headings_without_any():
    rows = pd.DataFrame(
        [row(), row(**PAIR, verdict="told apart"), row(**CONTROL, verdict="told apart", articles_different=300)]
    )

    table = comparisons_table(rows)

    assert table["compared with"].tolist() == ["balanced_real", "balanced_preservation"]
    assert table["p (Holm)"].tolist() == [0.03, 0.03]
    assert table["articles"].tolist() == [
        "300 in each replicate, 300 different ones",
        "300 in each replicate, 900 different ones",
    ]
    empty = comparisons_table(rows.iloc[:1])
    assert empty.empty
    assert list(empty.columns) == list(table.columns)


def make_variance():
    parts = {"strategies": 0.04, "replicates": 0.0, "training": 0.01, "articles": 0.09, "residual": 0.26}
    rows = [
        {"seed_set": "balanced", "tracked_label": "right", "outcome": outcome, "component": name}
        | {"variance": variance, "share": variance / 0.4, "strategies": 2, "replicates": 3, "articles": 300}
        | {"rounds": ["synthetic", "real"]}
        for outcome in ("share", "quality")
        for name, variance in parts.items()
    ]
    return pd.DataFrame(rows)


def test_variance_is_shown_as_standard_deviations_and_shares():
    table = variance_table(make_variance())

    assert table["outcome"].tolist() == ["share of right (points)", "text quality index"]
    assert table["articles"].tolist() == ["30.0 (22.5%)", "0.300 (22.5%)"]
    assert table["replicates"].tolist() == ["0.0 (0.0%)", "0.000 (0.0%)"]
    assert table["number of strategies"].tolist() == [2, 2]
    assert table["rounds"].tolist() == ["synthetic, real"] * 2


def test_files_are_written_from_the_tables(tmp_path):
    contrasts = pa.Table.from_pandas(pd.DataFrame([row(), row(**CONTROL)]), CONTRASTS, preserve_index=False)
    write_table(contrasts, tmp_path / "contrasts.parquet", CONTRASTS)
    variance = pa.Table.from_pandas(make_variance(), VARIANCE, preserve_index=False)
    write_table(variance, tmp_path / "variance.parquet", VARIANCE)

    write_changes_table(tmp_path / "contrasts.parquet", [tmp_path / "changes.csv", tmp_path / "changes.html"])
    write_variance_table(tmp_path / "variance.parquet", [tmp_path / "variance.csv"])

    [found] = csv.DictReader((tmp_path / "changes.csv").open())
    assert found["result"] == sentence(pd.Series(row()))
    assert found["beside real"] == "12.1 points [4.0, 20.2]"
    assert "rises by 12.1 points" in (tmp_path / "changes.html").read_text()
    assert len(list(csv.DictReader((tmp_path / "variance.csv").open()))) == 2


def test_variance_table_without_rows_has_its_columns(tmp_path):
    write_table(VARIANCE.empty_table(), tmp_path / "variance.parquet", VARIANCE)

    write_variance_table(tmp_path / "variance.parquet", [tmp_path / "variance.csv"])

    assert list(pd.read_csv(tmp_path / "variance.csv")) == list(variance_table(make_variance()))


@pytest.mark.parametrize(
    ("estimate", "low", "high", "expected"),
    [
        (0.0726, 0.0003, 0.145, "0.0726 [0.0003, 0.1450]"),
        (-0.0726, -0.145, -0.0005, "-0.0726 [-0.1450, -0.0005]"),
        (0.0726, -0.0003, 0.145, "0.073 [0.000, 0.145]"),
        (0.0726, 0.0, 0.145, "0.073 [0.000, 0.145]"),
        (1e-9, 1e-12, 2e-9, "0.000000 [0.000000, 0.000000]"),
        (np.nan, np.nan, np.nan, ""),
        (0.5, np.nan, np.nan, "0.500"),
    ],
)
def test_an_interval_that_excludes_0_looks_so(estimate, low, high, expected):
    one = pd.Series(row(outcome="quality", estimate=estimate, estimate_low=low, estimate_high=high))

    assert in_words(one) == expected
    mirrored = one.to_dict() | {"estimate": -estimate, "estimate_low": -high, "estimate_high": -low}
    assert in_words(pd.Series(mirrored), direction=-1) == expected


def test_an_estimate_without_a_value_has_no_unit():
    assert in_words(pd.Series(row(estimate=np.nan, estimate_low=np.nan, estimate_high=np.nan))) == ""
