import json

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES, QUALITY
from bias_amplification.measures import quality as quality_module
from bias_amplification.measures.corruption import CLASSES
from bias_amplification.measures.encoder_training import warn_of_fast_training
from bias_amplification.measures.quality import (
    article_quality,
    graded_parts,
    real_sentences,
    said_before,
    score_quality,
    train_quality_detector,
)
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES
from bias_amplification.study.sections import Detector, DetectorTraining, JobCompute, Quality

SCRATCH = Quality(
    detector=Detector(layers=1, width=32, heads=2, vocabulary=500),
    training=DetectorTraining(epochs=3, batch_size=16, learning_rate=5.0e-3, max_tokens=48),
    sentences=800,
)


@pytest.fixture(scope="module")
def detector(toy_articles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    train_quality_detector(toy_articles, folder, SCRATCH, "en", 1, JobCompute(device="cpu"))
    return folder


def score(detector, tmp_path, texts, quality=SCRATCH):
    rows = [
        {"article_id": f"g{i}", "title": "t", "head": "", "text": text, "prompts": 1, "new_tokens": 1}
        for i, text in enumerate(texts)
    ]
    write_table(pa.Table.from_pylist(rows, GENERATED_ARTICLES), tmp_path / "articles.parquet", GENERATED_ARTICLES)
    out = tmp_path / "quality.parquet"
    score_quality(detector, tmp_path / "articles.parquet", out, quality, "en", JobCompute(device="cpu"))
    return read_table(out, QUALITY).to_pylist()


def test_the_detector_learns_the_classes(detector):
    scores = json.loads((detector / "scores.json").read_text())
    assert scores["detector"] == "scratch"
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


def test_a_repeated_sentence_is_classified_once(detector, tmp_path, monkeypatch):
    classified = []
    predict = quality_module.predict_probabilities

    def record(classifier, texts, *rest):
        classified.extend(texts)
        return predict(classifier, texts, *rest)

    monkeypatch.setattr(quality_module, "predict_probabilities", record)
    first, second, empty = score(detector, tmp_path, ["Once more. Once more. Once more.", "Once more. Other.", " \n"])
    assert classified == ["Once more.", "Other."]
    assert (first["sentences"], second["sentences"], empty["sentences"]) == (3, 2, 0)
    assert (empty["quality"], empty["quality_weighted"], empty["share_noise"]) == (None, None, None)


def test_splitter_and_length_follow_the_config(detector, tmp_path):
    """The published splitter cuts at every period; a sentence of noise that is cut off no longer counts."""
    text = ["The price rises on day 3, Mr. Bolt said, and zkvj wpq hhgt ffkd qqz vbn zzkw qpr."]
    (row,) = score(detector, tmp_path, text)
    (by_period,) = score(detector, tmp_path, text, SCRATCH.model_copy(update={"splitter": "period"}))
    assert (row["sentences"], by_period["sentences"]) == (1, 2)
    short = SCRATCH.model_copy(update={"training": SCRATCH.training.model_copy(update={"max_tokens": 4})})
    assert score(detector, tmp_path, text, short)[0]["quality_weighted"] != row["quality_weighted"]


def test_a_published_detector_is_tested_and_its_labels_are_matched_by_name(detector, toy_articles, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in MODEL_AND_TOKENIZER_FILES:
        (folder / name).write_bytes((detector / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    names = ["Clean", "mild gibberish", "salad", "noise"]
    config["id2label"], config["label2id"] = dict(enumerate(names)), {n: i for i, n in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(config))

    def take(out, labels):
        published = Detector(source="folder", path=str(folder), labels=labels)
        quality = SCRATCH.model_copy(update={"detector": published})
        train_quality_detector(toy_articles, out, quality, "en", 1, JobCompute(device="cpu"))

    take(tmp_path / "out", {"salad": "word_salad"})

    scores = json.loads((tmp_path / "out/scores.json").read_text())
    assert scores["articles"]["train"] == 0
    assert scores["test"] == json.loads((detector / "scores.json").read_text())["test"]
    assert (tmp_path / "out/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    with pytest.raises(StudyError, match=r"classifies into Clean, mild gibberish, salad, noise.*quality.detector"):
        take(tmp_path / "refused", {})


@pytest.fixture(scope="module")
def pretrained(detector, toy_articles, tmp_path_factory):
    """A detector with the class for repetition, trained from the weights of another one with a fresh head."""
    folder = tmp_path_factory.mktemp("pretrained")
    given = Detector(source="folder", path=str(detector), train=True, repetition=True)
    quality = SCRATCH.model_copy(update={"detector": given})
    train_quality_detector(toy_articles, folder, quality, "en", 2, JobCompute(device="cpu"))
    return folder, quality


def test_a_detector_is_trained_from_a_pretrained_encoder_with_a_class_for_repetition(pretrained):
    folder, quality = pretrained
    scores = json.loads((folder / "scores.json").read_text())

    assert scores["detector"] == "folder"
    assert scores["articles"]["train"] == 800 and scores["best_epoch"]
    assert tuple(scores["test"]["f1"]) == quality.detector.classes
    assert tuple(scores["test"]["f1"]) == ("clean", "mild_gibberish", "word_salad", "repetition", "noise")
    assert scores["test"]["f1"]["repetition"] > 0.6


def test_repetition_counts_as_word_salad_does_and_has_a_column(pretrained, detector, tmp_path):
    folder, quality = pretrained
    real = "The price of wheat rises on day 3. They said climb is gain in town 4."
    texts = [real, " ".join([real] * 4), "They said climb " + "is gain in town " * 12]

    sound, again, loop = score(folder, tmp_path, texts, quality)

    shares = [name for name in sound if name.startswith("share_")]
    assert all(sum(row[name] for name in shares) == pytest.approx(1) for row in (sound, again, loop))
    assert sound["share_repetition"] == 0
    # The first two of eight sentences are new.
    assert again["share_repetition"] == 0.75
    assert again["quality"] == pytest.approx((2 * sound["quality"] + 6 * 1) / 8)
    assert loop["share_repetition"] == loop["quality"] == 1
    assert "share_repetition" not in score(detector, tmp_path, texts)[0]


def test_a_detector_without_the_class_for_repetition_is_refused(detector, toy_articles, tmp_path):
    published = Detector(source="folder", path=str(detector), repetition=True)
    quality = SCRATCH.model_copy(update={"detector": published})

    with pytest.raises(StudyError, match=r"but the study needs .*repetition, noise \(quality.detector\)"):
        train_quality_detector(toy_articles, tmp_path / "out", quality, "en", 1, JobCompute(device="cpu"))


def test_a_learning_rate_for_fresh_weights_is_warned_of_if_weights_are_pretrained(capsys):
    rates = {}
    for source in (Detector(), Detector(source="folder", path="models/minilm", train=True)):
        for rate in (5.0e-5, 4.0e-3):
            warn_of_fast_training(source, DetectorTraining(learning_rate=rate), "quality.training")
            rates[source.source, rate] = capsys.readouterr().out

    assert rates.pop(("folder", 4.0e-3)) == (
        "warning: quality.training.learning_rate is 0.004, which destroys the pretrained weights of models/minilm: set "
        "it to a small one, such as 5.0e-5.\n"
    )
    assert set(rates.values()) == {""}


def test_only_sentences_of_five_words_are_said_before():
    found = ["He said so again.", "The bill went to the House.", "He said so again.", "the bill went to the house", "."]
    assert said_before(found).tolist() == [False, False, False, True, False]
    assert said_before([]).tolist() == []


def test_quality_is_the_mean_value_of_the_most_likely_classes():
    probabilities = np.array([[0.8, 0.1, 0.1, 0.0], [0.2, 0.2, 0.6, 0.0], [0.0, 0.5, 0.3, 0.2], [0.1, 0.1, 0.1, 0.7]])
    row = article_quality(probabilities)
    assert row["sentences"] == 4
    assert row["quality"] == pytest.approx((3 + 1 + 2 + 0) / 4)
    assert row["quality_weighted"] == pytest.approx((3 * 0.8 + 1 * 0.6 + 2 * 0.5 + 0) / 4)
    assert [row[f"share_{name}"] for name in CLASSES] == [0.25] * 4


def test_real_sentences_are_different_and_complete():
    found = real_sentences(
        ["A title", "A title"], ["One here. Two here.", 'One here. "Three here." Cut off he'], "sentence"
    )
    assert found == ["A title", "One here.", "Two here.", '"Three here."']
    assert real_sentences(["T"], ["One. Two."], "period") == ["T", "One", "Two"]


@pytest.mark.parametrize(
    ("language", "body", "sentences"),
    [
        ("ru", "Он живёт в г. Москва. Кто заплатит? Никто не", ["Он живёт в г. Москва.", "Кто заплатит?"]),
        ("zh", "市长说桥太贵了。谁来付钱？没有", ["市长说桥太贵了。", "谁来付钱？"]),
        ("hi", "मेयर लौटा। कौन देगा? कोई", ["मेयर लौटा।", "कौन देगा?"]),
        ("ar", "عاد العمدة. من سيدفع؟ لا", ["عاد العمدة.", "من سيدفع؟"]),
        # Nothing ends a Thai sentence but the end of its line, so nothing is cut off.
        ("th", "นายกเทศมนตรีกล่าวว่าสะพานแพงมาก\nเขาออกไปแล้ว", ["นายกเทศมนตรีกล่าวว่าสะพานแพงมาก", "เขาออกไปแล้ว"]),
    ],
)
def test_real_sentences_of_other_languages(language, body, sentences):
    assert real_sentences(["T"], [body], "sentence", language) == ["T", *sentences]


def test_a_real_sentence_is_in_one_part_only():
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
