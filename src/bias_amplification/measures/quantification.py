"""Shares of labels corrected for a classifier's known errors (adjusted classify and count; Forman, 2008)."""

import math
from typing import NamedTuple

import numpy as np

from bias_amplification.measures.intervals import difference_interval

#: Draws for an interval. With so many, the ends are known to about a twentieth of the width.
_DRAWS = 1000

#: Passes of the Gibbs sampler. With twice as many, the ends of intervals change by less than between seeds.
_PASSES = 40

#: Added to the rates, so that a label that was predicted for no test article still has a small probability.
_NEVER = 1e-9

#: The search ends when a step changes no share by more than this, or after so many steps.
_TOLERANCE = 1e-7
_STEPS = 5000
#: The search approaches a share of 0 but never reaches it, so shares below this limit are also tried as 0.
_SMALL = 1e-3
#: Log-likelihoods per article that differ by less are regarded as equal.
_AS_LIKELY = 1e-10


def adjusted_shares(observed: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the true shares of labels that explain the labels that a classifier has given.

    If a text of label i is given label j with probability `rates[i, j]`, true shares p lead to the observed shares
    p @ rates. If no p solves this equation exactly, the shares with the highest multinomial likelihood are returned,
    found by expectation maximisation, which keeps them between 0 and 1. The method assumes that texts are confused as
    often as those on which `rates` was counted. Synthetic texts may violate this assumption.

    Parameters
    ----------
    observed
        Shape [..., labels]: shares of the labels given; they sum to 1.
    rates
        Shape [..., labels, labels]: true label by label given; rows sum to 1.

    Returns
    -------
    np.ndarray
        Shape [..., labels]: shares from 0 to 1 that sum to 1.
    """
    observed = np.asarray(observed, dtype=np.float64)
    rates = np.broadcast_to(rates, (*observed.shape, observed.shape[-1])).astype(np.float64)
    shape, labels = observed.shape, observed.shape[-1]
    observed, rates = observed.reshape(-1, labels), rates.reshape(-1, labels, labels)
    # The rates of a classifier that ignores the text have no inverse; expectation maximisation does not need one.
    regular = np.linalg.cond(rates) < 1e8
    shares = np.full_like(observed, np.nan)
    shares[regular] = np.linalg.solve(np.swapaxes(rates[regular], 1, 2), observed[regular][..., None])[..., 0]
    inside = np.all(shares >= 0, axis=1)
    shares[~inside] = _most_likely(observed[~inside], rates[~inside])
    return (shares / shares.sum(axis=1, keepdims=True)).reshape(shape)


def _most_likely(observed: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the shares [n, labels] with the highest likelihood, by expectation maximisation from equal shares."""
    found = np.full_like(observed, 1 / observed.shape[1])
    moving = np.arange(len(observed))
    for _ in range(_STEPS):
        if not moving.size:
            break
        shares, seen, rate = found[moving], observed[moving], rates[moving] + _NEVER
        given = np.einsum("ni,nij->nj", shares, rate)
        # For a label that was not given the ratio is 0, even if the denominator is 0 too.
        ratio = np.divide(seen, given, out=np.zeros_like(given), where=given > 0)
        moved = shares * np.einsum("nij,nj->ni", rate, ratio)
        moved /= moved.sum(axis=1, keepdims=True)
        found[moving] = moved
        moving = moving[np.abs(moved - shares).max(axis=1) >= _TOLERANCE]
    for label in range(observed.shape[1]):
        without = np.where(np.arange(observed.shape[1]) == label, 0, found)
        without /= np.maximum(without.sum(axis=1, keepdims=True), _NEVER)
        as_likely = _likelihood(without, observed, rates) >= _likelihood(found, observed, rates) - _AS_LIKELY
        found = np.where(((found[:, label] < _SMALL) & as_likely)[:, None], without, found)
    return found


def _likelihood(shares: np.ndarray, observed: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the log-likelihood per article, [n]."""
    given = np.einsum("ni,nij->nj", shares, rates + _NEVER)
    return (observed * np.log(np.where(observed > 0, np.maximum(given, _NEVER**2), 1))).sum(axis=1)


def misfit(observed: np.ndarray, rates: np.ndarray) -> float:
    """Return the share of texts that the confusion matrix cannot explain.

    Parameters
    ----------
    observed, rates
        See `adjusted_shares`, of one classifier: shapes [labels] and [labels, labels].

    Returns
    -------
    float
        Half the sum of absolute differences between `observed` and `adjusted_shares(observed, rates) @ rates`. It is 0
        if the matrix explains the observed shares. Otherwise so many texts must be confused in another way.
    """
    return float(np.abs(observed - adjusted_shares(observed, rates) @ rates).sum() / 2)


class Resamples:
    """Draws of the test articles behind a confusion matrix, and of a study's articles, for a bootstrap.

    All versions have the same draws. So the errors of two versions that wrote from the same articles can be correlated.

    Parameters
    ----------
    confusion
        Shape [labels, labels]: test articles by true label and label given; each row has at least one.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        If the confusion matrix has no article of a label.
    """

    def __init__(self, confusion: np.ndarray, seed: int) -> None:
        self.confusion, self.seed = np.asarray(confusion), seed
        totals = self.confusion.sum(axis=1)
        if (totals < 1).any():
            raise ValueError("adjusted shares need test articles of every label")
        generator = np.random.default_rng(seed)
        # Half an article is added to each row, because a cell that is empty by chance would be empty in every draw.
        smoothed = (self.confusion + 0.5 / len(totals)) / (totals + 0.5)[:, None]
        rates = [
            generator.multinomial(int(total), rate, size=_DRAWS) / int(total)
            for total, rate in zip(totals, smoothed, strict=True)
        ]
        self.rates = np.stack(rates, axis=1)  # [draws, labels, labels]
        self._weights: dict[int, np.ndarray] = {}

    def draw(self, given: np.ndarray) -> np.ndarray:
        """Draw the articles of one version with replacement: shares of the labels given, [draws, labels].

        `given`, [articles], is as in `adjust`. Half an article is added, which has every label.
        """
        labels = len(self.confusion)
        if len(given) not in self._weights:
            generator = np.random.default_rng([self.seed, len(given)])
            chances = np.append(np.ones(len(given)), 0.5) / (len(given) + 0.5)
            self._weights[len(given)] = generator.multinomial(len(given), chances, size=_DRAWS).astype(np.float32)
        weights = self._weights[len(given)]
        counts = weights[:, :-1] @ (given[:, None] == np.arange(labels)).astype(np.float32) + weights[:, -1:] / labels
        # A draw may hold none of very few articles with a label.
        counts[counts.sum(axis=1) == 0] = np.bincount(given[given >= 0], minlength=labels)
        return counts / counts.sum(axis=1, keepdims=True)


class Adjusted(NamedTuple):
    """Adjusted shares of one version's labels.

    `intervals`: share, low and high end of each label, as fractions. `draws`, [draws, labels]: the shares in the
    bootstrap.
    """

    intervals: list[tuple[float, float, float]]
    draws: np.ndarray


def adjust(given: np.ndarray, resamples: Resamples) -> Adjusted:
    """Return adjusted shares with 95% intervals for the sampling errors of the articles and the confusion matrix.

    Parameters
    ----------
    given
        Shape [articles]: the label given to each article, as a row of the confusion matrix; -1 for none.
    resamples
        The confusion matrix, and the draws of the bootstrap.

    Returns
    -------
    Adjusted
        The interval is the union of two intervals, and always includes the share. The first has the quantiles of a
        bootstrap of articles and confusion matrix; it is too narrow if all draws have the same share of 0 or 1. The
        second has the quantiles of the posterior under vague priors; it never includes a share of 0 or 1.

    Raises
    ------
    ValueError
        If no article has a label.
    """
    confusion = resamples.confusion
    counts = np.bincount(given[given >= 0], minlength=len(confusion))
    if not counts.sum():
        raise ValueError("adjusted shares need articles with a label")
    shares = adjusted_shares(counts / counts.sum(), confusion / confusion.sum(axis=1, keepdims=True))
    draws = adjusted_shares(resamples.draw(given), resamples.rates)
    both = draws, _posterior(counts, confusion, np.random.default_rng(resamples.seed))
    low, high = np.quantile(both, [0.025, 0.975], axis=1)
    ends = zip(shares, np.minimum(low.min(axis=0), shares), np.maximum(high.max(axis=0), shares), strict=True)
    return Adjusted([tuple(float(value) for value in triple) for triple in ends], draws)


def adjusted_change(first: Adjusted, last: Adjusted, label: int) -> tuple[float, float, float]:
    """Return the change of a label's adjusted share between two versions that wrote from the same articles.

    Both versions have the confusion matrix in common, and the labels of an article are correlated. The correlation of
    the two errors is that of the draws.

    Returns
    -------
    tuple[float, float, float]
        Change, low and high end of its 95% interval, as fractions (see `difference_interval`).
    """
    draws = [one.draws[:, label] - one.draws[:, label].mean() for one in (first, last)]
    spread = math.sqrt(float((draws[0] ** 2).sum() * (draws[1] ** 2).sum()))
    correlation = float(draws[0] @ draws[1]) / spread if spread > _SMALL**2 else 0.0
    return difference_interval(last.intervals[label], first.intervals[label], correlation)


def _posterior(counts: np.ndarray, confusion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return posterior draws [draws, labels] of the true shares, each from a Gibbs chain of its own.

    The rows of the confusion matrix have the prior Dirichlet(1/labels, ...), the shares have Dirichlet(1/2, ...). The
    test articles alone determine the posterior of the matrix. In each pass, the articles of each given label are
    divided among the true labels, and new shares are drawn.
    """
    labels = len(counts)
    rates = np.stack([generator.dirichlet(row + 1 / labels, size=_DRAWS) for row in confusion], axis=1) + _NEVER
    shares = np.full((_DRAWS, labels), 1 / labels)
    for _ in range(_PASSES):
        chances = np.swapaxes(shares[..., None] * rates, 1, 2)
        divided = generator.multinomial(counts, chances / chances.sum(axis=2, keepdims=True)).sum(axis=1)
        shares = generator.standard_gamma(divided + 0.5)
        shares /= shares.sum(axis=1, keepdims=True)
    return shares
