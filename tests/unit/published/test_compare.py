"""Published numbers beside a run's own: intervals, verdicts, and numbers without a counterpart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import COMPARISON, NEURON_OVERLAP
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures.tables.comparison import comparison_summary, comparison_table
from bias_amplification.measures.intervals import wilson_interval
from bias_amplification.published.comparable import ROUNDS, Counterparts
from bias_amplification.published.compare import Run, compare_published, write_comparison
from bias_amplification.published.record import published_metrics
from bias_amplification.published.verdicts import DIFFERENT, SAME, UNDECIDED, WITHIN

FOLDER = Path(__file__).parents[3] / "resources" / "published"
FILES = FOLDER / "trajectories.csv", FOLDER / "statements.csv"
LABELS = ["left", "center", "right"]


@pytest.fixture
def run() -> Run:
    """A run whose results are exactly the published ones."""
    seed_sets = {"balanced": "balanced", "center": "center"}
    counterparts = Counterparts(LABELS, {name: name for name in ROUNDS}, seed_sets, {})
    return Run(published_metrics(FILES[0], LABELS), counterparts)


def rows_of(table: pd.DataFrame, **wanted) -> pd.DataFrame:
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table


def test_run_with_the_published_results_is_within_sampling_error_everywhere(run):
    table = compare_published(run, *FILES)

    versions = table[table["own"].notna()]
    assert set(versions["verdict"]) == {WITHIN}
    # 67 versions with three shares and three mean probabilities each, quality for all but the base model, perplexity
    # for one round, and 8 numbers of the text.
    assert len(versions) == 67 * 6 + 66 + 11 + 8
    exact = rows_of(versions, place="per-generation results")
    np.testing.assert_allclose(exact["difference"].astype(float), 0, atol=1e-12)
    # The published file before generation 0 of the center round has no counterpart: three labels with two numbers each,
    # and quality.
    assert table["note"].str.contains("file generation 0, before").sum() == 7


def test_every_published_number_is_listed(run):
    table = compare_published(run, *FILES)

    published = pd.read_csv(FILES[0])
    numbers = [name for name in published if name.startswith(("share_", "mean_")) or name == "text_quality_index"]
    published_numbers = int(published[[*numbers, "perplexity"]].notna().to_numpy().sum())
    assert (table["place"] == "per-generation results").sum() == published_numbers == 486
    assert (table["place"] != "per-generation results").sum() == len(pd.read_csv(FILES[1])) == 25


def test_numbers_of_the_text_agree_with_the_published_results(run):
    """Each number of the text, rounded as printed, is the measure that statements.csv says it is."""
    for row in pd.read_csv(FILES[1]).query("quantity in ['share', 'mean_probability']").to_dict("records"):
        name = "base" if row["strategy"] == "base_model" else f"{row['seed_set']}_{row['strategy']}"
        rows = run.metrics[run.metrics["round"] == name]
        if name != "base":
            rows = rows[rows["generation"] == row["generation"]]
        if row["name"] in ("stable_center", "center_start"):
            continue  # a number of several generations, and a number of the file before generation 0
        found = round(rows.iloc[0][f"{row['quantity']}_{row['label']}"], row["digits"])
        # 67.6% is 67.52%, rounded up.
        assert found == pytest.approx(row["value"], abs=0.0011 if row["name"] == "peak_right" else 1e-9), row["name"]
    before = pd.read_csv(FILES[0]).query("seed_set == 'center' and file_generation == 0").iloc[0]
    assert round(before["mean_probability_center"], 3) == 0.729


def test_differences_have_newcombes_interval(run):
    metrics = run.metrics.copy()
    place = (metrics["round"] == "balanced_synthetic") & (metrics["generation"] == 10)
    metrics.loc[place, ["share_right", "share_right_low", "share_right_high"]] = wilson_interval(40, 72)

    table = compare_published(replace(run, metrics=metrics), *FILES)

    row = rows_of(table, round="balanced_synthetic", generation=10, quantity="share", subject="right").iloc[0]
    low, high = confint_proportions_2indep(40, 72, round(0.59157 * 1518), 1518, method="newcomb")
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((low, high), abs=1e-9)
    assert row["verdict"] == WITHIN


def test_replicates_are_compared_as_other_trainings_than_the_published_one(run):
    metrics = pd.concat([run.metrics.assign(replicate=replicate) for replicate in (1, 2, 3)], ignore_index=True)
    place = (metrics["round"] == "balanced_synthetic") & (metrics["generation"] == 10)
    for replicate, share in enumerate((0.70, 0.74, 0.78), start=1):
        ends = [share, share - 0.024, share + 0.024]
        metrics.loc[
            place & (metrics["replicate"] == replicate), ["share_right", "share_right_low", "share_right_high"]
        ] = ends

    table = compare_published(replace(run, metrics=metrics), *FILES)

    assert len(table) == 511
    row = rows_of(table, round="balanced_synthetic", generation=10, quantity="share", subject="right").iloc[0]
    # The mean, 74%, is 9.9 points from the ends of its own interval, and one new training 19.9 points (4.303 * 4 points
    # * sqrt(4/3)). The published share is 59.2%.
    assert (row["own"], row["own_high"]) == pytest.approx((0.74, 0.74 + 0.19873), abs=1e-5)
    assert row["verdict"] == WITHIN


def test_counts_of_neurons_have_the_range_of_chance(run):
    overlap = pd.DataFrame(
        {"layer": [None], "measure": "weight", "tested": 9216, "bias": 900, "bias_low": 200, "bias_high": 800,
         "quality": 300, "quality_low": 200, "quality_high": 800, "both": 30, "both_low": 10, "both_high": 90}
    )  # fmt: skip

    table = compare_published(replace(run, overlap=overlap), *FILES)

    both = rows_of(table, quantity="both").iloc[0]
    assert (both["published_low"], both["published_high"]) == (335, 392)  # hypergeometric, 363.5 expected
    assert "0.042" in both["note"] and both["verdict"] == SAME
    assert np.isnan(both["difference_low"]) and both["difference"] == 30 - 389
    bias = rows_of(table, quantity="bias", subject="weight").iloc[0]
    assert bias["verdict"] == SAME
    assert rows_of(table, quantity="quality", subject="weight").iloc[0]["verdict"] == UNDECIDED
    assert "no counts of activations" in rows_of(table, quantity="bias", subject="activation").iloc[0]["note"]


def test_scores_of_candidates_are_found_by_the_name_of_the_model(run):
    part = {"macro_f1": 0.7, "loss": 0.5}
    scores = [
        {"model": "FacebookAI/roberta-base", "split": split, "test": part, "articles": {"test": 900}}
        for split in ("random", "event")
    ]

    table = compare_published(replace(run, scores=scores), *FILES)

    row = rows_of(table, quantity="macro_f1", subject="roberta-base").iloc[0]
    assert row["verdict"] == DIFFERENT and row["difference"] == pytest.approx(0.7 - 0.9196)
    assert row["own_low"] == pytest.approx(0.669, abs=1e-3)
    assert rows_of(table, quantity="loss").iloc[0]["note"].endswith("no sampling error is known")
    assert "no candidate albert" in rows_of(table, subject="albert-base-v2").iloc[0]["note"]


def test_study_with_other_labels_and_fewer_generations(run):
    metrics = run.metrics.rename(columns=lambda name: name.replace("left", "liberal"))
    metrics = metrics[(metrics["generation"] <= 2) | metrics["generation"].isna()]
    metrics["round"] = metrics["round"].replace({"balanced_synthetic": "mine"})
    departures = dict.fromkeys(("bias", "quality", "perplexity", "classifier", "neurons"), "another corpus")
    labels = ["liberal", "center", "right"]
    run = Run(metrics, Counterparts(labels, {"mine": "balanced_synthetic"}, {"balanced": "balanced"}, departures))

    table = compare_published(run, *FILES)

    mine = rows_of(table, round="mine")
    assert set(mine["generation"]) == {0, 1, 2}
    assert set(mine["subject"]) == {"center", "right", "all articles"}
    assert WITHIN not in set(table["verdict"])
    first = rows_of(mine, generation=0, quantity="share", subject="right").iloc[0]
    assert (first["verdict"], round(first["own_change"], 4)) == (SAME, round(0.54414 - 0.46838, 4))
    notes = set(table["note"].dropna())
    assert {"the study has no label left", "the study has no generation 3"} <= notes
    assert "the study has no round of this seed set and strategy with greedy decoding" in notes


def test_tables_for_readers(tmp_path, run):
    table = compare_published(run, *FILES)
    write_table(pa.Table.from_pandas(table, COMPARISON, preserve_index=False), tmp_path / "c.parquet", COMPARISON)
    table = read_table(tmp_path / "c.parquet", COMPARISON).to_pandas()

    read = comparison_table(table)
    summary = comparison_summary(table)

    swapped = read[read["note"].fillna("").str.contains("swapped")]
    assert list(swapped["published"]) == ["41.9 [39.4, 44.4]", "42.7 [40.2, 45.2]"]
    assert list(swapped["number"]) == ["mean probability of right (%)"] * 2
    assert summary["numbers"].sum() == len(table) == 511
    assert summary[list(summary.columns[4:])].to_numpy().sum() == 511
    assert summary[WITHIN].sum() == (table["verdict"] == WITHIN).sum() == 487


def test_comparison_is_written(tmp_path, run, capsys):
    schema = metrics_schema(LABELS)
    columns = {name: np.nan for name in schema.names if name not in run.metrics.columns}
    metrics = run.metrics.assign(**columns).assign(replicate=1)
    for label in LABELS:
        metrics = metrics.fillna({f"mean_probability_{label}{end}": 0.5 for end in ("", "_low", "_high")})
    write_table(pa.Table.from_pandas(metrics, schema, preserve_index=False), tmp_path / "m.parquet", schema)
    change = {"share_right": 0.1, "share_right_low": 0.08, "share_right_high": 0.12}
    changes = [{"round": "balanced_synthetic", "replicate": place, "generation": 10} | change for place in (1, None)]
    schema = changes_schema(LABELS)
    write_table(pa.Table.from_pylist(changes, schema), tmp_path / "changes.parquet", schema)
    write_table(NEURON_OVERLAP.empty_table(), tmp_path / "o.parquet", NEURON_OVERLAP)
    scores = {
        "model": "roberta-base",
        "split": "random",
        "validation": {"macro_f1": 0.9},
        "test": {"macro_f1": 0.92, "loss": 0.4},
        "articles": {"test": 9},
    }
    (tmp_path / "scores.json").write_text(json.dumps(scores))

    write_comparison(
        [tmp_path / "m.parquet", tmp_path / "changes.parquet"], [tmp_path / "scores.json"], tmp_path / "o.parquet",
        *FILES, tmp_path / "c.parquet", counterparts=run.counterparts,
    )  # fmt: skip

    table = read_table(tmp_path / "c.parquet", COMPARISON).to_pandas()
    assert len(table) == 511
    assert rows_of(table, quantity="macro_f1", subject="roberta-base")["verdict"].item() == WITHIN
    row = rows_of(table, round="balanced_synthetic", generation=10, quantity="share", subject="right").iloc[0]
    assert (row["own_change"], row["own_change_low"], row["own_change_high"]) == (0.1, 0.08, 0.12)
    # The published change is that of independent samples.
    assert row["published_change_high"] - row["published_change"] > 0.03
    assert "within sampling error: 488" in capsys.readouterr().out
