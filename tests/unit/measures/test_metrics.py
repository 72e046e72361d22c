import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    DEGENERATE_KINDS,
    DEGENERATION,
    GENERATED_ARTICLES,
    PERPLEXITY,
    QUALITY,
    changes,
    metrics,
    predictions,
)
from bias_amplification.artifacts.schemas.diversity import DIVERSITY, DIVERSITY_MEASURES
from bias_amplification.measures.contrasts import paired_contrast
from bias_amplification.measures.intervals import mean_interval, wilson_interval
from bias_amplification.measures.metrics import MeasuredVersion, MetricsSettings, collect_metrics
from bias_amplification.study.sections import Degeneration

LABELS = ["up", "down"]
SETTINGS = MetricsSettings(readable=2.0, degeneration=Degeneration(), seed=1)


def write_seed_set(path: Path, ids: list[str]) -> Path:
    rows = [{"article_id": i, "title": "t", "body": "b", "label": "up"} for i in ids]
    write_table(pa.Table.from_pylist(rows, ARTICLES), path, ARTICLES)
    return path


def write_version(folder: Path, ids: list[str], up: np.ndarray, quality: list, perplexity: list) -> MeasuredVersion:
    """Write the tables of a version; a quality or perplexity of None is missing."""
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
    rows = [
        {"measure": measure, "value": place / 10, "low": None, "high": place / 5, "articles": len(ids)}
        for place, measure in enumerate(DIVERSITY_MEASURES)
    ]
    write_table(pa.Table.from_pylist(rows, DIVERSITY), folder / "diversity.parquet", DIVERSITY)
    rows = [{"article_id": i, "words": 9, "repeated": 0.0, "copied_prompt": 0.0, "copied": 0.0} for i in ids]
    write_table(pa.Table.from_pylist(rows, DEGENERATION), folder / "degeneration.parquet", DEGENERATION)
    return MeasuredVersion(
        round="first",
        replicate=2,
        generation=3,
        seed_set="mixed",
        draw="mixed/replicate_02",
        strategy="synthetic",
        decoding="greedy",
        tracked_label="up",
        predictions=folder / "predictions.parquet",
        quality=folder / "quality.parquet",
        perplexity=folder / "perplexity.parquet",
        diversity=folder / "diversity.parquet",
        degeneration=folder / "degeneration.parquet",
    )


@pytest.fixture
def collect(tmp_path):
    """Return a function that collects metrics of versions with one seed set, and returns the rows."""

    def collected(versions, seed_set, settings=SETTINGS, **scores):
        scores = {
            "validation": {"macro_f1": 0.9},
            "temperature": 1.0,
            "test": {"confusion": {"down": [1, 9], "up": [8, 2]}},
        } | scores
        (tmp_path / "scores.json").write_text(json.dumps(scores))
        out = tmp_path / "metrics.parquet"
        draws = {"mixed/replicate_02": seed_set}
        collect_metrics(versions, out, tmp_path / "changes.parquet", draws, tmp_path, LABELS, settings)
        return read_table(out, metrics(LABELS)).to_pylist()

    return collected


def test_a_row_has_the_measures_and_their_intervals(tmp_path, collect):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    up = np.array([0.9, 0.6, 0.2, 0.7])
    version = write_version(tmp_path, ids, up, [3.0, 2.0, None, 1.0], [5.0, 7.0, 9.0, None])
    base = replace(version, round="base", generation=None, strategy=None, decoding=None, tracked_label=None)

    first, row = collect([base, version], seed_set)

    assert (first["round"], first["generation"]) == ("base", None)
    assert (row["round"], row["generation"], row["articles"]) == ("first", 3, 4)
    assert (row["share_up"], row["share_up_low"], row["share_up_high"]) == wilson_interval(3, 4)
    assert row["share_down"] == 0.25
    assert (row["mean_probability_up"], row["mean_probability_up_low"], row["mean_probability_up_high"]) == (
        mean_interval(up)
    )
    assert row["text_quality_index"] == 2.0
    assert row["text_quality_index_weighted"] == 1.0
    assert row["text_quality_index_high"] == pytest.approx(2.0 + 4.3026527 / np.sqrt(3))
    assert row["perplexity_base"] == 7.0
    assert (row["perplexity_generating"], row["perplexity_generating_low"]) == (None, None)
    assert (row["distinct_2"], row["distinct_2_low"], row["distinct_2_high"]) == (0.1, None, 0.2)
    assert (row["replicate"], first["replicate"]) == (2, 2)


