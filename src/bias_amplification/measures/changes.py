"""Changes of the metrics from generation 0, paired by article."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bias_amplification.measures.contrasts import paired_contrast
from bias_amplification.measures.quantification import adjusted_change
from bias_amplification.measures.replicates import replicates_interval, scale
from bias_amplification.measures.version_measures import Interval, Row, VersionMeasures, put

#: Change that an article may have although none of those seen has it (see `paired_contrast`): 1 for shares and
#: probabilities, and 0 for perplexities, which have no scale.
_SPANS = {"text_quality": 1.0, "perplexity": 0.0}
_SHARE_SPAN = 1.0


class _Differences(NamedTuple):
    """The changes of a measure in one replicate's articles."""

    values: np.ndarray
    """[articles]; NaN for an article without a value in both versions. Their mean is the change."""
    span: float


class PairedChanges:
    """The changes of versions, to be added in the order of the metrics table: the base model, then round by round.

    Parameters
    ----------
    labels
        The study's labels.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self.rows: list[Row] = []
        """Rows of `schemas.changes`."""
        self._base: dict[str, VersionMeasures] = {}
        self._start: VersionMeasures | None = None
        self._chain = "", 0
        # For each generation of the round that is being added: of each replicate, its articles and changes.
        self._of_round: dict[int, list[tuple[np.ndarray, dict[str, _Differences], Row]]] = {}

    def add_base(self, draw: str, measures: VersionMeasures) -> None:
        """Add the base model's articles of one draw of a seed set, from which generation 0 changes."""
        self._base[draw] = measures

    def add(
        self, chain: tuple[str, int], generation: int, draw: str, ids: np.ndarray, measures: VersionMeasures
    ) -> None:
        """Add a version.

        Parameters
        ----------
        chain
            Its round and replicate.
        generation
            Its generation. Generation 0 comes first.
        draw
            The draw of the seed set for whose articles it wrote.
        ids
            A number for each article, the same in all draws that have it: [articles].
        measures
            The measures of its articles.
        """
        if chain[0] != self._chain[0]:
            self.finish_round()
        if chain != self._chain:
            self._chain, self._start = chain, None
        first = self._start if generation else self._base.get(draw)
        if not generation:
            self._start = measures
        if first is None:
            return
        row: Row = {}
        differences = dict(_differences(first, measures))
        for measure, found in differences.items():
            contrast = paired_contrast(found.values[None], span=found.span)
            _put_limited(row, measure, (contrast.estimate, contrast.low, contrast.high))
        if first.adjusted and measures.adjusted:
            for place, label in enumerate(self.labels):
                change = adjusted_change(first.adjusted, measures.adjusted, place)
                _put_limited(row, f"share_adjusted_{label}", change)
        self.rows.append({"round": chain[0], "replicate": chain[1], "generation": generation} | row)
        self._of_round.setdefault(generation, []).append((ids, differences, row))

    def finish_round(self) -> None:
        """Add the rows of the round's replicates together."""
        for generation, replicates in self._of_round.items():
            row = replicates[0][2] if len(replicates) == 1 else _together(replicates, self.labels)
            self.rows.append({"round": self._chain[0], "replicate": None, "generation": generation} | row)
        self._of_round = {}


def _differences(first: VersionMeasures, last: VersionMeasures) -> Iterator[tuple[str, _Differences]]:
    """Yield the changes of each measure that both versions have."""
    for kind in ("shares", "means"):
        starts, ends = getattr(first, kind), getattr(last, kind)
        for name in ends:
            if name in starts and not (np.isnan(starts[name]).all() or np.isnan(ends[name]).all()):
                yield name, paired_differences(starts[name], ends[name], _span(name))


def _span(measure: str) -> float:
    return next((span for name, span in _SPANS.items() if measure.startswith(name)), _SHARE_SPAN)


def paired_differences(first: np.ndarray, last: np.ndarray, span: float) -> _Differences:
    """Return the articles' differences between two means of which each may lack some articles.

    The mean of m of n articles is a ratio, whose error is that of the n articles' linearised values (Särndal, Swensson
    and Wretman, 1992, chapter 5): the mean plus n / m times the deviation of an article that takes part, the mean for
    an article that does not. So articles in both means are paired, and others are not.

    Parameters
    ----------
    first, last
        Shape [articles]. NaN is an article that takes no part. Each has a value.
    span
        See `paired_contrast`.

    Returns
    -------
    _Differences
        The differences of linearised values. Their mean is that of `last` minus that of `first`. They are NaN for an
        article that takes part in neither. The span is multiplied by n / m, with the smaller m.
    """
    either = ~(np.isnan(first) & np.isnan(last))
    number, fewest, linear = int(either.sum()), len(first), []
    for values in (first, last):
        known = ~np.isnan(values)
        fewest, mean = min(fewest, int(known.sum())), values[known].mean()
        linear.append(np.where(known, mean + number / known.sum() * (values - mean), mean))
    return _Differences(np.where(either, linear[1] - linear[0], np.nan), span * number / fewest)


def _together(replicates: Sequence[tuple[np.ndarray, Mapping[str, _Differences], Row]], labels: Sequence[str]) -> Row:
    """Return the mean changes of several replicates, with intervals that hold the errors of articles and replicates."""
    row: Row = {}
    articles = np.full((len(replicates), max(len(ids) for ids, _, _ in replicates)), -1)
    for place, (ids, _, _) in enumerate(replicates):
        articles[place, : len(ids)] = ids
    for measure in dict.fromkeys(name for _, differences, _ in replicates for name in differences):
        found = np.full(articles.shape, np.nan)
        for place, (ids, differences, _) in enumerate(replicates):
            if measure in differences:
                found[place, : len(ids)] = differences[measure].values
        span = max(one[measure].span for _, one, _ in replicates if measure in one)
        contrast = paired_contrast(found, articles, span)
        _put_limited(row, measure, (contrast.estimate, contrast.low, contrast.high))
    for measure in (f"share_adjusted_{label}" for label in labels):
        known = [[one[measure + end] for end in ("", "_low", "_high")] for _, _, one in replicates if measure in one]
        if known:
            # Replicates have one confusion matrix, so its error does not become smaller.
            _put_limited(row, measure, replicates_interval(np.array(known), 1 / len(known), 1.0))
    return row


def _put_limited(row: Row, measure: str, interval: Interval) -> None:
    """Put a change into a row; its interval ends at the largest change that the scale allows."""
    low, high = scale(measure)
    value, *ends = (float(number) for number in interval)
    put(row, measure, (value, *np.clip(ends, low - high, high - low)))
