"""The metrics table: one row a model version, with 95% intervals over its articles."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, PERPLEXITY, QUALITY, metrics, predictions
from bias_amplification.measures.intervals import mean_interval, wilson_interval

#: What a version's mapping says of it besides its files.
_DESCRIPTION = ("round", "generation", "seed_set", "strategy", "decoding", "tracked_label")


def collect_metrics(
    versions: Sequence[Mapping], out: Path | str, *, seed_sets: Mapping[str, Path | str], labels: Sequence[str]
) -> None:
    """Write the metrics of all model versions.

    Parameters
    ----------
    versions
        One mapping a version: `round`, `generation` (None for the base model), `seed_set`, `strategy`, `decoding`,
        `tracked_label`, and the paths `predictions`, `quality`, `perplexity`.
    out
        `schemas.metrics(labels)`, in the order of `versions`.
    seed_sets
        Path of each seed set's articles (`ARTICLES`) by name.
    labels
        The study's labels.

    Raises
    ------
    StudyError
        If a file holds other articles than its seed set. The message names both files.
    """
    ids = {
        name: read_table(path, ARTICLES, ["article_id"])["article_id"].to_pylist() for name, path in seed_sets.items()
    }
    rows = []
    for version in versions:
        name = version["seed_set"]
        measured = measure_version(version, ids[name], Path(seed_sets[name]), labels)
        rows.append({key: version[key] for key in _DESCRIPTION} | measured)
    schema = metrics(labels)
    write_table(pa.Table.from_pylist(rows, schema), out, schema)


def measure_version(
    files: Mapping[str, Path | str], article_ids: Sequence[str], seed_set: Path, labels: Sequence[str]
) -> dict[str, float | int | None]:
    """Shares, mean probabilities, quality and perplexity of one version's articles.

    Parameters
    ----------
    files
        Paths `predictions`, `quality`, `perplexity`.
    article_ids
        Ids of the seed set.
    seed_set
        Where they are from, for messages.
    labels
        The study's labels.

    Returns
    -------
    dict
        `articles` and the measures of `schemas.metrics(labels)`, each with `_low` and `_high`; null where no article
        has a value, the ends also where only one has.

    Raises
    ------
    StudyError
        If a file holds other articles than the seed set.
    """
    predicted = _read(files["predictions"], predictions(labels), article_ids, seed_set)
    quality = _read(files["quality"], QUALITY, article_ids, seed_set)
    perplexity = _read(files["perplexity"], PERPLEXITY, article_ids, seed_set)
    row: dict[str, float | int | None] = {"articles": len(article_ids)}
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


def _read(path: Path | str, schema: pa.Schema, article_ids: Sequence[str], seed_set: Path) -> pa.Table:
    table = read_table(path, schema)
    found = table["article_id"].to_pylist()
    if sorted(found) == sorted(article_ids):
        return table
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
