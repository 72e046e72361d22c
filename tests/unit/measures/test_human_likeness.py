"""The detector of machine text: its articles, and the scores that it gives."""

from pathlib import Path

import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES, GENERATED_ARTICLES, HUMAN_LIKENESS
from bias_amplification.measures.human_likeness import (
    WRITERS,
    draw_detector_articles,
    label_detector_articles,
    score_human_likeness,
)
from bias_amplification.measures.leaning import SplitArticles, train_leaning_classifier
from bias_amplification.study.sections import Candidate, Classifier, EncoderTraining, JobCompute

CLASSIFIER = Classifier(training=EncoderTraining(epochs=6, batch_size=8, learning_rate=5.0e-3, max_tokens=64))


@pytest.fixture(scope="module")
def files(toy_articles: Path, tmp_path_factory: pytest.TempPathFactory, toy_rows: list[dict]) -> dict[str, Path]:
    """Articles of people, and what a model made of them: it writes one sentence again and again."""
    folder = tmp_path_factory.mktemp("detector")
    names = ("articles", "machine", "labelled", "scores")
    paths = {name: folder / f"{name}.parquet" for name in names} | {"classifier": toy_articles}
    draw_detector_articles(toy_articles, paths["articles"], 120, seed=1)
    ids = read_table(paths["articles"], ARTICLES)["article_id"].to_pylist()
    written = [
        {"article_id": i, "title": "t", "head": "", "text": f"They said so in town {k % 5}. They said so. " * 3}
        | {"prompts": 1, "new_tokens": 9}
        for k, i in enumerate(reversed(ids))
    ]
    write_table(pa.Table.from_pylist(written, GENERATED_ARTICLES), paths["machine"], GENERATED_ARTICLES)
    label_detector_articles(paths["articles"], paths["machine"], toy_articles, paths["labelled"])
    return paths


def test_the_parts_of_the_split_keep_their_shares(files: dict, toy_rows: list[dict]) -> None:
    table = read_table(files["articles"], ARTICLES)
    part_of = {row["article_id"]: row["split_random"] for row in toy_rows}
    parts = [part_of[i] for i in table["article_id"].to_pylist()]

    # 160, 40 and 40 of 240 articles.
    assert [parts.count(name) for name in ("train", "validation", "test")] == [80, 20, 20]
    assert len(set(table["article_id"].to_pylist())) == 120


def test_each_article_is_there_as_both_wrote_it_and_in_one_part(files: dict, toy_rows: list[dict]) -> None:
    rows = read_table(files["labelled"], CLASSIFIER_ARTICLES).to_pylist()
    known = {row["article_id"]: row for row in toy_rows}

    assert [row["label"] for row in rows] == ["human"] * 120 + ["machine"] * 120
    assert {row["title"] for row in rows} == {""}
    for human, machine in zip(rows[:120], rows[120:], strict=True):
        assert human["article_id"] == machine["article_id"]
        assert human["body"] == known[human["article_id"]]["body"]
        assert machine["body"].startswith("They said so in town")
        assert human["split_random"] == machine["split_random"] == known[human["article_id"]]["split_random"]


def test_the_trained_detector_tells_them_apart(files: dict, tmp_path: Path, cpu: JobCompute) -> None:
    candidate = Candidate(name="tiny", layers=1, width=16, heads=2, vocabulary=400)
    articles = SplitArticles(files["labelled"], "random", WRITERS)
    train_leaning_classifier(articles, tmp_path / "detector", candidate, CLASSIFIER, 1, cpu)
    scores = {}
    for name in ("articles", "machine"):
        score_human_likeness(files[name], tmp_path / "detector", tmp_path / f"{name}.parquet", CLASSIFIER, cpu)
        table = read_table(tmp_path / f"{name}.parquet", HUMAN_LIKENESS)
        scores[name] = dict(zip(*table.to_pydict().values(), strict=True))

    assert set(scores["articles"]) == set(scores["machine"])
    assert min(scores["articles"].values()) > 0.5 > max(scores["machine"].values())


def test_machine_texts_begin_with_their_heads(files: dict, tmp_path: Path) -> None:
    table = read_table(files["machine"], GENERATED_ARTICLES)
    heads = pa.array([f"Head {i}" for i in table["article_id"].to_pylist()])
    write_table(table.set_column(2, "head", heads), tmp_path / "machine.parquet", GENERATED_ARTICLES)

    label_detector_articles(
        files["articles"], tmp_path / "machine.parquet", files["classifier"], tmp_path / "labelled.parquet"
    )

    rows = read_table(tmp_path / "labelled.parquet", CLASSIFIER_ARTICLES).to_pylist()
    begun = [row["body"].startswith(f"Head {row['article_id']}They said so") for row in rows]
    assert begun == [row["label"] == "machine" for row in rows] and any(begun)


def test_machine_texts_of_other_articles_are_refused(files: dict, tmp_path: Path) -> None:
    table = read_table(files["machine"], GENERATED_ARTICLES)
    write_table(table.slice(1), tmp_path / "machine.parquet", GENERATED_ARTICLES)

    with pytest.raises(StudyError, match=r"machine\.parquet has other articles than .*articles\.parquet: delete it"):
        label_detector_articles(
            files["articles"], tmp_path / "machine.parquet", files["classifier"], tmp_path / "labelled.parquet"
        )
