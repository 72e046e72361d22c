"""Tables of the leaning classifier and the quality detector, with Table 1 of the paper."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_amplification.figures.tables.writing import write_table_for_reading
from bias_amplification.measures.encoders import read_scores
from bias_amplification.measures.selection import best_candidate
from bias_amplification.published.record import published_macro_f1


def classifier_table(
    scores: Sequence[Mapping], timings: Sequence[Mapping], published: Mapping[str, float]
) -> pd.DataFrame:
    """Return the paper's Table 1: one row per trained classifier, with the published macro F1 beside it.

    Parameters
    ----------
    scores
        scores.json of each classifier, on any splits.
    timings
        timing.json of each classifier; empty if it has none.
    published
        Published macro F1 on the random split, by the name of the model without its owner.

    Returns
    -------
    pd.DataFrame
        `selected` marks the candidate with the highest validation macro F1 on the random split. Columns that no
        classifier has a value for are left out.
    """
    candidates = [score for score in scores if score["split"] == "random"]
    best = candidates[best_candidate(candidates)] if candidates else None
    rows = []
    for score, timing in zip(scores, timings, strict=True):
        test, model = score["test"], score["model"].rsplit("/")[-1]
        rows.append(
            {
                "candidate": score["candidate"],
                "split": score["split"],
                "selected": "yes" if score is best else "",
                "macro F1 test": test["macro_f1"],
                "macro F1 published": published.get(model) if score["split"] == "random" else None,
                "macro F1 validation": score["validation"]["macro_f1"],
                **{f"F1 {label} test": value for label, value in test["f1"].items()},
                "accuracy test": test["accuracy"],
                "loss test": test["loss"],
                "loss validation": score["validation"]["loss"],
                "best epoch": score["best_epoch"],
                "parameters": score["parameters"],
                "train articles": score["articles"]["train"],
                "test articles": score["articles"]["test"],
                "train runtime seconds": timing.get("train_runtime_seconds"),
                "samples per second": timing.get("samples_per_second"),
            }
        )
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def detector_table(scores: Mapping[str, Any]) -> pd.DataFrame:
    """Return the test F1 of the quality detector for each class, and their mean, from its scores.json."""
    classes = {**scores["test"]["f1"], "mean (macro)": scores["test"]["macro_f1"]}
    return pd.DataFrame({"class": list(classes), "F1": list(classes.values())})


def reliability_table(scores: Sequence[Mapping]) -> pd.DataFrame:
    """Compare the confidence of classifiers with their accuracy on the test articles.

    Parameters
    ----------
    scores
        scores.json of each classifier.

    Returns
    -------
    pd.DataFrame
        For each classifier and temperature (1, and the fitted one) a row over all test articles with the expected
        calibration error, and a row for each bin of confidence that contains articles.
    """
    rows = []
    for score in scores:
        plain, tempered = score["test"]["calibration"], score["test_calibration"]
        for at, calibration in ((1.0, plain), (score["temperature"], tempered)):
            about = {"classifier": score["candidate"], "temperature": at}
            bins = calibration["bins"]
            texts = sum(row["texts"] for row in bins)
            means = {name: sum(row["texts"] * row[name] for row in bins) / texts for name in ("confidence", "accuracy")}
            error = {"expected calibration error": calibration["expected_error"]}
            rows.append({**about, "confidence from": "all", "to": "", "articles": texts, **means, **error})
            rows += [
                {**about, "confidence from": f"{row['low']:.1f}", "to": f"{row['high']:.1f}", "articles": row["texts"]}
                | {name: row[name] for name in ("confidence", "accuracy")}
                for row in bins
            ]
    return pd.DataFrame(rows).rename(columns={"confidence": "mean confidence"})


def write_classifier_table(
    scores_files: Sequence[Path], out: Sequence[Path], *, statements_file: Path | None = None, unit: str = "article"
) -> None:
    """Write the table of all trained classifiers to each of `out` (.csv, .html): the paper's Table 1.

    Parameters
    ----------
    scores_files
        scores.json of each classifier. Runtimes are read from timing.json beside it, if there is one.
    out
        The files to make.
    statements_file
        `resources/published/statements.csv`; None for a study without published counterparts.
    unit
        The study's word for an article.
    """
    scores = [read_scores(file.parent) for file in scores_files]
    files = [file.with_name("timing.json") for file in scores_files]
    timings = [json.loads(file.read_text(encoding="utf-8")) if file.exists() else {} for file in files]
    table = classifier_table(scores, timings, published_macro_f1(statements_file) if statements_file else {})
    title = "Table 1: classifier candidates" if statements_file else "Classifier candidates"
    write_table_for_reading(table, out, title, unit)


def write_detector_table(scores_file: Path, out: Sequence[Path]) -> None:
    """Write the test scores of the quality detector to each of `out` (.csv, .html)."""
    scores = read_scores(scores_file.parent)
    write_table_for_reading(detector_table(scores), out, "Quality detector, on sentences it was not trained on")


def write_reliability_table(scores_files: Sequence[Path], out: Sequence[Path], *, unit: str = "article") -> None:
    """Read the scores.json of classifiers and write `reliability_table` to each of `out` (.csv, .html)."""
    table = reliability_table([read_scores(file.parent) for file in scores_files])
    write_table_for_reading(table, out, "Confidence and accuracy of the classifier", unit)