def test_changes_are_paired_by_article_in_any_order(tmp_path, collect):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    first = write_version(tmp_path, ids, np.array([0.9, 0.6, 0.2, 0.3]), [3.0, 2.0, 1.0, 1.0], [5.0] * 4)
    last = write_version(tmp_path / "last", ids[::-1], np.array([0.8, 0.2, 0.6, 0.9]), [1.0, 1.0, 2.0, 2.0], [7.0] * 4)
    base = replace(first, round="base", generation=None, strategy=None, decoding=None, tracked_label=None)

    collect([base, replace(first, generation=0), replace(last, generation=1)], seed_set)

    schema = changes(LABELS)
    rows = read_table(tmp_path / "changes.parquet", schema).to_pylist()
    assert [(row["round"], row["replicate"], row["generation"]) for row in rows] == [
        ("first", 2, 0), ("first", 2, 1), ("first", None, 0), ("first", None, 1)
    ]  # fmt: skip
    start, row = rows[:2]
    # Only article d changes its label; the qualities of a, b, c and d change by -1, 0, 0 and 0.
    assert (start["share_up"], row["share_up"], row["share_down"]) == (0, 0.25, -0.25)
    contrast = paired_contrast(np.array([[0.0, 0.0, 0.0, 1.0]]), span=1.0)
    assert (row["share_up_low"], row["share_up_high"]) == pytest.approx((contrast.low, min(contrast.high, 1)))
    contrast = paired_contrast(np.array([[-1.0, 0.0, 0.0, 0.0]]), span=1.0)
    assert (row["text_quality_index"], row["text_quality_index_low"]) == pytest.approx((-0.25, contrast.low))
    assert (row["perplexity_base"], row["perplexity_base_low"]) == (2, 2)
    assert row["share_adjusted_up"] > 0 and row["share_second_up"] is None
    assert not {name for name in schema.names if name.startswith(("distinct", "self_bleu", "adjusted_misfit"))}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            ["a", "b", "c"],
            r"quality.parquet has other articles than .*seed.parquet \(1 missing, 0 others, such as d\)",
        ),
        (["a", "b", "c", "x"], r"\(1 missing, 1 others, such as d\)"),
        (["a", "b", "c", "d", "d"], "has 1 rows of articles that it already has"),
    ],
)
def test_other_articles_than_the_seed_set_are_refused(tmp_path, collect, found, message):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    version = write_version(tmp_path, ids, np.full(4, 0.9), [1.0] * 4, [1.0] * 4)
    other = write_version(tmp_path / "other", found, np.full(len(found), 0.9), [1.0] * len(found), [1.0] * len(found))
    with pytest.raises(StudyError, match=message):
        collect([replace(version, quality=other.quality)], seed_set)


def test_the_order_of_the_articles_does_not_matter(tmp_path, collect):
    seed_set = write_seed_set(tmp_path / "seed.parquet", ["a", "b"])
    version = write_version(tmp_path, ["b", "a"], np.array([0.9, 0.1]), [1.0, 2.0], [1.0, 2.0])
    assert [row["share_up"] for row in collect([version], seed_set)] == [0.5]


def test_a_row_has_the_robust_measures(tmp_path, collect):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    up = np.array([0.9, 0.6, 0.2, 0.7])
    version = write_version(tmp_path, ids, up, [3.0, 2.0, None, 1.0], [5.0] * 4)
    again = write_version(tmp_path / "second", ids, np.array([0.9, 0.4, 0.2, 0.3]), [3.0] * 4, [5.0] * 4)
    version = replace(version, predictions_second=again.predictions)

    (row,) = collect([version], seed_set, temperature=2.0)

    # The classifier calls 8 of 10 ups and 1 of 10 downs up. It calls 3 of the 4 articles up, so that the adjusted
    # share is (0.75 - 0.1) / (0.8 - 0.1). The order of the labels in the file does not matter.
    assert row["share_adjusted_up"] == pytest.approx(0.65 / 0.7)
    assert row["share_adjusted_up_low"] < row["share_adjusted_up"] < row["share_adjusted_up_high"]
    assert row["adjusted_misfit"] == pytest.approx(0, abs=1e-12)
    odds = np.sqrt(up / (1 - up))
    assert row["mean_probability_calibrated_up"] == pytest.approx((odds / (1 + odds)).mean())
    assert row["articles_readable"] == 2
    assert (row["share_readable_up"], row["share_readable_up_low"], row["share_readable_up_high"]) == (
        wilson_interval(2, 2)
    )
    assert row["share_second_up"] == 0.25
    assert (row["agreement"], row["agreement_low"], row["agreement_high"]) == wilson_interval(2, 4)


def unlabel(version: MeasuredVersion, ids: list[str]) -> None:
    """Take the label away from some texts of a version."""
    schema = predictions(LABELS)
    rows = read_table(version.predictions, schema).to_pylist()
    gone = dict.fromkeys(["predicted", "probability_up", "probability_down"])
    rows = [row | gone if row["article_id"] in ids else row for row in rows]
    write_table(pa.Table.from_pylist(rows, schema), version.predictions, schema)


