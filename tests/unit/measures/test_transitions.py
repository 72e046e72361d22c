"""Labels of what is written, by the label and the event of the real article, counted by hand."""

from pathlib import Path

import pyarrow as pa
import pytest
from statsmodels.stats.proportion import proportion_confint

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, predictions
from bias_amplification.artifacts.schemas.diversity import EVENT_SHARES, TRANSITIONS
from bias_amplification.measures.transitions import ClassifiedVersion, collect_transitions

LABELS = ("left", "center", "right")
#: Label and event of each real article. Event "b" has four articles.
REAL = [*[("left", "a")] * 4, *[("right", "a")] * 2, *[("right", "b")] * 4, ("left", None)]
#: Labels of what the two versions wrote from their prompts.
WRITTEN = {
    0: ["left"] * 3 + ["right"] + ["right"] * 6 + ["center"],
    1: ["right"] * 4 + ["right"] * 5 + ["left"] + ["left"],
}


@pytest.fixture
def versions(tmp_path: Path) -> list[ClassifiedVersion]:
    rows = [
        {"article_id": f"a{place}", "title": "t", "body": "b", "label": label, "event_id": event}
        for place, (label, event) in enumerate(REAL)
    ]
    write_table(pa.Table.from_pylist(rows, ARTICLES), tmp_path / "seed.parquet", ARTICLES)
    made = []
    for generation, written in WRITTEN.items():
        rows = [
            {"article_id": f"a{place}", "predicted": label} | {f"probability_{name}": 1 / 3 for name in LABELS}
            for place, label in enumerate(written)
        ]
        path, schema = tmp_path / f"predictions_{generation}.parquet", predictions(LABELS)
        # In another order than the seed set: articles are joined by their ids.
        write_table(pa.Table.from_pylist(rows[::-1], schema), path, schema)
        about = {"round": "one", "replicate": 2, "generation": generation or None, "seed_set": "balanced"}
        made.append(ClassifiedVersion(**about, real=tmp_path / "seed.parquet", predictions=path))
    return made


def collect(versions: list[ClassifiedVersion], folder: Path) -> tuple[list[dict], list[dict]]:
    outputs = folder / "transitions.parquet", folder / "events.parquet"
    collect_transitions(versions, *outputs, LABELS)
    return tuple(
        read_table(path, schema).to_pylist() for path, schema in zip(outputs, (TRANSITIONS, EVENT_SHARES), strict=True)
    )


def test_articles_are_counted_by_both_labels(versions: list[ClassifiedVersion], tmp_path: Path):
    rows, _ = collect(versions, tmp_path)

    found = {(row["generation"], row["label"], row["predicted"]): row["articles"] for row in rows}
    assert list(found.values()) == [
        *(3, 1, 1),  # left articles of the base model, written as left, center, right
        *(0, 0, 6),  # right articles
        *(1, 0, 4),  # the same of generation 1
        *(1, 0, 5),
    ]
    assert list(found)[4] == (None, "right", "center")
    assert {(row["round"], row["replicate"], row["seed_set"]) for row in rows} == {("one", 2, "balanced")}


def test_shares_are_of_the_real_label_with_wilson_intervals(versions: list[ClassifiedVersion], tmp_path: Path):
    rows, _ = collect(versions, tmp_path)

    left = rows[0]
    assert left["share"] == 3 / 5
    expected = proportion_confint(3, 5, method="wilson")
    assert (left["share_low"], left["share_high"]) == pytest.approx(expected, abs=1e-12)
    assert [row["share"] for row in rows[3:6]] == [0, 0, 1]


def test_only_events_with_five_articles_have_shares(versions: list[ClassifiedVersion], tmp_path: Path):
    _, rows = collect(versions, tmp_path)

    columns = ("generation", "event_id", "predicted", "articles", "real_articles")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        (None, "a", "left", 3, 4),
        (None, "a", "center", 0, 0),
        (None, "a", "right", 3, 2),
        (1, "a", "left", 0, 4),
        (1, "a", "center", 0, 0),
        (1, "a", "right", 6, 2),
    ]
    assert rows[0]["share"] == 0.5
    assert (rows[0]["share_low"], rows[0]["share_high"]) == pytest.approx(
        proportion_confint(3, 6, method="wilson"), abs=1e-12
    )


def test_predictions_of_other_articles_are_refused(versions: list[ClassifiedVersion], tmp_path: Path):
    path = versions[0].predictions
    write_table(read_table(path, predictions(LABELS)).slice(1), path, predictions(LABELS))

    with pytest.raises(StudyError, match=r"predictions_0\.parquet has other articles than .*seed\.parquet: delete it"):
        collect(versions, tmp_path)
