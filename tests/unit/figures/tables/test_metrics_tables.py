import csv

import pandas as pd

from bias_amplification.artifacts.schemas import CLEANING
from bias_amplification.artifacts.schemas.contrasts import means
from bias_amplification.figures.tables.metrics import write_cleaning_table, write_means_table, write_metrics_table
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.study.sections import Corpus


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_cleaning_table_says_which_articles_were_kept(tmp_path, write):
    table = pd.DataFrame(
        {"step": ["read", "clean"], "finding": ["broken row", "mojibake"], "kept": [False, True],
         "articles": [3, 1200], "examples": [None, "a1, a2"]}
    )  # fmt: skip

    write_cleaning_table(write(table, "cleaning.parquet", CLEANING), [tmp_path / "cleaning.csv"])

    assert (tmp_path / "cleaning.csv").read_text().splitlines() == [
        "step,finding,kept,articles,examples", "read,broken row,no,3,", 'clean,mojibake,yes,1200,"a1, a2"',
    ]  # fmt: skip


def test_metrics_table_has_one_row_per_version_and_intervals_in_brackets(tmp_path, metrics, metrics_file, labels):
    write_metrics_table(metrics_file, [tmp_path / "metrics.csv"], corpus=Corpus(labels=[*labels]))

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


def test_means_table_has_the_means_and_says_how_many_replicates_have_a_number(tmp_path, metrics, write, labels):
    second = metrics.assign(replicate=2, share_red=metrics["share_red"] + 0.02)
    second["text_quality_index"] = second["text_quality_index"].where(second["generation"] != 3)
    found = over_replicates(pd.concat([metrics, second], ignore_index=True))

    write_means_table(
        write(found, "means.parquet", means(labels)), [tmp_path / "means.csv"], corpus=Corpus(labels=[*labels])
    )

    rows = read_csv(tmp_path / "means.csv")
    assert len(rows) == 68
    first, other = (
        next(row for row in rows if row["round"] == "balanced_synthetic" and row["generation"] == generation)
        for generation in ("0", "3")
    )
    # 11 and 13% in generation 0; the half width is 12.706 * 1.414 / sqrt(2) = 12.7 points, cut at 0.
    assert first["share red (%)"] == "12.0 [0.0, 24.7]"
    assert (first["replicates"], first["articles"]) == ("2", "300")
    assert first["text quality index"].endswith("]")
    assert other["text quality index"] == "2.140 [2.100, 2.180] (1)"
    assert not [name for name in first if "replicates" in name and name != "replicates"]
