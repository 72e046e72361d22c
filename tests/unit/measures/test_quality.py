import json

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES, QUALITY
from bias_amplification.measures import encoder_prediction
from bias_amplification.measures.corruption import CLASSES
from bias_amplification.measures.encoders import MODEL_FILES
from bias_amplification.measures.quality import (
    article_quality,
    graded_parts,
    real_sentences,
    score_quality,
    train_quality_detector,
)

SCRATCH = {"source": "scratch", "layers": 1, "width": 32, "heads": 2, "vocabulary": 500}
TRAINING = {"epochs": 3, "batch_size": 16, "learning_rate": 5.0e-3, "max_tokens": 48}


def train(articles, out, **changes):
    settings = {"detector": SCRATCH, "training": TRAINING, "sentences": 800, "splitter": "sentence", "seed": 1}
    train_quality_detector(articles, out, device="cpu", **settings | changes)


@pytest.fixture(scope="module")
def detector(toy_articles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    train(toy_articles, folder)
    return folder


def score(detector, tmp_path, texts):
    rows = [
        {"article_id": f"g{i}", "title": "t", "text": text, "prompts": 1, "new_tokens": 1}
        for i, text in enumerate(texts)
    ]
    write_table(pa.Table.from_pylist(rows, GENERATED_ARTICLES), tmp_path / "articles.parquet", GENERATED_ARTICLES)
    out = tmp_path / "quality.parquet"
    score_quality(detector, tmp_path / "articles.parquet", out, splitter="sentence", max_tokens=48, device="cpu")
    return read_table(out, QUALITY).to_pylist()


def test_the_detector_learns_the_classes(detector):
    scores = json.loads((detector / "scores.json").read_text())
    assert scores["articles"]["train"] == 800
    assert list(scores["test"]["f1"]) == list(CLASSES)
    assert scores["test"]["macro_f1"] > 0.6
    assert scores["test"]["f1"]["noise"] > 0.9


def test_real_text_scores_higher_than_loops_and_noise(detector, tmp_path):
    real = 'The price of "wheat" rises on day 3. The market in town 4 was quiet, they said.'
    endless = "The market in town " + "in town " * 15
    noise = "xq zkvj wpq hhgt ffkd qqz vbn"
    quality = [row["quality"] for row in score(detector, tmp_path, [real, endless, noise])]
    assert quality[0] > quality[1] > quality[2]


def test_repeated_sentences_are_put_to_the_detector_once(detector, tmp_path, monkeypatch):
    seen = []
    predict = encoder_prediction.predict_probabilities
    monkeypatch.setattr(
        encoder_prediction,
        "predict_probabilities",
        lambda model, tokenizer, texts, *rest, **settings: (
            seen.extend(texts) or predict(model, tokenizer, texts, *rest, **settings)
        ),
    )
    first, second, empty = score(detector, tmp_path, ["Once more. Once more. Once more.", "Once more. Other.", " \n"])
    assert seen == ["Once more.", "Other."]
    assert (first["sentences"], second["sentences"], empty["sentences"]) == (3, 2, 0)
    assert (empty["quality"], empty["quality_weighted"], empty["share_noise"]) == (None, None, None)


def test_a_published_detector_is_read_by_its_names_and_only_tested(detector, toy_articles, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in MODEL_FILES:
        (folder / name).write_bytes((detector / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    names = ["Clean", "mild gibberish", "salad", "noise"]
    config["id2label"], config["label2id"] = dict(enumerate(names)), {n: i for i, n in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(config))
    source = {"source": "folder", "path": str(folder)}

    train(toy_articles, tmp_path / "out", detector=source | {"labels": {"salad": "word_salad"}})

    scores = json.loads((tmp_path / "out/scores.json").read_text())
    assert scores["articles"]["train"] == 0
    assert scores["test"] == json.loads((detector / "scores.json").read_text())["test"]
    assert (tmp_path / "out/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    with pytest.raises(StudyError, match="classifies into Clean, mild gibberish, salad, noise"):
        train(toy_articles, tmp_path / "refused", detector=source)


def test_quality_is_the_mean_value_of_the_likeliest_classes():
    probabilities = np.array([[0.8, 0.1, 0.1, 0.0], [0.2, 0.2, 0.6, 0.0], [0.0, 0.5, 0.3, 0.2], [0.1, 0.1, 0.1, 0.7]])
    row = article_quality(probabilities)
    assert row["sentences"] == 4
    assert row["quality"] == pytest.approx((3 + 1 + 2 + 0) / 4)
    assert row["quality_weighted"] == pytest.approx((3 * 0.8 + 1 * 0.6 + 2 * 0.5 + 0) / 4)
    assert [row[f"share_{name}"] for name in CLASSES] == [0.25] * 4


def test_real_sentences_are_different_and_whole():
    found = real_sentences(
        ["A title", "A title"], ["One here. Two here.", 'One here. "Three here." Cut off he'], "sentence"
    )
    assert found == ["A title", "One here.", "Two here.", '"Three here."']
    assert real_sentences(["T"], ["One. Two."], "period") == ["T", "One", "Two"]


def test_no_real_sentence_stands_in_two_parts():
    sentences = [f"The number of this long sentence is {number}." for number in range(200)]
    parts = graded_parts(sentences, 400, seed=1)
    clean = {
        part: {t for t, c in zip(found.texts, found.labels, strict=True) if c == "clean"}
        for part, found in parts.items()
    }
    assert len(parts["train"].texts) == 400
    assert all(clean.values())
    assert not clean["train"] & (clean["validation"] | clean["test"])
    assert not clean["validation"] & clean["test"]
