import csv
import json
import re

import numpy as np
import pandas as pd
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import CLEANING, NEURON_SETS
from bias_amplification.figures.index import write_index
from bias_amplification.figures.tables import (
    write_classifier_table,
    write_cleaning_table,
    write_metrics_table,
    write_neuron_table,
    write_table_for_reading,
)


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_numbers_are_rounded_and_gaps_stay_empty(tmp_path):
    table = pd.DataFrame(
        {"name": ["a|b", None], "share": [0.123456, np.nan], "count": [1234567, 3], "large": [123456.7, 2.0]}
    )

    write_table_for_reading(table, [tmp_path / f"table{ending}" for ending in (".csv", ".md", ".html")], "A table")

    assert (tmp_path / "table.csv").read_text() == ("name,share,count,large\na|b,0.1235,1234567,123457\n,,3,2\n")
    assert (tmp_path / "table.md").read_text().splitlines() == [
        "| name | share | count | large |",
        "| --- | --- | --- | --- |",
        "| a\\|b | 0.1235 | 1234567 | 123457 |",
        "|  |  | 3 | 2 |",
    ]
    assert '<td>a|b</td><td class="number">0.1235</td>' in (tmp_path / "table.html").read_text()


def test_html_cells_and_headings_are_escaped(tmp_path):
    write_table_for_reading(pd.DataFrame({"<b>": ["<script>"]}), [tmp_path / "t.html"], "<i>")

    page = (tmp_path / "t.html").read_text()
    assert "<script>" not in page and "<b>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"t\.xls"):
        write_table_for_reading(pd.DataFrame({"a": [1]}), [tmp_path / "t.xls"], "")


def write_scores(folder, candidate, split, macro_f1):
    part = {"macro_f1": macro_f1, "f1": {"red": macro_f1 + 0.01}, "accuracy": macro_f1, "loss": 0.4035}
    scores = {
        "candidate": candidate, "model": candidate, "split": split, "validation": part, "test": part, "best_epoch": 2,
        "parameters": 1000, "articles": {"train": 70, "validation": 15, "test": 15},
    }  # fmt: skip
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(scores))
    return folder / "scores.json"


def test_table_1_has_a_row_a_classifier_and_leaves_out_what_was_not_measured(tmp_path):
    files = [
        write_scores(tmp_path / "small", "small", "random", 0.85559),
        write_scores(tmp_path / "large", "large", "random", 0.91963),
        write_scores(tmp_path / "event", "large", "event", 0.7),
    ]

    write_classifier_table(files, [tmp_path / "table_1.csv"])

    rows = read_csv(tmp_path / "table_1.csv")
    columns = ("candidate", "split", "selected", "macro F1 test", "f1 red test", "loss test", "test articles")
    assert [[row[name] for name in columns] for row in rows] == [
        ["small", "random", "", "0.8556", "0.8656", "0.4035", "15"],
        ["large", "random", "yes", "0.9196", "0.9296", "0.4035", "15"],
        ["large", "event", "", "0.7", "0.71", "0.4035", "15"],
    ]
    assert not [name for name in rows[0] if "published" in name or "seconds" in name]


def test_scores_that_are_damaged_are_named(tmp_path):
    file = write_scores(tmp_path / "small", "small", "random", 0.8)
    file.write_text("{")

    with pytest.raises(StudyError, match=r"scores\.json is missing or damaged"):
        write_classifier_table([file], [tmp_path / "t.csv"])


def test_the_cleaning_table_says_what_was_kept(tmp_path, write):
    table = pd.DataFrame(
        {"step": ["read", "clean"], "finding": ["broken row", "mojibake"], "kept": [False, True],
         "articles": [3, 1200], "examples": [None, "a1, a2"]}
    )  # fmt: skip

    write_cleaning_table(write(table, "cleaning.parquet", CLEANING), [tmp_path / "cleaning.csv"])

    assert (tmp_path / "cleaning.csv").read_text().splitlines() == [
        "step,finding,kept,articles,examples", "read,broken row,no,3,", 'clean,mojibake,yes,1200,"a1, a2"',
    ]  # fmt: skip


