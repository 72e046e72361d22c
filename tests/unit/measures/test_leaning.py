import csv
import json

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES, GENERATED_ARTICLES, predictions
from bias_amplification.measures.encoders import MODEL_FILES
from bias_amplification.measures.leaning import (
    article_text,
    classify_articles,
    compare_classifiers,
    prediction_table,
    select_classifier,
    train_leaning_classifier,
)

LABELS = ["down", "up"]
CANDIDATE = {"name": "tiny", "source": "scratch", "layers": 1, "width": 16, "heads": 2, "vocabulary": 400}
TRAINING = {"epochs": 6, "batch_size": 8, "learning_rate": 5.0e-3, "max_tokens": 64}


def train(articles, out, **changes):
    settings = {"candidate": CANDIDATE, "split": "random", "labels": LABELS, "training": TRAINING, "seed": 1} | changes
    train_leaning_classifier(articles, out, device="cpu", **settings)


@pytest.fixture(scope="module")
def trained(toy_articles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(toy_articles, folder)
    return folder


def write_generated(path, rows):
    full = [{"article_id": i, "title": t, "text": x, "prompts": 1, "new_tokens": 1} for i, t, x in rows]
    write_table(pa.Table.from_pylist(full, GENERATED_ARTICLES), path, GENERATED_ARTICLES)
    return path


def test_a_word_that_gives_the_label_away_is_learned(trained):
    scores = json.loads((trained / "scores.json").read_text())
    assert scores["test"]["macro_f1"] > 0.9
    assert scores["articles"] == {"train": 160, "validation": 40, "test": 40}
    assert set(scores["test"]["f1"]) == set(LABELS)
    assert sum(map(sum, scores["test"]["confusion"].values())) == 40
    assert 0 <= scores["test"]["calibration"]["expected_error"] <= 1 and scores["temperature"] > 0
    assert 1 <= scores["best_epoch"] <= 6
    assert {file.name for file in trained.iterdir()} == {*MODEL_FILES, "scores.json", "timing.json"}
    assert json.loads((trained / "timing.json").read_text())["samples_per_second"] > 0


def test_the_same_seed_gives_the_same_bytes(trained, toy_articles, tmp_path):
    train(toy_articles, tmp_path / "again")
    train(toy_articles, tmp_path / "other", seed=2)
    for name in (*MODEL_FILES, "scores.json"):
        assert (tmp_path / "again" / name).read_bytes() == (trained / name).read_bytes()
    assert (tmp_path / "other/model.safetensors").read_bytes() != (trained / "model.safetensors").read_bytes()


def test_articles_are_classified_in_their_order_by_every_classifier(trained, toy_rows, toy_articles, tmp_path):
    known = [row for row in toy_rows if row["split_random"] == "test"]
    rows = [(row["article_id"], row["title"], row["body"]) for row in known]
    articles = write_generated(tmp_path / "articles.parquet", [*rows, ("empty", "", "")])
    out = tmp_path / "predictions.parquet"
    second = tmp_path / "second.parquet"
    train(toy_articles, tmp_path / "other", training=TRAINING | {"epochs": 1}, seed=9)
    files = {trained: out, tmp_path / "other": second}
    classify_articles(articles, files, labels=["up", "down"], text="title_and_text", max_tokens=64, device="cpu")
    table = read_table(out, predictions(["up", "down"]))
    assert table["article_id"].to_pylist() == [*(row["article_id"] for row in known), "empty"]
    hits = [p == row["label"] for p, row in zip(table["predicted"].to_pylist()[:-1], known, strict=True)]
    assert sum(hits) > 0.9 * len(hits)
    total = np.add(table["probability_up"].to_numpy(), table["probability_down"].to_numpy())
    assert total == pytest.approx(np.ones(len(table)), abs=1e-12)
    other = read_table(second, predictions(["up", "down"]))
    assert other["article_id"] == table["article_id"]
    assert other["probability_up"] != table["probability_up"]


def test_the_title_counts_only_if_it_is_read(trained, tmp_path):
    first = write_generated(tmp_path / "first.parquet", [("g", "Wheat falls, a loss", "Quiet.")])
    second = write_generated(tmp_path / "second.parquet", [("g", "Wheat rises, a gain", "Quiet.")])
    found = {}
    for text in ("text", "title_and_text"):
        for path in (first, second):
            out = tmp_path / "out.parquet"
            classify_articles(path, {trained: out}, labels=LABELS, text=text, max_tokens=64, device="cpu")
            found[text, path.stem] = read_table(out, predictions(LABELS))["probability_up"][0].as_py()
    assert found["text", "first"] == found["text", "second"]
    assert found["title_and_text", "first"] < found["title_and_text", "second"]


def test_a_classifier_with_other_labels_is_refused(trained, tmp_path):
    articles = write_generated(tmp_path / "articles.parquet", [("g", "t", "x")])
    with pytest.raises(StudyError, match="classifies into down, up, but the study needs left, right"):
        classify_articles(
            articles, {trained: tmp_path / "out"}, labels=["left", "right"], text="text", max_tokens=64, device="cpu"
        )


def test_rows_without_a_part_are_left_out_and_a_part_without_a_label_is_refused(toy_articles, tmp_path):
    with pytest.raises(StudyError, match="no article labelled 'up' in the train part of the event split"):
        train(toy_articles, tmp_path, split="event")


def test_an_unknown_label_is_refused(toy_rows, tmp_path):
    path = tmp_path / "classifier.parquet"
    rows = [*toy_rows, toy_rows[0] | {"label": "sideways"}]
    write_table(pa.Table.from_pylist(rows, CLASSIFIER_ARTICLES), path, CLASSIFIER_ARTICLES)
    with pytest.raises(StudyError, match=r"labelled 'sideways', which corpus.labels lacks"):
        train(path, tmp_path / "out")


def fake_candidate(folder, name, validation, split="random", timing=True):
    folder.mkdir()
    for file in MODEL_FILES:
        (folder / file).write_text(name)
    part = {"macro_f1": validation, "f1": {"up": 0.5, "down": 0.6}, "accuracy": 0.55, "loss": 0.7}
    scores = {"candidate": name, "model": f"hub/{name}", "split": split, "best_epoch": 2, "parameters": 10}
    scores |= {"validation": part, "test": part, "articles": {"train": 7, "validation": 2, "test": 3}}
    (folder / "scores.json").write_text(json.dumps(scores))
    if timing:
        (folder / "timing.json").write_text(json.dumps({"train_runtime_seconds": 2.5, "samples_per_second": 4.0}))
    return folder


def test_the_best_candidate_is_copied_whole(tmp_path):
    folders = [fake_candidate(tmp_path / n, n, f) for n, f in (("a", 0.7), ("b", 0.9), ("c", 0.9))]
    select_classifier(folders, tmp_path / "selected")
    assert all((tmp_path / "selected" / file).read_text() == "b" for file in MODEL_FILES)
    selected = json.loads((tmp_path / "selected/selected.json").read_text())
    assert selected == {"selected": "b", "validation_macro_f1": {"a": 0.7, "b": 0.9, "c": 0.9}}


def test_the_second_candidate_is_copied_too_where_it_is_wanted(tmp_path):
    folders = [fake_candidate(tmp_path / n, n, f) for n, f in (("a", 0.7), ("b", 0.9), ("c", 0.9))]
    select_classifier(folders, tmp_path / "selected", tmp_path / "second")
    names = {
        name: json.loads((tmp_path / name / "selected.json").read_text())["selected"] for name in ("selected", "second")
    }
    assert names == {"selected": "b", "second": "c"}
    assert all((tmp_path / "second" / file).read_text() == "c" for file in MODEL_FILES)


def test_a_candidate_without_weights_is_refused(tmp_path):
    folder = fake_candidate(tmp_path / "a", "a", 0.7)
    (folder / "model.safetensors").unlink()
    with pytest.raises(StudyError, match=r"has no weights .*: delete the folder and run snakemake again"):
        select_classifier([folder], tmp_path / "selected")
    (folder / "scores.json").write_text("{")
    with pytest.raises(StudyError, match=r"scores.json is missing or damaged"):
        select_classifier([folder], tmp_path / "selected")


def test_table_1_has_the_published_values_beside_ours(tmp_path):
    folders = [
        fake_candidate(tmp_path / "r", "roberta-base", 0.8),
        fake_candidate(tmp_path / "s", "small", 0.9, timing=False),
        fake_candidate(tmp_path / "e", "roberta-base", 0.95, split="event"),
    ]
    compare_classifiers(folders, tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        roberta, small, event = csv.DictReader(file)
    assert (roberta["macro_f1_published"], small["macro_f1_published"], event["macro_f1_published"]) == (
        "0.9196",
        "",
        "",
    )
    assert [row["selected"] for row in (roberta, small, event)] == ["false", "true", "false"]
    assert (roberta["train_runtime_seconds"], small["train_runtime_seconds"]) == ("2.5", "")
    assert (event["split"], event["f1_down_test"], event["test_articles"]) == ("event", "0.6", "3")


def test_an_article_is_title_newline_text_without_double_quotes():
    assert article_text("A “b”", 'c "d"') == "A b\nc d"
    assert article_text("A", 'c "d"', remove_quotes=False) == 'A\nc "d"'
    assert article_text("", "c") == "c"


def test_the_first_label_wins_a_tie():
    table = prediction_table(["i"], np.array([[0.5, 0.5]]), ["x", "y"])
    assert table["predicted"].to_pylist() == ["x"]


def ready(trained, folder, names):
    """A copy of the trained classifier whose labels go by other names, in the order of its outputs."""
    folder.mkdir()
    for name in MODEL_FILES:
        (folder / name).write_bytes((trained / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(i): name for i, name in enumerate(names)}
    config["label2id"] = {name: i for i, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(config))
    return {"name": "published", "source": "folder", "path": str(folder), "train": False}


def test_a_classifier_that_is_ready_is_tested_and_not_trained(trained, toy_articles, tmp_path):
    candidate = ready(trained, tmp_path / "ready", ["LABEL_0", "Up"])

    train(toy_articles, tmp_path / "out", candidate=candidate | {"labels": {"LABEL_0": "down"}})

    scores, own = (json.loads((folder / "scores.json").read_text()) for folder in (tmp_path / "out", trained))
    assert (tmp_path / "out/model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    for part in ("validation", "test"):
        assert scores[part]["f1"] == own[part]["f1"]
        assert scores[part]["loss"] == pytest.approx(own[part]["loss"], abs=1e-9)
    assert scores["best_epoch"] is None and scores["articles"] == {"train": 0, "validation": 40, "test": 40}
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["id2label"] == {"0": "down", "1": "up"}
    select_classifier([tmp_path / "out"], tmp_path / "selected")
    compare_classifiers([tmp_path / "selected"], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as lines:
        assert next(csv.DictReader(lines))["train_articles"] == "0"


def test_a_ready_classifier_whose_labels_are_other_ones_is_refused(trained, toy_articles, tmp_path):
    candidate = ready(trained, tmp_path / "ready", ["LABEL_0", "LABEL_1"])

    with pytest.raises(StudyError, match=r"classifies into LABEL_0, LABEL_1, but the study needs down, up") as caught:
        train(toy_articles, tmp_path / "out", candidate=candidate)
    assert "classifier.candidates published" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_labels_are_mapped_by_name_and_never_by_place(trained, toy_articles, tmp_path):
    """The same weights under exchanged names are wrong about every article."""
    candidate = ready(trained, tmp_path / "ready", ["up", "down"])

    train(toy_articles, tmp_path / "out", candidate=candidate)

    scores, own = (json.loads((folder / "scores.json").read_text()) for folder in (tmp_path / "out", trained))
    assert scores["test"]["accuracy"] == pytest.approx(1 - own["test"]["accuracy"])


def test_copies_are_tested_by_a_switch(toy_rows, tmp_path):
    path = tmp_path / "classifier.parquet"
    copies = [row | {"copy": 1} for row in toy_rows if row["split_random"] != "train"]
    write_table(pa.Table.from_pylist([*toy_rows, *copies], CLASSIFIER_ARTICLES), path, CLASSIFIER_ARTICLES)
    once = {"training": TRAINING | {"epochs": 1}}

    train(path, tmp_path / "without", **once)
    train(path, tmp_path / "with", test_copies=True, **once)

    counts = [
        json.loads((tmp_path / name / "scores.json").read_text())["articles"]["test"] for name in ("without", "with")
    ]
    assert counts == [40, 80]


def test_quotes_and_length_of_what_is_classified_are_switches(trained, tmp_path):
    plain = write_generated(tmp_path / "plain.parquet", [("g", "t", "Wheat rises. They said gain is climb.")])
    quoted = write_generated(tmp_path / "quoted.parquet", [("g", "t", 'Wheat "rises". They said "gain" is climb.')])

    def probability(path, **options):
        options = {"text": "text", "max_tokens": 64} | options
        classify_articles(path, {trained: tmp_path / "out.parquet"}, labels=LABELS, device="cpu", **options)
        return read_table(tmp_path / "out.parquet", predictions(LABELS))["probability_up"][0].as_py()

    assert probability(quoted) == probability(plain)
    assert probability(quoted, remove_quotes=False) != probability(plain)
    assert probability(plain, max_tokens=6) != probability(plain)