def test_shares_are_of_the_texts_with_a_label(tmp_path, collect):
    ids = ["a", "b", "c", "d"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    version = write_version(tmp_path, ids, np.array([0.9, 0.6, 0.2, 0.7]), [3.0] * 4, [5.0] * 4)
    again = write_version(tmp_path / "second", ids, np.array([0.9, 0.4, 0.2, 0.3]), [3.0] * 4, [5.0] * 4)
    version = replace(version, predictions_second=again.predictions)
    unlabel(version, ["d"])
    unlabel(again, ["d"])

    (row,) = collect([version], seed_set)

    assert (row["articles"], row["labelled"]) == (4, 3)
    assert (row["share_up"], row["share_up_low"], row["share_up_high"]) == wilson_interval(2, 3)
    assert row["mean_probability_up"] == pytest.approx((0.9 + 0.6 + 0.2) / 3)
    assert row["share_second_up"] == pytest.approx(1 / 3)
    assert row["agreement"] == pytest.approx(2 / 3)

    unlabel(version, ids)
    unlabel(again, ids)
    (row,) = collect([version], seed_set)

    assert row["labelled"] == row["articles_readable"] == 0
    of_labels = [name for name in row if name.startswith(("share_", "mean_probability_", "agreement", "adjusted"))]
    assert len(of_labels) > 30 and all(row[name] is None for name in of_labels)


def test_degenerate_texts_are_counted_and_not_readable(tmp_path, collect):
    ids = ["a", "b", "c", "d", "e", "f"]
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    version = write_version(tmp_path, ids, np.full(6, 0.9), [3.0, 3.0, 3.0, 3.0, 3.0, 1.0], [5.0] * 6)
    # In this order: empty, too short, of both kinds, at the limits of both, sound, of low quality.
    found = [(0, 0.0, 0.0), (2, 0.0, 0.0), (90, 0.9, 0.6), (90, 0.5, 0.5), (90, 0.1, 0.1), (90, 0.0, 0.0)]
    table = [
        {"article_id": i, "words": words, "repeated": repeated, "copied_prompt": 0.0, "copied": copied}
        for i, (words, repeated, copied) in zip(ids, found, strict=True)
    ]
    write_table(pa.Table.from_pylist(table, DEGENERATION), version.degeneration, DEGENERATION)

    (row,) = collect([version], seed_set)

    counts = {kind: round(6 * row[kind]) for kind in (*DEGENERATE_KINDS, "degenerate", "readable")}
    assert counts == {"empty": 1, "short": 1, "repetitive": 1, "copied": 1, "degenerate": 3, "readable": 2}
    assert (row["empty"], row["empty_low"], row["empty_high"]) == wilson_interval(1, 6)
    assert row["articles_readable"] == 2


def test_a_measure_without_values_is_missing(tmp_path, collect):
    seed_set = write_seed_set(tmp_path / "seed.parquet", ["a", "b"])
    version = write_version(tmp_path, ["a", "b"], np.array([0.9, 0.8]), [1.0, None], [1.0, 2.0])
    (row,) = collect([version], seed_set)
    assert row["articles_readable"] == 0
    assert row["share_readable_up"] is row["share_second_up"] is row["agreement"] is None
    # Both articles are called up, but only 8 of 10 would be if all were.
    assert row["share_adjusted_up"] == pytest.approx(1, abs=1e-6)
    assert row["adjusted_misfit"] == pytest.approx(0.2, abs=1e-6)
    (row,) = collect([version], seed_set, SETTINGS._replace(readable=1.0))
    assert (row["articles_readable"], row["share_readable_up"]) == (1, 1.0)


@pytest.mark.parametrize(
    "scores", [{"test": {"confusion": {"up": [8, 2]}}}, {"test": {}}, {"temperature": None}, {"test": None}]
)
def test_scores_without_the_errors_are_refused(tmp_path, collect, scores):
    seed_set = write_seed_set(tmp_path / "seed.parquet", ["a"])
    version = write_version(tmp_path, ["a"], np.array([0.9]), [1.0], [1.0])
    with pytest.raises(StudyError, match=r"scores.json has no confusion matrix and temperature .* delete the classif"):
        collect([version], seed_set, **scores)


def test_words_of_the_press_are_counted_if_the_articles_are_given(tmp_path, collect):
    ids = ["c", "a", "b"]
    version = write_version(tmp_path, ids, np.array([0.9, 0.8, 0.2]), [2.0] * 3, [5.0] * 3)
    seed_set = write_seed_set(tmp_path / "seed.parquet", ids)
    other = {"title": "t", "head": "", "text": "Taxpayers.", "prompts": 1, "new_tokens": 1}
    texts = [{"article_id": i} | other for i in ids]
    write_table(pa.Table.from_pylist(texts, GENERATED_ARTICLES), tmp_path / "articles.parquet", GENERATED_ARTICLES)
    settings = SETTINGS._replace(label_map={"left": "down", "center": None, "right": "up"})

    versions = [version, replace(version, articles=tmp_path / "articles.parquet")]

    other, row = collect(versions, seed_set, settings)

    names = ["articles_lexicon", "agreement_lexicon", "share_lexicon_up", "share_lexicon_down"]
    assert [other[name] for name in names] == [None] * 4
    # "Taxpayers" is a word of the right. The classifier calls two of the three articles up.
    assert [row[name] for name in names] == [3, 2 / 3, 1.0, 0.0]
