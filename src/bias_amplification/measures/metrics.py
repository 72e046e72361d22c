"""The metrics table: one row a model version, with 95% intervals over its articles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, PERPLEXITY, QUALITY, metrics, predictions
from bias_amplification.measures.calibration import temper
from bias_amplification.measures.encoders import read_scores
from bias_amplification.measures.intervals import mean_interval, wilson_interval
from bias_amplification.measures.quantification import adjusted_intervals, misfit

#: What a version's mapping says of it besides its files.
_DESCRIPTION = ("round", "generation", "seed_set", "strategy", "decoding", "tracked_label")


@dataclass(frozen=True)
class Judge:
    """What is known of the classifier from articles whose labels are known.

    `confusion`: shape [labels, labels], test articles by true label and label given. `temperature`: see
    `fit_temperature`.
    """

    confusion: np.ndarray
    temperature: float


def read_judge(folder: Path | str, labels: Sequence[str]) -> Judge:
    """Read a classifier's confusion matrix and temperature from its `scores.json`.

    Raises
    ------
    StudyError
        If the file lacks them for one of the labels.
    """
    scores = read_scores(folder)
    try:
        counts = scores["test"]["confusion"]
        return Judge(np.array([counts[label] for label in labels]), float(scores["temperature"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"{Path(folder) / 'scores.json'} has no confusion matrix and temperature for the labels "
            f"{', '.join(labels)}: delete the classifier's folders and run snakemake again."
        ) from error


def collect_metrics(
    versions: Sequence[Mapping],
    out: Path | str,
    *,
    seed_sets: Mapping[str, Path | str],
    classifier: Path | str,
    labels: Sequence[str],
    readable: float,
    seed: int,
) -> None:
    """Write the metrics of all model versions.

    Parameters
    ----------
    versions
        One mapping a version: `round`, `generation` (None for the base model), `seed_set`, `strategy`, `decoding`,
        `tracked_label`, the paths `predictions`, `quality`, `perplexity`, and `predictions_second`, a
        second classifier's, or None.
    out
        `schemas.metrics(labels)`, in the order of `versions`.
    seed_sets
        Path of each seed set's articles (`ARTICLES`) by name.
    classifier
        Folder of the classifier behind `predictions`, whose `scores.json` tells its errors.
    labels
        The study's labels.
    readable
        Text quality index from which an article is readable, 0 to 3.
    seed
        Fixes the draws behind intervals of adjusted shares.

    Raises
    ------
    StudyError
        If a file holds other articles than its seed set (the message names both files), or the classifier's scores
        lack what is needed.
    """
    judge = read_judge(classifier, labels)
    ids = {
        name: read_table(path, ARTICLES, ["article_id"])["article_id"].to_pylist() for name, path in seed_sets.items()
    }
    rows = []
    for version in versions:
        name = version["seed_set"]
        tables = _read_version(version, ids[name], Path(seed_sets[name]), labels)
        measured = measures(tables, labels) | robust_shares(tables, labels, judge, readable, seed)
        rows.append({key: version[key] for key in _DESCRIPTION} | measured)
    schema = metrics(labels)
    write_table(pa.Table.from_pylist(rows, schema), out, schema)


def measures(tables: Mapping[str, pa.Table | None], labels: Sequence[str]) -> dict[str, float | int | None]:
    """Shares, mean probabilities, quality and perplexity of one version's articles.

    Parameters
    ----------
    tables
        `predictions`, `quality`, `perplexity` of the same articles.
    labels
        The study's labels.

    Returns
    -------
    dict
        `articles` and the measures of `schemas.metrics(labels)`, each with `_low` and `_high`; null where no article
        has a value. The ends of a mean are no numbers (null or NaN) where only one article has one.
    """
    predicted, quality, perplexity = (tables[name] for name in ("predictions", "quality", "perplexity"))
    row: dict[str, float | int | None] = {"articles": len(predicted)}
    names = predicted["predicted"].to_pylist()
    for label in labels:
        _put(row, f"share_{label}", wilson_interval(names.count(label), len(names)))
        _put(row, f"mean_probability_{label}", mean_interval(_values(predicted, f"probability_{label}")))
    for name, table, column in (
        ("text_quality_index", quality, "quality"),
        ("text_quality_index_weighted", quality, "quality_weighted"),
        ("perplexity_base", perplexity, "perplexity_base"),
        ("perplexity_generating", perplexity, "perplexity_generating"),
    ):
        interval = mean_interval(_values(table, column))
        _put(row, name, tuple(None if np.isnan(value) else value for value in interval))
    return row


def robust_shares(
    tables: Mapping[str, pa.Table | None], labels: Sequence[str], judge: Judge, readable: float, seed: int
) -> dict[str, float | int | None]:
    """Shares of one version's articles as they would be if it were not for the classifier.

    Classifier and quality detector have learned from people's texts and read what collapsing models write. Each of
    these measures takes away one way in which that may deceive.

    Parameters
    ----------
    tables
        `predictions`, `quality` and `predictions_second` (a second classifier's, or None) of the same articles in one
        order.
    labels
        The study's labels.
    judge
        The classifier's errors.
    readable
        Text quality index from which an article is readable, 0 to 3; the one by class, whatever `quality.score` is.
    seed
        Fixes the draws behind intervals of adjusted shares.

    Returns
    -------
    dict
        The columns of `schemas.metrics(labels)` that its docstring names, each with `_low` and `_high`.
    """
    columns = [f"probability_{label}" for label in labels]
    given, second = tables["predictions"], tables["predictions_second"]
    names = np.array(given["predicted"].to_pylist())
    again = None if second is None else np.array(second["predicted"].to_pylist())
    row: dict[str, float | int | None] = {}
    counts = np.array([(names == label).sum() for label in labels])
    calibrated = temper(np.column_stack([_values(given, column) for column in columns]), judge.temperature)
    # A missing index is no sentence, which nobody can read.
    chosen = names[np.nan_to_num(_values(tables["quality"], "quality"), nan=-1.0) >= readable]
    row["articles_readable"] = len(chosen)
    adjusted = adjusted_intervals(counts, judge.confusion, seed)
    rates = judge.confusion / judge.confusion.sum(axis=1, keepdims=True)
    row["adjusted_misfit"] = misfit(counts / counts.sum(), rates)
    for label, interval, probabilities in zip(labels, adjusted, calibrated.T, strict=True):
        _put(row, f"share_adjusted_{label}", interval)
        _put(row, f"mean_probability_calibrated_{label}", mean_interval(probabilities))
        _put(row, f"share_readable_{label}", _share(chosen == label))
        _put(row, f"share_second_{label}", _share(None if again is None else again == label))
    _put(row, "agreement", _share(None if again is None else again == names))
    return row


def _share(hits: np.ndarray | None) -> tuple[float | None, float | None, float | None]:
    """Wilson's interval of a share, from truth values; three times None without any."""
    if hits is None or not len(hits):
        return None, None, None
    return wilson_interval(int(hits.sum()), len(hits))


def _read_version(
    files: Mapping[str, Path | str | None], article_ids: Sequence[str], seed_set: Path, labels: Sequence[str]
) -> dict[str, pa.Table | None]:
    """Read the tables of a version's files, articles in one order; None where there is no file."""
    schemas = {
        "predictions": predictions(labels),
        "predictions_second": predictions(labels),
        "quality": QUALITY,
        "perplexity": PERPLEXITY,
    }
    return {
        name: None if files[name] is None else _read(files[name], schema, article_ids, seed_set)
        for name, schema in schemas.items()
    }


def _read(path: Path | str, schema: pa.Schema, article_ids: Sequence[str], seed_set: Path) -> pa.Table:
    table = read_table(path, schema)
    found = table["article_id"].to_pylist()
    if sorted(found) == sorted(article_ids):
        return table.sort_by("article_id")
    if sorted(set(found)) == sorted(article_ids):
        what = f"{len(found) - len(article_ids)} articles more than once"
    else:
        missing, further = set(article_ids) - set(found), set(found) - set(article_ids)
        example = min(missing or further)
        what = f"not the articles of {seed_set} ({len(missing)} missing, {len(further)} others, such as {example})"
    raise StudyError(f"{path} holds {what}: delete it and run snakemake again.")


def _values(table: pa.Table, column: str) -> np.ndarray:
    """A column as [rows] float64, nulls as NaN."""
    return table[column].to_numpy(zero_copy_only=False).astype(np.float64)


def _put(row: dict, name: str, interval: tuple) -> None:
    row.update(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))
