import json

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES, GENERATED_ARTICLES, predictions
from bias_amplification.measures.leaning import (
    SplitArticles,
    classified_texts,
    classifier_text,
    classify_articles,
    prediction_table,
    train_leaning_classifier,
)
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES
from bias_amplification.study.sections import Candidate, Classifier, Degeneration, EncoderTraining, JobCompute

LABELS = ["down", "up"]
CANDIDATE = Candidate(name="tiny", layers=1, width=16, heads=2, vocabulary=400)
TRAINING = EncoderTraining(epochs=6, batch_size=8, learning_rate=5.0e-3, max_tokens=64)
CLASSIFIER = Classifier(training=TRAINING)
#: For tests in which it does not matter what the classifier learns.
ONE_EPOCH = CLASSIFIER.model_copy(update={"training": TRAINING.model_copy(update={"epochs": 1})})


def train(articles, out, *, split="random", candidate=CANDIDATE, classifier=CLASSIFIER, seed=1):
    compute = JobCompute(device="cpu")
    train_leaning_classifier(SplitArticles(articles, split, LABELS), out, candidate, classifier, seed, compute)


@pytest.fixture(scope="module")
def trained(toy_articles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(toy_articles, folder)
    return folder


def read_scores(folder):
    return json.loads((folder / "scores.json").read_text())


def write_generated(path, rows):
    full = [{"article_id": i, "title": t, "head": "", "text": x, "prompts": 1, "new_tokens": 1} for i, t, x in rows]
    write_table(pa.Table.from_pylist(full, GENERATED_ARTICLES), path, GENERATED_ARTICLES)
    return path


def probability_up(trained, path, cpu, **changes):
    """Classify one article, with changes of the config's section."""
    out = path.parent / "predictions.parquet"
    classifier = CLASSIFIER.model_copy(update=changes)
    classify_articles(path, {trained: out}, classifier, Degeneration(few_words=1), LABELS, "en", cpu)
    (probability,) = read_table(out, predictions(LABELS))["probability_up"].to_pylist()
    return probability


def test_words_of_a_label_are_learned(trained):
    scores = read_scores(trained)
    assert scores["test"]["macro_f1"] > 0.9
    assert (scores["candidate"], scores["model"], scores["split"]) == ("tiny", "tiny", "random")
    assert scores["articles"] == {"train": 160, "validation": 40, "test": 40}
    assert set(scores["test"]["f1"]) == set(LABELS)
    assert sum(map(sum, scores["test"]["confusion"].values())) == 40
    assert 0 <= scores["test"]["calibration"]["expected_error"] <= 1 and scores["temperature"] > 0
    assert 1 <= scores["best_epoch"] <= 6
    assert {file.name for file in trained.iterdir()} == {*MODEL_AND_TOKENIZER_FILES, "scores.json", "timing.json"}
    assert json.loads((trained / "timing.json").read_text())["samples_per_second"] > 0


def test_the_same_seed_gives_the_same_bytes(toy_articles, tmp_path):
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        train(toy_articles, tmp_path / name, classifier=ONE_EPOCH, seed=seed)
    for name in (*MODEL_AND_TOKENIZER_FILES, "scores.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    assert (tmp_path / "other/model.safetensors").read_bytes() != (tmp_path / "first/model.safetensors").read_bytes()


def test_articles_are_classified_in_their_order_by_every_classifier(trained, toy_rows, toy_articles, tmp_path, cpu):
    known = [row for row in toy_rows if row["split_random"] == "test"]
    rows = [(row["article_id"], row["title"], row["body"]) for row in known]
    articles = write_generated(tmp_path / "articles.parquet", [*rows, ("empty", "", "")])
    first, second = tmp_path / "predictions.parquet", tmp_path / "second.parquet"
    train(toy_articles, tmp_path / "other", classifier=ONE_EPOCH, seed=9)
    classifier = CLASSIFIER.model_copy(update={"text": "title_and_text"})

    out, every = {trained: first, tmp_path / "other": second}, Degeneration(labels="all")
    classify_articles(articles, out, classifier, every, ["up", "down"], "en", cpu)

    table = read_table(first, predictions(["up", "down"]))
    assert table["article_id"].to_pylist() == [*(row["article_id"] for row in known), "empty"]
    hits = [p == row["label"] for p, row in zip(table["predicted"].to_pylist()[:-1], known, strict=True)]
    assert sum(hits) > 0.9 * len(hits)
    total = np.add(table["probability_up"].to_numpy(), table["probability_down"].to_numpy())
    assert total == pytest.approx(np.ones(len(table)), abs=1e-12)
    other = read_table(second, predictions(["up", "down"]))
    assert other["article_id"] == table["article_id"]
    assert other["probability_up"] != table["probability_up"]


def test_a_text_that_is_too_short_has_no_label(trained, tmp_path, cpu):
    texts = {"gone": " ", "stop": ". . . .", "two": "Wheat rises.", "three": "Wheat rises again."}
    articles = write_generated(tmp_path / "articles.parquet", [(i, "t", text) for i, text in texts.items()])

    classify_articles(articles, {trained: tmp_path / "out"}, CLASSIFIER, Degeneration(), LABELS, "en", cpu)

    rows = {row["article_id"]: row for row in read_table(tmp_path / "out", predictions(LABELS)).to_pylist()}
    assert [i for i, row in rows.items() if row["predicted"] is None] == ["gone", "stop", "two"]
    assert rows["two"]["probability_up"] is rows["two"]["probability_down"] is None
    assert rows["three"]["probability_up"] + rows["three"]["probability_down"] == pytest.approx(1, abs=1e-12)


def test_the_title_is_read_on_request_only(trained, tmp_path, cpu):
    falls = write_generated(tmp_path / "falls.parquet", [("g", "Wheat falls, a loss", "Quiet.")])
    rises = write_generated(tmp_path / "rises.parquet", [("g", "Wheat rises, a gain", "Quiet.")])
    assert probability_up(trained, falls, cpu) == probability_up(trained, rises, cpu)
    with_title = [probability_up(trained, path, cpu, text="title_and_text") for path in (falls, rises)]
    assert with_title[0] < with_title[1]


def test_the_head_belongs_to_the_real_words(tmp_path):
    # Nothing is between head and text: the text begins with its own space.
    rows = [{"title": title, "head": 'The "cat', "text": '" sat'} for title in ("Title", "")]
    articles = pa.Table.from_pylist(rows)
    real = CLASSIFIER.model_copy(update={"text": "title_and_text"})

    assert classified_texts(articles, CLASSIFIER) == [" sat"] * 2
    assert classified_texts(articles, real) == ["Title\nThe cat sat", "The cat sat"]
    seeds = pa.Table.from_pylist([{"title": "Title", "body": "A body"}])
    assert [classified_texts(seeds, one) for one in (CLASSIFIER, real)] == [["A body"], ["Title\nA body"]]


def test_removal_of_quotes_and_length_follow_the_config(trained, tmp_path, cpu):
    plain = write_generated(tmp_path / "plain.parquet", [("g", "t", "Wheat rises. They said gain is climb.")])
    quoted = write_generated(tmp_path / "quoted.parquet", [("g", "t", 'Wheat "rises". They said "gain" is climb.')])
    expected = probability_up(trained, plain, cpu)
    assert probability_up(trained, quoted, cpu) == expected
    assert probability_up(trained, quoted, cpu, remove_quotes=False) != expected
    assert probability_up(trained, plain, cpu, max_tokens=6) != expected
    short = TRAINING.model_copy(update={"max_tokens": 6})
    assert probability_up(trained, plain, cpu, training=short) != expected
    assert probability_up(trained, plain, cpu, training=short, max_tokens=64) == expected


def test_a_classifier_with_other_labels_is_refused(trained, tmp_path, cpu):
    articles = write_generated(tmp_path / "articles.parquet", [("g", "t", "x")])
    with pytest.raises(StudyError, match="classifies into down, up, but the study needs left, right"):
        classify_articles(
            articles, {trained: tmp_path / "out"}, CLASSIFIER, Degeneration(), ["left", "right"], "en", cpu
        )


def test_a_part_that_lacks_a_label_is_refused(toy_articles, tmp_path):
    """Articles that the split puts into no part are left out: here all with the label "up"."""
    with pytest.raises(StudyError, match="no article labelled 'up' in the train part of the event split"):
        train(toy_articles, tmp_path, split="event")


def test_an_unknown_label_is_refused(toy_rows, tmp_path):
    path = tmp_path / "classifier.parquet"
    rows = [*toy_rows, toy_rows[0] | {"label": "sideways"}]
    write_table(pa.Table.from_pylist(rows, CLASSIFIER_ARTICLES), path, CLASSIFIER_ARTICLES)
    with pytest.raises(StudyError, match=r"labelled 'sideways', which corpus.labels lacks"):
        train(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("split", "resample_first", "tested"), [("random", False, 40), ("random", True, 80), ("event", True, 40)]
)
def test_copies_are_tested_in_the_random_split_with_the_papers_order_of_resampling(
    toy_rows, tmp_path, split, resample_first, tested
):
    path = tmp_path / "classifier.parquet"
    copies = [row | {"copy": 1} for row in toy_rows if row["split_random"] != "train"]
    rows = [row | {"split_event": row["split_random"]} for row in [*toy_rows, *copies]]
    write_table(pa.Table.from_pylist(rows, CLASSIFIER_ARTICLES), path, CLASSIFIER_ARTICLES)
    classifier = ONE_EPOCH.model_copy(update={"resample_first": resample_first})

    train(path, tmp_path / "out", split=split, classifier=classifier)

    assert read_scores(tmp_path / "out")["articles"] == {"train": 160, "validation": tested, "test": tested}


def test_a_text_is_title_newline_body_with_or_without_double_quotes():
    assert classifier_text("A “b”", 'c "d"', remove_quotes=True) == "A b\nc d"
    assert classifier_text("A", 'c "d"', remove_quotes=False) == 'A\nc "d"'
    assert classifier_text("", "c", remove_quotes=True) == "c"


def test_the_first_label_wins_a_tie():
    table = prediction_table(["i"], np.array([[0.5, 0.5]]), ["x", "y"])
    assert table["predicted"].to_pylist() == ["x"]


def publish(trained, folder, names, labels=None):
    """Copy the trained classifier with other label names, in the order of its outputs."""
    folder.mkdir()
    for name in MODEL_AND_TOKENIZER_FILES:
        (folder / name).write_bytes((trained / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(i): name for i, name in enumerate(names)}
    config["label2id"] = {name: i for i, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(config))
    return Candidate(name="published", source="folder", path=str(folder), train=False, labels=labels or {})


def test_a_published_classifier_is_tested_and_not_trained(trained, toy_articles, tmp_path):
    candidate = publish(trained, tmp_path / "published", ["LABEL_0", "Up"], {"LABEL_0": "down"})

    train(toy_articles, tmp_path / "out", candidate=candidate)

    scores, own = read_scores(tmp_path / "out"), read_scores(trained)
    assert (tmp_path / "out/model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    for part in ("validation", "test"):
        assert scores[part]["f1"] == own[part]["f1"]
        assert scores[part]["loss"] == pytest.approx(own[part]["loss"], abs=1e-9)
    assert scores["best_epoch"] is None and scores["articles"] == {"train": 0, "validation": 40, "test": 40}
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["id2label"] == {"0": "down", "1": "up"}


def test_a_published_classifier_with_other_labels_is_refused(trained, toy_articles, tmp_path):
    candidate = publish(trained, tmp_path / "published", ["LABEL_0", "LABEL_1"])

    with pytest.raises(StudyError, match=r"classifies into LABEL_0, LABEL_1, but the study needs down, up") as caught:
        train(toy_articles, tmp_path / "out", candidate=candidate)
    assert "classifier.candidates published" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_labels_are_matched_by_name_and_not_by_position(trained, toy_articles, tmp_path):
    """With exchanged label names, every prediction of the same weights is the other one."""
    candidate = publish(trained, tmp_path / "published", ["up", "down"])

    train(toy_articles, tmp_path / "out", candidate=candidate)

    scores, own = read_scores(tmp_path / "out"), read_scores(trained)
    assert scores["test"]["accuracy"] == pytest.approx(1 - own["test"]["accuracy"])
