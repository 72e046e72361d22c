import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, PERPLEXITY, QUALITY, metrics, predictions
from bias_amplification.measures.intervals import mean_interval, wilson_interval
from bias_amplification.measures.metrics import collect_metrics

LABELS = ["up", "down"]


def write_seed_set(path: Path, ids: list[str]) -> Path:
    rows = [{"article_id": i, "title": "t", "body": "b", "label": "up"} for i in ids]
    write_table(pa.Table.from_pylist(rows, ARTICLES), path, ARTICLES)
    return path


def write_version(folder: Path, ids: list[str], up: np.ndarray, quality: list, perplexity: list) -> dict:
    rows = [
        {"article_id": i, "predicted": LABELS[int(p < 0.5)], "probability_up": p, "probability_down": 1 - p}
        for i, p in zip(ids, up, strict=True)
    ]
    schema = predictions(LABELS)
    write_table(pa.Table.from_pylist(rows, schema), folder / "predictions.parquet", schema)
    rows = [
        {"article_id": i, "sentences": 1, "quality": q, "quality_weighted": None if q is None else q / 2}
        for i, q in zip(ids, quality, strict=True)
    ]
    write_table(pa.Table.from_pylist(rows, QUALITY), folder / "quality.parquet", QUALITY)
    rows = [
        {"article_id": i, "tokens": 5, "perplexity_base": p, "perplexity_generating": None}
        for i, p in zip(ids, perplexity, strict=True)
    ]
    write_table(pa.Table.from_pylist(rows, PERPLEXITY), folder / "perplexity.parquet", PERPLEXITY)
    return {
        "round": "first",
        "generation": 3,
        "seed_set": "mixed",
        "strategy": "synthetic",
        "decoding": "greedy",
        "tracked_label": "up",
    } | {name: folder / f"{name}.parquet" for name in ("predictions", "quality", "perplexity")}


def test_a_row_holds_the_measures_and_their_intervals(tmp_path):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    up = np.array([0.9, 0.6, 0.2, 0.7])
    version = write_version(tmp_path, ids, up, [3.0, 2.0, None, 1.0], [5.0, 7.0, 9.0, None])
    base = version | {"round": "base", "generation": None, "strategy": None, "decoding": None, "tracked_label": None}

    collect_metrics([base, version], tmp_path / "metrics.parquet", seed_sets={"mixed": seed_set}, labels=LABELS)

    first, row = read_table(tmp_path / "metrics.parquet", metrics(LABELS)).to_pylist()
    assert (first["round"], first["generation"]) == ("base", None)
    assert (row["round"], row["generation"], row["articles"]) == ("first", 3, 4)
    assert (row["share_up"], row["share_up_low"], row["share_up_high"]) == wilson_interval(3, 4)
    assert row["share_down"] == 0.25
    assert (row["mean_probability_up"], row["mean_probability_up_low"], row["mean_probability_up_high"]) == (
        mean_interval(up)
    )
    assert row["text_quality_index"] == 2.0
    assert row["text_quality_index_weighted"] == 1.0
    assert row["text_quality_index_high"] == pytest.approx(2.0 + 1.96 / np.sqrt(3))
    assert row["perplexity_base"] == 7.0
    assert (row["perplexity_generating"], row["perplexity_generating_low"]) == (None, None)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            ["a", "b", "c"],
            r"quality.parquet holds not the articles of .*seed.parquet \(1 missing, 0 others, such as d\)",
        ),
        (["a", "b", "c", "x"], r"\(1 missing, 1 others, such as d\)"),
        (["a", "b", "c", "d", "d"], "holds 1 articles more than once"),
    ],
)
def test_other_articles_than_the_seed_set_are_refused(tmp_path, found, message):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    version = write_version(tmp_path, ids, np.full(4, 0.9), [1.0] * 4, [1.0] * 4)
    other = write_version(tmp_path / "other", found, np.full(len(found), 0.9), [1.0] * len(found), [1.0] * len(found))
    version["quality"] = other["quality"]
    with pytest.raises(StudyError, match=message):
        collect_metrics([version], tmp_path / "metrics.parquet", seed_sets={"mixed": seed_set}, labels=LABELS)


def test_the_order_of_the_articles_does_not_matter(tmp_path):
    seed_set = write_seed_set(tmp_path / "seed.parquet", ["a", "b"])
    version = write_version(tmp_path, ["b", "a"], np.array([0.9, 0.1]), [1.0, 2.0], [1.0, 2.0])
    collect_metrics([version], tmp_path / "metrics.parquet", seed_sets={"mixed": seed_set}, labels=LABELS)
    assert read_table(tmp_path / "metrics.parquet", metrics(LABELS))["share_up"].to_pylist() == [0.5]


def test_a_whole_study_takes_little_time(tmp_path):
    ids = [f"article-{number}" for number in range(150)]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    version = write_version(tmp_path, ids, np.linspace(0, 1, 150), [1.0] * 150, [1.0] * 150)
    started = time.process_time()
    collect_metrics([version] * 66, tmp_path / "metrics.parquet", seed_sets={"mixed": seed_set}, labels=LABELS)
    assert time.process_time() - started < 1.5
