"""The metrics table, with one row per model version and 95% intervals over its articles, and the metrics' changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.corpus.degenerate import degenerate_kinds
from bias_amplification.corpus.press.lexicon import read_lexicon
from bias_amplification.measures.changes import PairedChanges
from bias_amplification.measures.diversity import diversity_columns
from bias_amplification.measures.encoders import read_scores
from bias_amplification.measures.ground_truth import ground_truth_measures
from bias_amplification.measures.quantification import Resamples
from bias_amplification.measures.version_measures import ClassifierErrors, Tables, measure_version, values
from bias_amplification.study.sections import Degeneration

#: Columns that describe a version; the other columns are computed.
_DESCRIPTION = ("round", "replicate", "generation", "seed_set", "strategy", "decoding", "tracked_label")


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


def read_errors(folder: Path | str, labels: Sequence[str], seed: int) -> ClassifierErrors:
    """Read a classifier's confusion matrix and temperature from its `scores.json`.

    `seed` is that of the matrix's draws.

    Raises
    ------
    StudyError
        If the file lacks them for one of the labels.
    """
    scores = read_scores(folder)
    try:
        counts = scores["test"]["confusion"]
        confusion = Resamples(np.array([counts[label] for label in labels]), seed)
        return ClassifierErrors(confusion, float(scores["temperature"]))
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
    out_changes: Path | str,
    seed_sets: Mapping[str, Path | str],
    classifier: Path | str,
    labels: Sequence[str],
    settings: MetricsSettings,
) -> None:
    """Write the metrics of all model versions, and their changes from generation 0.

    Parameters
    ----------
    versions
        The versions and their tables: the base model first, then round by round, each replicate's generations in order.
    out, out_changes
        The files to make: `schemas.metrics(labels)`, in the order of `versions`, and `schemas.changes(labels)`.
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
    errors = read_errors(classifier, labels, settings.seed)
    ids = {
        name: sorted(read_table(path, ARTICLES, ["article_id"])["article_id"].to_pylist())
        for name, path in seed_sets.items()
    }
    places = {article: place for place, article in enumerate(dict.fromkeys(chain.from_iterable(ids.values())))}
    numbers = {name: np.array([places[article] for article in own]) for name, own in ids.items()}
    of_the_press = any(version.articles for version in versions)
    lexicon = read_lexicon(RESOURCES / "press", labels, settings.label_map) if of_the_press else None
    rows, changes = [], PairedChanges(labels)
    for version in versions:
        name = version.draw
        tables = _read_tables(version, ids[name], Path(seed_sets[name]), labels)
        measures, row = measure_version(tables, labels, errors, _kinds(tables, settings))
        if lexicon and version.articles is not None:
            articles = _read(version.articles, GENERATED_ARTICLES, ids[name], Path(seed_sets[name]))
            predicted = tables.predictions["predicted"].to_pylist()
            by_words = ground_truth_measures(articles["text"].to_pylist(), predicted, lexicon)
            measures.shares.update(by_words)
            row["articles_lexicon"] = int((~np.isnan(by_words["agreement_lexicon"])).sum())
        about = {column: getattr(version, column) for column in _DESCRIPTION}
        rows.append(about | row | measures.intervals(labels) | diversity_columns(version.diversity))
        if version.generation is None:
            changes.add_base(name, measures)
        else:
            changes.add((version.round, version.replicate), version.generation, name, numbers[name], measures)
    changes.finish_round()
    for found, schema, file in ((rows, metrics(labels), out), (changes.rows, changes_schema(labels), out_changes)):
        write_table(pa.Table.from_pylist(found, schema), file, schema)


def _kinds(tables: Tables, settings: MetricsSettings) -> dict[str, np.ndarray]:
    """Return whether each article is of each degenerate kind, of any of them, and readable."""
    shares = (values(tables.degeneration, column) for column in ("words", "repeated", "copied"))
    kinds = degenerate_kinds(*shares, settings.degeneration)
    kinds["degenerate"] = np.logical_or.reduce(list(kinds.values()))
    return kinds | {"readable": ~kinds["degenerate"] & (values(tables.quality, "quality") >= settings.readable)}


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
    """Read a table, check that it has the articles of the seed set, whose ids are sorted, and sort it by their ids."""
    table = read_table(path, schema)
    found = table["article_id"].to_pylist()
    if sorted(found) == article_ids:
        return table.sort_by("article_id")
    if sorted(set(found)) == article_ids:
        fault = f"{len(found) - len(article_ids)} rows of articles that it already has"
    else:
        missing, others = set(article_ids) - set(found), set(found) - set(article_ids)
        example = min(missing or others)
        fault = f"other articles than {seed_set} ({len(missing)} missing, {len(others)} others, such as {example})"
    raise StudyError(f"{path} has {fault}: delete it and run snakemake again.")
