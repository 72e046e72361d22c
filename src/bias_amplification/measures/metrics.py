"""The metrics table: one row per model version, with 95% intervals over its articles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification import RESOURCES
from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    DEGENERATION,
    GENERATED_ARTICLES,
    PERPLEXITY,
    QUALITY,
    metrics,
    predictions,
)
from bias_amplification.corpus.degenerate import degenerate_kinds
from bias_amplification.corpus.press.lexicon import read_lexicon
from bias_amplification.measures.calibration import temper
from bias_amplification.measures.diversity import diversity_columns
from bias_amplification.measures.encoders import read_scores
from bias_amplification.measures.ground_truth import ground_truth_measures
from bias_amplification.measures.intervals import mean_interval, wilson_interval
from bias_amplification.measures.quantification import adjusted_intervals, misfit
from bias_amplification.study.sections import Degeneration

#: Columns that describe a version; the other columns are computed.
_DESCRIPTION = ("round", "replicate", "generation", "seed_set", "strategy", "decoding", "tracked_label")

#: Estimate, low end, high end.
Interval = tuple[float | None, float | None, float | None]

Row = dict[str, float | int | None]


@dataclass(frozen=True, kw_only=True)
class MeasuredVersion:
    """A model version, and the tables that measure its articles.

    Attributes
    ----------
    round, replicate, generation, seed_set, strategy, decoding, tracked_label
        The version, as in `schemas.metrics`. The base model has no generation.
    draw
        The draw of the seed set for whose articles it wrote.
    predictions, quality, perplexity, diversity, degeneration
        Paths of tables.
    predictions_second
        Path of a second classifier's predictions, if there is one.
    articles
        Path of the articles, if they are counted by the words of the embedded press.
    """

    round: str
    replicate: int
    generation: int | None
    seed_set: str
    draw: str
    strategy: str | None
    decoding: str | None
    tracked_label: str | None
    predictions: Path | str
    quality: Path | str
    perplexity: Path | str
    diversity: Path | str
    degeneration: Path | str
    predictions_second: Path | str | None = None
    articles: Path | str | None = None


class Tables(NamedTuple):
    """The tables of one version, with the same articles in the same order."""

    predictions: pa.Table
    quality: pa.Table
    perplexity: pa.Table
    degeneration: pa.Table
    predictions_second: pa.Table | None


@dataclass(frozen=True)
class ClassifierErrors:
    """A classifier's errors on labelled articles.

    `confusion`: shape [labels, labels], test articles by true and by predicted label. `temperature`: see
    `fit_temperature`.
    """

    confusion: np.ndarray
    temperature: float


def read_errors(folder: Path | str, labels: Sequence[str]) -> ClassifierErrors:
    """Read a classifier's confusion matrix and temperature from its `scores.json`.

    Raises
    ------
    StudyError
        If the file lacks them for one of the labels.
    """
    scores = read_scores(folder)
    try:
        counts = scores["test"]["confusion"]
        return ClassifierErrors(np.array([counts[label] for label in labels]), float(scores["temperature"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"{Path(folder) / 'scores.json'} has no confusion matrix and temperature for the labels "
            f"{', '.join(labels)}: delete the classifier's folders and run snakemake again."
        ) from error


class MetricsSettings(NamedTuple):
    """What the metrics depend on besides their tables.

    Attributes
    ----------
    readable
        Lowest text quality index of a readable article (`quality.readable`).
    degeneration
        Which texts are degenerate: `few_words`, `repeated` and `copied`.
    seed
        Seed of the draws for intervals of adjusted shares.
    label_map
        The study's label for each label of the embedded press; empty: they are the same.
    """

    readable: float
    degeneration: Degeneration
    seed: int
    label_map: Mapping[str, str | None] = MappingProxyType({})


def collect_metrics(
    versions: Sequence[MeasuredVersion],
    out: Path | str,
    seed_sets: Mapping[str, Path | str],
    classifier: Path | str,
    labels: Sequence[str],
    settings: MetricsSettings,
) -> None:
    """Write the metrics of all model versions.

    Parameters
    ----------
    versions
        The versions and their tables.
    out
        `schemas.metrics(labels)`, in the order of `versions`.
    seed_sets
        Path of the articles (`ARTICLES`) of each draw of a seed set, by its name.
    classifier
        Folder of the classifier that made `predictions`; its `scores.json` is read.
    labels
        The study's labels.
    settings
        Further settings.

    Raises
    ------
    StudyError
        If a table has other articles than its seed set (the message names both files), or if the classifier's scores
        lack the confusion matrix or the temperature.
    """
    errors = read_errors(classifier, labels)
    ids = {
        name: read_table(path, ARTICLES, ["article_id"])["article_id"].to_pylist() for name, path in seed_sets.items()
    }
    of_the_press = any(version.articles for version in versions)
    lexicon = read_lexicon(RESOURCES / "press", labels, settings.label_map) if of_the_press else None
    rows = []
    for version in versions:
        name = version.draw
        tables = _read_tables(version, ids[name], Path(seed_sets[name]), labels)
        shares = (_values(tables.degeneration, column) for column in ("words", "repeated", "copied"))
        kinds = degenerate_kinds(*shares, settings.degeneration)
        kinds["degenerate"] = np.logical_or.reduce(list(kinds.values()))
        readable = ~kinds["degenerate"] & (_values(tables.quality, "quality") >= settings.readable)
        numbers = plain_measures(tables, labels) | robust_measures(tables, labels, errors, readable, settings.seed)
        for kind, texts in (kinds | {"readable": readable}).items():
            _put(numbers, kind, _share(texts))
        numbers |= diversity_columns(version.diversity)
        if lexicon and version.articles is not None:
            articles = _read(version.articles, GENERATED_ARTICLES, ids[name], Path(seed_sets[name]))
            predicted = tables.predictions["predicted"].to_pylist()
            numbers |= ground_truth_measures(articles["text"].to_pylist(), predicted, lexicon)
        rows.append({column: getattr(version, column) for column in _DESCRIPTION} | numbers)
    schema = metrics(labels)
    write_table(pa.Table.from_pylist(rows, schema), out, schema)


def plain_measures(tables: Tables, labels: Sequence[str]) -> Row:
    """Return the shares, mean probabilities, quality and perplexity of one version's articles.

    Parameters
    ----------
    tables
        The version's tables.
    labels
        The study's labels.

    Returns
    -------
    dict
        `articles`, `labelled` and the measures of `schemas.metrics(labels)`, each with `_low` and `_high`. A measure is
        None if no article has a value. The ends of a mean are None if only one article has a value.
    """
    predicted = _labelled(tables.predictions)["predicted"].to_numpy(zero_copy_only=False)
    row: Row = {"articles": len(tables.predictions), "labelled": len(predicted)}
    for label in labels:
        _put(row, f"share_{label}", _share(predicted == label))
    for name, table, column in (
        *((f"mean_probability_{label}", tables.predictions, f"probability_{label}") for label in labels),
        ("text_quality_index", tables.quality, "quality"),
        ("text_quality_index_weighted", tables.quality, "quality_weighted"),
        ("perplexity_base", tables.perplexity, "perplexity_base"),
        ("perplexity_generating", tables.perplexity, "perplexity_generating"),
    ):
        _put(row, name, mean_interval(_values(table, column)))
    return row


def robust_measures(
    tables: Tables, labels: Sequence[str], errors: ClassifierErrors, readable: np.ndarray, seed: int
) -> Row:
    """Return the shares of one version's articles, counted in ways that depend less on the classifier.

    The classifier and the quality detector are trained on texts by people, but applied to texts by models that
    collapse. Each measure removes one way in which this may mislead.

    Parameters
    ----------
    tables
        The version's tables.
    labels
        The study's labels.
    errors
        The classifier's errors.
    readable
        Whether each article is readable, [articles].
    seed
        Seed of the draws for intervals of adjusted shares.

    Returns
    -------
    dict
        `articles_readable`, `adjusted_misfit`, `agreement` and the `schemas.ROBUST_MEASURES` of every label, with
        `_low` and `_high` for shares and means.
    """
    known = tables.predictions["predicted"].is_valid().to_numpy()
    of_all = _labelled(tables.predictions)
    first, again = of_all["predicted"].to_numpy(zero_copy_only=False), tables.predictions_second
    second = None if again is None else _labelled(again)["predicted"].to_numpy(zero_copy_only=False)
    chosen = first[readable[known]]
    counts = np.array([(first == label).sum() for label in labels])
    rates = errors.confusion / errors.confusion.sum(axis=1, keepdims=True)
    row: Row = {
        "articles_readable": len(chosen),
        "adjusted_misfit": misfit(counts / counts.sum(), rates) if len(first) else None,
    }
    adjusted = adjusted_intervals(counts, errors.confusion, seed) if len(first) else [_share(None)] * len(labels)
    probabilities = np.column_stack([_values(of_all, f"probability_{label}") for label in labels])
    calibrated = temper(probabilities, errors.temperature)
    for label, interval, column in zip(labels, adjusted, calibrated.T, strict=True):
        _put(row, f"share_adjusted_{label}", interval)
        _put(row, f"mean_probability_calibrated_{label}", mean_interval(column))
        _put(row, f"share_readable_{label}", _share(chosen == label))
        _put(row, f"share_second_{label}", _share(None if second is None else second == label))
    _put(row, "agreement", _share(None if second is None else second == first))
    return row


def _labelled(predicted: pa.Table) -> pa.Table:
    """Return the rows of the articles that have a label."""
    return predicted.filter(predicted["predicted"].is_valid())


def _share(hits: np.ndarray | None) -> Interval:
    """Return the share of True with Wilson's interval; None three times without any value."""
    if hits is None or not len(hits):
        return None, None, None
    return wilson_interval(int(hits.sum()), len(hits))


