"""The measures of one model version: a number for each of its articles, and their means with 95% intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.measures.calibration import temper
from bias_amplification.measures.intervals import mean_interval, wilson_interval
from bias_amplification.measures.quantification import Adjusted, Resamples, adjust, misfit

#: Estimate, low end, high end.
Interval = tuple[float | None, float | None, float | None]

Row = dict[str, float | int | None]


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

    `resamples`: its confusion matrix, with draws for the bootstrap. `temperature`: see `fit_temperature`.
    """

    resamples: Resamples
    temperature: float


@dataclass(frozen=True)
class VersionMeasures:
    """The measures of one version's articles, by the columns of `schemas.metrics`.

    Attributes
    ----------
    shares
        Shape [articles] each: 1 for an article that is counted, 0 for another one, NaN for one that takes no part.
    means
        Shape [articles] each: a number of each article, NaN if it has none.
    adjusted
        The adjusted shares of the labels; None if no article has a label.
    """

    shares: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    adjusted: Adjusted | None

    def intervals(self, labels: Sequence[str]) -> Row:
        """Return each measure with the ends of its interval, Wilson's for shares and Student's for means.

        A measure is None if no article has a value. The ends of a mean are None if only one article has a value.
        """
        row: Row = {}
        for name, hits in self.shares.items():
            known = hits[~np.isnan(hits)]
            put(row, name, wilson_interval(int(known.sum()), len(known)) if len(known) else (None, None, None))
        for name, values in self.means.items():
            put(row, name, mean_interval(values))
        for place, label in enumerate(labels):
            nothing = None, None, None
            put(row, f"share_adjusted_{label}", self.adjusted.intervals[place] if self.adjusted else nothing)
        return row


def put(row: Row, name: str, interval: Interval) -> None:
    """Put a number and the ends of its interval into a row; NaN becomes None."""
    ends = (None if value is None or np.isnan(value) else value for value in interval)
    row.update(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def measure_version(
    tables: Tables, labels: Sequence[str], errors: ClassifierErrors, kinds: Mapping[str, np.ndarray]
) -> tuple[VersionMeasures, Row]:
    """Return the measures of one version's articles, and the numbers of `schemas.metrics` that are no means.

    The classifier and the quality detector are trained on texts by people, but applied to texts by models that
    collapse. Each of the `schemas.ROBUST_MEASURES` removes one way in which this may mislead.

    Parameters
    ----------
    tables
        The version's tables.
    labels
        The study's labels.
    errors
        The classifier's errors.
    kinds
        Whether each article is of a kind, [articles], by the kind's name; "readable" is one of them.

    Returns
    -------
    measures : VersionMeasures
        The measures of single articles.
    numbers : dict
        `articles`, `labelled`, `articles_readable` and `adjusted_misfit`.
    """
    first = _labels_given(tables.predictions, labels)
    second = first if tables.predictions_second is None else _labels_given(tables.predictions_second, labels)
    known, readable = first >= 0, kinds["readable"]
    shares = {name: hits.astype(float) for name, hits in kinds.items()}
    means = {
        "text_quality_index": values(tables.quality, "quality"),
        "text_quality_index_weighted": values(tables.quality, "quality_weighted"),
        "perplexity_base": values(tables.perplexity, "perplexity_base"),
        "perplexity_generating": values(tables.perplexity, "perplexity_generating"),
    }
    probabilities = np.column_stack([values(tables.predictions, f"probability_{label}") for label in labels])
    calibrated = np.full_like(probabilities, np.nan)
    calibrated[known] = temper(probabilities[known], errors.temperature)
    for place, label in enumerate(labels):
        shares[f"share_{label}"] = _where(known, first == place)
        shares[f"share_readable_{label}"] = _where(known & readable, first == place)
        means[f"mean_probability_{label}"] = probabilities[:, place]
        means[f"mean_probability_calibrated_{label}"] = calibrated[:, place]
        if tables.predictions_second is not None:
            shares[f"share_second_{label}"] = _where(second >= 0, second == place)
    if tables.predictions_second is not None:
        shares["agreement"] = _where(known, first == second)
    measures = VersionMeasures(shares, means, adjust(first, errors.resamples) if known.any() else None)
    return measures, {
        "articles": len(first),
        "labelled": int(known.sum()),
        "articles_readable": int((known & readable).sum()),
        "adjusted_misfit": _misfit(first, errors.resamples.confusion) if known.any() else None,
    }


def _labels_given(predicted: pa.Table, labels: Sequence[str]) -> np.ndarray:
    """Return the label given to each article as its place among the labels, [articles]; -1 for none."""
    places = pa.array(labels)
    return pa.compute.index_in(predicted["predicted"], places).fill_null(-1).to_numpy()


def _misfit(given: np.ndarray, confusion: np.ndarray) -> float:
    counts = np.bincount(given[given >= 0], minlength=len(confusion))
    return misfit(counts / counts.sum(), confusion / confusion.sum(axis=1, keepdims=True))


def _where(known: np.ndarray, hits: np.ndarray) -> np.ndarray:
    return np.where(known, hits, np.nan)


def values(table: pa.Table, column: str) -> np.ndarray:
    """Return a column as [rows] float64, nulls as NaN."""
    return table[column].to_numpy(zero_copy_only=False).astype(np.float64)
