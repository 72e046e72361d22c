import csv
import json

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.tables.classifier import (
    write_classifier_table,
    write_detector_table,
    write_reliability_table,
)
from bias_amplification.published.comparable import published_file

STATEMENTS = published_file("statements.csv")


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_scores(folder, candidate, macro_f1, split="random", model=None, timing=None):
    """Write the scores.json and, if given, the timing.json of a classifier, and return the former."""
    part = {"macro_f1": macro_f1, "f1": {"red": macro_f1 + 0.01}, "accuracy": macro_f1, "loss": 0.4035}
    scores = {
        "candidate": candidate, "model": model or candidate, "split": split, "validation": part, "test": part,
        "best_epoch": 2, "parameters": 1000, "articles": {"train": 70, "validation": 15, "test": 15},
    }  # fmt: skip
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(scores))
    if timing:
        (folder / "timing.json").write_text(json.dumps(timing))
    return folder / "scores.json"


def test_table_1_has_one_row_per_classifier_and_no_empty_columns(tmp_path):
    files = [
        write_scores(tmp_path / "small", "small", 0.85559),
        write_scores(tmp_path / "large", "large", 0.91963),
        write_scores(tmp_path / "event", "large", 0.95, split="event"),
    ]

    write_classifier_table(files, [tmp_path / "table_1.csv"], statements_file=STATEMENTS)

    rows = read_csv(tmp_path / "table_1.csv")
    columns = ("candidate", "split", "selected", "macro F1 test", "F1 red test", "loss test", "test articles")
    assert [[row[name] for name in columns] for row in rows] == [
        ["small", "random", "", "0.8556", "0.8656", "0.4035", "15"],
        ["large", "random", "yes", "0.9196", "0.9296", "0.4035", "15"],
        ["large", "event", "", "0.95", "0.96", "0.4035", "15"],
    ]
    assert not [name for name in rows[0] if "published" in name or "seconds" in name]


def test_table_1_has_published_scores_on_the_random_split_and_runtimes(tmp_path):
    timing = {"train_runtime_seconds": 2.5, "samples_per_second": 4.0}
    files = [
        write_scores(tmp_path / "r", "roberta", 0.8, model="FacebookAI/roberta-base", timing=timing),
        write_scores(tmp_path / "s", "small", 0.9),
        write_scores(tmp_path / "e", "roberta", 0.95, model="FacebookAI/roberta-base", split="event"),
    ]

    write_classifier_table(files, [tmp_path / "table_1.csv"], statements_file=STATEMENTS)

    rows = read_csv(tmp_path / "table_1.csv")
    assert [row["macro F1 published"] for row in rows] == ["0.9196", "", ""]
    assert [row["train runtime seconds"] for row in rows] == ["2.5", "", ""]
    assert [row["samples per second"] for row in rows] == ["4", "", ""]


def test_error_names_damaged_scores(tmp_path):
    file = write_scores(tmp_path / "small", "small", 0.8)
    file.write_text("{")

    with pytest.raises(StudyError, match=r"scores\.json is missing or damaged"):
        write_classifier_table([file], [tmp_path / "t.csv"], statements_file=STATEMENTS)


def test_detector_table_has_one_row_per_class_and_the_mean(tmp_path):
    test = {"f1": {"clean": 0.9, "noise": 0.7}, "macro_f1": 0.8}
    (tmp_path / "scores.json").write_text(json.dumps({"validation": {"macro_f1": 0.8}, "test": test}))

    write_detector_table(tmp_path / "scores.json", [tmp_path / "t.csv"])

    assert (tmp_path / "t.csv").read_text() == "class,F1\nclean,0.9\nnoise,0.7\nmean (macro),0.8\n"


def test_reliability_is_listed_with_and_without_calibration(tmp_path):
    def calibration(error, confidence):
        bins = [
            {"low": 0.5, "high": 0.6, "texts": 10, "confidence": 0.55, "accuracy": 0.5},
            {"low": 0.9, "high": 1.0, "texts": 30, "confidence": confidence, "accuracy": 0.8},
        ]
        return {"expected_error": error, "bins": bins}

    scores = {
        "candidate": "wide",
        "temperature": 1.7,
        "validation": {"macro_f1": 0.8},
        "test": {"calibration": calibration(0.125, 0.95)},
        "test_calibration": calibration(0.0875, 0.9),
    }
    (tmp_path / "scores.json").write_text(json.dumps(scores))

    write_reliability_table([tmp_path / "scores.json"], [tmp_path / "t.csv"])

    with (tmp_path / "t.csv").open() as file:
        plain, low, high, tempered, *_ = csv.DictReader(file)
    assert (plain["classifier"], plain["temperature"], plain["articles"]) == ("wide", "1", "40")
    assert float(plain["mean confidence"]) == pytest.approx((10 * 0.55 + 30 * 0.95) / 40)
    assert float(plain["accuracy"]) == pytest.approx(0.725)
    assert plain["expected calibration error"] == "0.125"
    assert (low["confidence from"], low["to"], low["accuracy"]) == ("0.5", "0.6", "0.5")
    assert high["articles"] == "30"
    assert (tempered["temperature"], tempered["expected calibration error"]) == ("1.7", "0.0875")