def test_the_metrics_table_has_a_row_a_version_and_intervals_in_the_cell(tmp_path, metrics, metrics_file, labels):
    write_metrics_table(metrics_file, [tmp_path / "metrics.csv"], labels=labels)

    rows = read_csv(tmp_path / "metrics.csv")
    assert len(rows) == 68
    assert rows[0]["round"] == "base" and rows[0]["generation"] == ""
    first = next(row for row in rows if row["round"] == "balanced_synthetic")
    table = metrics[metrics["round"] == "balanced_synthetic"].iloc[0]
    share, low, high = (100 * table[f"share_red{end}"] for end in ("", "_low", "_high"))
    assert first["share red (%)"] == f"{share:.1f} [{low:.1f}, {high:.1f}]"
    assert first["generation"] == "0" and first["articles"] == "300"
    assert first["text quality index"] == "2.350 [2.310, 2.390]"
    assert not [name for name in first if name.endswith(("low", "high"))]


def test_neuron_counts_come_with_their_share_of_the_tested(tmp_path, sets, write):
    file = write(sets, "sets.parquet", NEURON_SETS)

    write_neuron_table(file, [tmp_path / "neurons.csv"])

    rows = read_csv(tmp_path / "neurons.csv")
    assert rows[0] == {
        "measure": "weight", "counted": "p < 0.05", "neurons": "9216", "bias": "3,243 (35.2%)",
        "quality": "1,033 (11.2%)", "both": "389 (4.2%)", "both expected by chance": "363.5",
        "P of this overlap or more": "0.0419", "odds ratio of overlap": "1.13 [0.98, 1.29]",
        "share of true nulls, bias": "0.6", "share of true nulls, quality": "0.9",
    }  # fmt: skip
    assert rows[1]["counted"] == "false discovery rate 0.05"
    assert (rows[1]["bias"], rows[1]["both expected by chance"]) == ("2,252 (24.4%)", "")
    assert (rows[2]["counted"], rows[2]["quality"]) == ("the same under any dependence, 0.05", "1 (0.0%)")
    assert (rows[3]["counted"], rows[3]["bias"]) == ("family-wise error 0.05", "635 (6.9%)")
    assert (rows[4]["counted"], rows[4]["quality"]) == ("p < 0.05, 3 lags", "1,100 (11.9%)")
    assert [row["measure"] for row in rows] == ["weight"] * 5 + ["activation"] * 5


def test_the_index_shows_figures_and_tables_by_relative_links(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "figures/figure 2.png").write_bytes(b"png")
    (tmp_path / "figures/figure 2.svg").write_bytes(b"svg")
    (tmp_path / "tables/table_1.csv").write_text("candidate,macro f1\n<script>,0.9\n")
    entries = [
        {"group": "Bias & quality", "title": "Figure 2", "caption": "What is <seen>.",
         "files": [tmp_path / "figures/figure 2.png", tmp_path / "figures/figure 2.svg"]},
        {"group": "Tables", "title": "Table 1", "caption": "Scores.", "files": [tmp_path / "tables/table_1.csv"]},
    ]  # fmt: skip

    write_index(tmp_path / "index.html", entries, title="A study", introduction="Read on.")

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:href|src)="([^#"][^"]*)"', page)
    assert set(links) == {"figures/figure%202.png", "figures/figure%202.svg", "tables/table_1.csv"}
    assert re.findall(r'<h2 id="(group-\d)">([^<]+)</h2>', page) == [
        ("group-0", "Bias &amp; quality"), ("group-1", "Tables"),
    ]  # fmt: skip
    assert "What is &lt;seen&gt;." in page and "<script>" not in page
    assert '<td>&lt;script&gt;</td><td class="number">0.9</td>' in page
