"""Measures of words and n-grams: variety, repetition, and overlap between articles.

An article is a row of a matrix of counts, with one column for each n-gram of the set. Intervals of measures of the set
are by the jackknife: each article is left out once, without counting the others again.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array, csr_array
from scipy.special import gammaln

from bias_amplification.measures.intervals import mean_interval, student_quantile

#: Estimate, low end, high end; NaN if unknown.
Interval = tuple[float, float, float]

#: Longest n-grams of BLEU.
BLEU_ORDER = 4
#: Matches that are assumed where a text has none (smoothing method 1 of Chen and Cherry, 2014).
_NO_MATCH = 0.1


def count_ngrams(articles: Sequence[Sequence[str]], order: int) -> list[csr_array]:
    """Count the n-grams of articles.

    Parameters
    ----------
    articles
        Words of each article.
    order
        Length of the longest n-grams.

    Returns
    -------
    list of csr_array
        For n from 1 to `order`: counts, shape [articles, different n-grams of this length]. No n-gram goes beyond the
        end of an article.
    """
    words, _ = pd.factorize(np.array([word for article in articles for word in article], dtype=object))
    article = np.repeat(np.arange(len(articles)), [len(words) for words in articles])
    gram, found = words, []
    for n in range(1, order + 1):
        if n > 1:
            pairs = gram[:-1] * (words.max(initial=0) + 1) + words[n - 1 :]
            gram, _ = pd.factorize(pairs)
        start = article[: len(gram)]
        whole = start == article[n - 1 :]
        # Numbered again: n-grams that cross the end of an article are in none.
        columns, kinds = pd.factorize(gram[whole])
        ones = np.ones(len(columns), dtype=np.int64)
        found.append(coo_array((ones, (start[whole], columns)), shape=(len(articles), len(kinds))).tocsr())
    return found


def jackknife_interval(value: float, without: np.ndarray) -> Interval:
    """Return a value with its 95% jackknife interval (Efron and Stein, 1981).

    Parameters
    ----------
    value
        The statistic of all units.
    without
        The statistic without each unit, shape [units].

    Returns
    -------
    tuple[float, float, float]
        Value, low end, high end, by Student's distribution. The ends are NaN with fewer than two units.
    """
    units = len(without)
    if units < 2:
        return value, math.nan, math.nan
    deviation = math.sqrt((units - 1) * float(np.var(without)))
    half_width = float(student_quantile(units - 1)) * deviation
    return value, value - half_width, value + half_width


def distinct(counts: csr_array, drawn: int) -> Interval:
    """Return the expected share of different n-grams among `drawn` n-grams of the set.

    Distinct-n (Li et al., 2016, arXiv 1510.03055) is the number of different n-grams divided by the number of all. It
    falls as texts grow longer, so it cannot compare sets of different sizes. The expectation over random draws of a
    fixed number of n-grams can. It has a closed form (Hurlbert, 1971): an n-gram that occurs f times among T is missed
    by N draws without replacement with the probability C(T - f, N) / C(T, N).

    Parameters
    ----------
    counts
        Shape [articles, n-grams].
    drawn
        N, number of n-grams of a draw.

    Returns
    -------
    tuple[float, float, float]
        From 1 / N to 1, with its jackknife interval. All are NaN if the set without one of its articles has fewer than
        N n-grams.
    """
    lengths, frequencies = counts.sum(axis=1), counts.sum(axis=0)
    total = int(lengths.sum())
    left = total - lengths  # [articles], n-grams without each article
    if left.min(initial=total) < drawn or not total:
        return math.nan, math.nan, math.nan
    factorials = gammaln(np.arange(total + 1) + 1.0)

    def missed(frequency: np.ndarray, total: np.ndarray | int) -> np.ndarray:
        rest = np.maximum(total - frequency, 0)
        logarithm = factorials[rest] - factorials[np.maximum(rest - drawn, 0)]
        logarithm += factorials[total - drawn] - factorials[total]
        return np.where(rest >= drawn, np.exp(logarithm), 0.0)

    kinds, number = np.unique(frequencies, return_counts=True)
    row, frequency = _row_of_entries(counts), frequencies[counts.indices]
    value = float(number @ (1 - missed(kinds, total)))
    # Without an article, the whole set is smaller, and the article's own n-grams are rarer.
    without = np.array([number @ (1 - missed(kinds, rest)) for rest in left.tolist()])
    change = missed(frequency, left[row]) - missed(frequency - counts.data, left[row])
    without += np.bincount(row, change, minlength=len(left))
    return jackknife_interval(value / drawn, without / drawn)


def entropy(counts: csr_array) -> Interval:
    """Return the entropy of the set's n-grams in bits (Zhang et al., 2018, arXiv 1809.05972).

    Parameters
    ----------
    counts
        Shape [articles, n-grams].

    Returns
    -------
    tuple[float, float, float]
        From 0 to the logarithm of the number of n-grams, with its jackknife interval. All are NaN without n-grams.
    """
    lengths, frequencies = counts.sum(axis=1), counts.sum(axis=0)
    total = int(lengths.sum())
    if not total:
        return math.nan, math.nan, math.nan

    def weight(frequency: np.ndarray) -> np.ndarray:
        return frequency * np.log2(np.maximum(frequency, 1))

    summed = float(weight(frequencies).sum())
    row, frequency = _row_of_entries(counts), frequencies[counts.indices]
    change = np.bincount(row, weight(frequency - counts.data) - weight(frequency), minlength=len(lengths))
    left = total - lengths
    # Only a set of one article has nothing left without it, and then there is no interval.
    without = np.log2(np.maximum(left, 1)) - (summed + change) / np.maximum(left, 1)
    return jackknife_interval(math.log2(total) - summed / total, without)


def repeated(counts: csr_array) -> Interval:
    """Return the mean share of an article's n-grams that occur earlier in it (Welleck et al., 2020, arXiv 1908.04319).

    Parameters
    ----------
    counts
        Shape [articles, n-grams]. Articles without n-grams are left out.

    Returns
    -------
    tuple[float, float, float]
        Mean of 1 - different / all n-grams of an article, from 0 to 1, with its normal interval.
    """
    lengths = counts.sum(axis=1)
    different = np.diff(counts.indptr)
    return mean_interval(1 - different[lengths > 0] / lengths[lengths > 0])


def self_bleu(counts: Sequence[csr_array]) -> Interval:
    """Return self-BLEU, the mean BLEU of each article against all others (Zhu et al., 2018, arXiv 1802.01886).

    BLEU (Papineni et al., 2002) has orders 1 to 4 with equal weights. As in the source, an order without a match has
    0.1 matches (Chen and Cherry, 2014, method 1), and BLEU is 0 without a word in common.

    Parameters
    ----------
    counts
        Counts of n-grams of each order, from 1, each of shape [articles, n-grams]. Every article has a word.

    Returns
    -------
    tuple[float, float, float]
        From 0 to 1, with its jackknife interval: each article is left out both as a text and as a reference. The value
        is NaN with fewer than two articles, the ends with fewer than three.
    """
    articles = counts[0].shape[0]
    if articles < 2:
        return math.nan, math.nan, math.nan
    lengths = counts[0].sum(axis=1)
    logarithm = np.log(_brevity_penalty(lengths))
    for place, order in enumerate(counts):
        matches = _clipped_matches(order)
        if not place:
            in_common = matches > 0
        precision = np.where(matches > 0, matches, _NO_MATCH) / np.maximum(order.sum(axis=1), 1)[:, None]
        logarithm += np.log(precision) / len(counts)
    scores = np.where(in_common, np.exp(logarithm), 0.0)  # [articles, article left out, or none]
    value = float(scores[:, -1].mean())
    if articles < 3:
        return value, math.nan, math.nan
    others = scores[:, :-1]
    return jackknife_interval(value, (others.sum(axis=0) - np.diag(others)) / (articles - 1))


def _row_of_entries(counts: csr_array) -> np.ndarray:
    """Return the article of each entry of `counts.data`."""
    return np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))


def _clipped_matches(counts: csr_array) -> np.ndarray:
    """Count the n-grams of each article that its references have, each at most as often as the reference with most.

    Parameters
    ----------
    counts
        Shape [articles, n-grams].

    Returns
    -------
    np.ndarray
        Shape [articles, articles + 1]. In column k, article k is no reference; in the last column, all others are.
    """
    articles = counts.shape[0]
    row = _row_of_entries(counts)
    order = np.lexsort((-counts.data, counts.indices))
    row, column, count = row[order], counts.indices[order], counts.data[order]
    start = np.searchsorted(column, np.arange(counts.shape[1]))

    def ranked(place: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the article with the next most of each n-gram, and its count; 0 if there is none."""
        at = np.minimum(start + place, len(column) - 1)
        there = (start + place < len(column)) & (column[at] == np.arange(counts.shape[1]))
        return np.where(there, row[at], -1)[column], np.where(there, count[at], 0)[column]

    if not len(column):
        return np.zeros((articles, articles + 1))
    (first, most), (second, next_most), (_, third_most) = (ranked(place) for place in range(3))
    own = row == first
    reference = np.where(own, second, first)
    clipped = np.minimum(count, np.where(own, next_most, most))
    # Without this reference, the next one clips.
    otherwise = np.minimum(count, np.where(own | (row == second), third_most, next_most))
    lost = np.zeros((articles, articles + 1))
    known = reference >= 0
    np.add.at(lost, (row[known], reference[known]), (clipped - otherwise)[known])
    return np.bincount(row, clipped, minlength=articles)[:, None] - lost


def _brevity_penalty(lengths: np.ndarray) -> np.ndarray:
    """Return BLEU's brevity penalty by the reference that is closest in length; columns as in `_clipped_matches`."""
    articles = len(lengths)
    distance = np.abs(lengths[:, None] - lengths).astype(float)
    np.fill_diagonal(distance, np.inf)
    # Of two references that are equally close, the shorter one counts.
    order = np.lexsort((np.broadcast_to(lengths, distance.shape), distance))
    closest = np.repeat(lengths[order[:, 0]][:, None], articles + 1, axis=1)
    rows = np.arange(articles)
    closest[rows, order[:, 0]] = lengths[order[:, 1]]
    return np.where(lengths[:, None] > closest, 1.0, np.exp(1 - closest / lengths[:, None]))