def _read_tables(version: MeasuredVersion, article_ids: Sequence[str], seed_set: Path, labels: Sequence[str]) -> Tables:
    def read(path: Path | str, schema: pa.Schema) -> pa.Table:
        return _read(path, schema, article_ids, seed_set)

    second = version.predictions_second
    return Tables(
        read(version.predictions, predictions(labels)),
        read(version.quality, QUALITY),
        read(version.perplexity, PERPLEXITY),
        read(version.degeneration, DEGENERATION),
        None if second is None else read(second, predictions(labels)),
    )


def _read(path: Path | str, schema: pa.Schema, article_ids: Sequence[str], seed_set: Path) -> pa.Table:
    """Read a table, check that it has the articles of the seed set, and sort it by their ids."""
    table = read_table(path, schema)
    found = table["article_id"].to_pylist()
    if sorted(found) == sorted(article_ids):
        return table.sort_by("article_id")
    if sorted(set(found)) == sorted(article_ids):
        fault = f"{len(found) - len(article_ids)} rows of articles that it already has"
    else:
        missing, others = set(article_ids) - set(found), set(found) - set(article_ids)
        example = min(missing or others)
        fault = f"other articles than {seed_set} ({len(missing)} missing, {len(others)} others, such as {example})"
    raise StudyError(f"{path} has {fault}: delete it and run snakemake again.")


def _values(table: pa.Table, column: str) -> np.ndarray:
    """Return a column as [rows] float64, nulls as NaN."""
    return table[column].to_numpy(zero_copy_only=False).astype(np.float64)


def _put(row: Row, name: str, interval: Interval) -> None:
    ends = (None if value is None or np.isnan(value) else value for value in interval)
    row.update(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
