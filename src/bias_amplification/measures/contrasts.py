"""Differences between generations and between rounds, with intervals that hold the error of articles and replicates."""

import bisect
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bias_amplification.measures.intervals import ALPHA, student_quantile

#: A number of replicates beyond this is not searched for.
MOST_REPLICATES = 1000
#: Points of the integral over the estimated variance in `_power`.
_POINTS = 100
#: Natural logarithm of the smallest p-value that is told from 0.
_LEAST_EXPONENT = -300.0


class Variances(NamedTuple):
    """Parts of an estimate's variance, and their degrees of freedom.

    Attributes
    ----------
    between, degrees
        From differences between replicates. With one replicate both are 0.
    shared
        From articles that several replicates have, beyond what `between` shows of it; 0 if none has.
    alone, freedom
        The variance if articles differ, but trainings do not: the least that is taken for the whole. `freedom` belongs
        to `shared` too. NaN and 0 if no replicate has two articles.
    """

    between: np.ndarray
    degrees: int
    shared: np.ndarray
    alone: np.ndarray
    freedom: int

    def half_width(self, alpha: float | np.ndarray = ALPHA) -> np.ndarray:
        """Return the half width of the interval whose error is `alpha`; see `paired_contrast`."""
        of_articles = student_quantile(self.freedom, alpha)
        least = of_articles * np.sqrt(self.alone)
        if not self.degrees:
            return least
        of_replicates = student_quantile(self.degrees, alpha)
        return np.fmax(least, np.sqrt(of_replicates**2 * self.between + of_articles**2 * self.shared))

    def p_value(self, estimate: np.ndarray) -> np.ndarray:
        """Return the error of the interval that has 0 at one end."""
        from scipy.optimize import elementwise

        parts = (self.between, self.shared, self.alone, np.abs(estimate))
        found = elementwise.find_root(
            lambda exponent, between, shared, alone, size: (
                Variances(between, self.degrees, shared, alone, self.freedom).half_width(np.exp(exponent)) - size
            ),
            (np.full_like(estimate, _LEAST_EXPONENT), np.zeros_like(estimate)),
            args=parts,
        )
        # Without a root: no interval that can be computed reaches 0, or there is no variance at all.
        smallest = np.where(estimate == 0, 1.0, np.exp(_LEAST_EXPONENT))
        return np.where(found.success, np.exp(found.x), smallest)


@dataclass(frozen=True)
class Contrast:
    """A mean difference with its 95% interval. Of several studies, every number is an array over the studies.

    Attributes
    ----------
    estimate, low, high
        Mean over replicates and the ends of its interval, in the unit of the differences. All are NaN without a
        value; the ends are NaN if one replicate has only one article.
    standard_error, degrees
        Standard error, and the degrees of freedom of the error between replicates: replicates - 1. With one replicate
        both are those of the error between articles.
    replicates
        Number of replicates with a value.
    articles, different
        Number of articles with a value: the mean of a replicate, rounded, and how many different ones there are.
    of_replicates
        [..., replicates]: the mean difference in each replicate that has a value.
    variances
        The parts of the estimate's variance.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray
    degrees: int
    replicates: int
    articles: int
    different: int
    of_replicates: np.ndarray
    variances: Variances

    @cached_property
    def p(self) -> np.ndarray:
        """Two-sided p-value, at most 0.05 if 0 is outside of the interval or its end; NaN with one replicate."""
        return self.variances.p_value(self.estimate) if self.replicates > 1 else np.full_like(self.estimate, np.nan)


def paired_contrast(differences: np.ndarray, articles: np.ndarray | None = None, span: float = 0.0) -> Contrast:
    """Estimate a mean difference over articles and replicates, such as a round's change or a difference of changes.

    The model of a difference is ``mean + article + replicate + rest``, with random articles, replicates and rest.

    - If each of the R replicates has articles of its own, their means are independent. Their variance V holds the
      errors of articles and replicates. The interval's half width is t sqrt(V / R), where t is the quantile of
      Student's distribution with R - 1 degrees of freedom.
    - Articles that several replicates have make their means alike, which V does not show. Two means have the
      covariance A k / (n m): A is the variance between articles, k the number of common articles, n and m are the
      numbers of all. S is the mean of this covariance over all pairs. The half width is sqrt(t^2 V / R + u^2 S), where
      u is the quantile with the degrees of freedom of the articles. Each part has its own quantile (Banerjee, 1960).
      Satterthwaite's common degrees of freedom are too many for two or three replicates. A is the mean product of an
      article's deviations in two replicates. If all replicates have the same articles, S is that of analysis of
      variance, (MS_articles - MS_rest) / (n R). A negative S becomes 0.
    - The interval is never narrower than that of the articles alone, in a world where trainings do not differ. Without
      this limit, the interval has no width if replicates have equal means, which is common for shares. With `span`, two
      articles are added to this variance, one whose difference is `span` and one with -`span` (Bonett and Price, 2012,
      who also move the estimate). Shares near 0 and 1 need them: all differences may be 0 although the true difference
      is not.

    `benchmarks/contrast_calibration.py` and `paired_calibration.py` simulate how often intervals include the truth.

    Parameters
    ----------
    differences
        Shape [..., replicates, articles]. NaN is a missing value; one that is missing in one study is left out of all.
        A replicate without any value is left out.
    articles
        Shape [replicates, articles]: a number for each article, the same in all replicates that have it, and only once
        in each. By default a column is one article.
    span
        Length of the outcome's scale: 1 for shares and probabilities. With 0, no articles are added.
    """
    values = np.asarray(differences, dtype=np.float64)
    studies = tuple(range(values.ndim - 2))
    known = ~np.isnan(values).any(axis=studies)  # [replicates, articles]
    if articles is None:
        articles = np.broadcast_to(np.arange(values.shape[-1]), known.shape)
    any_known = known.any(axis=-1)
    values, known, articles = values[..., any_known, :], known[any_known], np.asarray(articles)[any_known]
    if not values.size:
        nothing = np.full(values.shape[:-2], np.nan)
        none = Variances(nothing, 0, nothing, nothing, 0)
        return Contrast(*[nothing] * 4, 0, 0, 0, 0, np.empty((*nothing.shape, 0)), none)
    replicates, counts = len(known), known.sum(axis=1)
    means = np.where(known, values, 0.0).sum(axis=-1) / counts
    estimate = means.mean(axis=-1)
    parts = _variances(np.where(known, values - means[..., None], 0.0), means, known, articles, span)
    half_width = parts.half_width()
    return Contrast(
        estimate,
        estimate - half_width,
        estimate + half_width,
        np.sqrt(np.fmax(parts.between + parts.shared, parts.alone)) if parts.degrees else np.sqrt(parts.alone),
        parts.degrees or parts.freedom,
        replicates,
        round(float(counts.mean())),
        len(np.unique(articles[known])),
        means,
        parts,
    )


def _variances(
    deviations: np.ndarray, means: np.ndarray, known: np.ndarray, articles: np.ndarray, span: float
) -> Variances:
    """Estimate the parts of the variance.

    `deviations`, [..., replicates, articles], are those from the replicates' means, 0 where no value is `known`.
    """
    replicates, counts = len(known), known.sum(axis=1)
    numbers, places = np.unique(articles, return_inverse=True)
    places = places.reshape(articles.shape)
    present = np.zeros((replicates, len(numbers)))
    sums = np.zeros((*means.shape[:-1], len(numbers)))
    for replicate, own in enumerate(known):
        present[replicate, places[replicate, own]] = 1
        sums[..., places[replicate, own]] += deviations[..., replicate, own]
    squares = (deviations**2).sum(axis=-1)  # [..., replicates]
    common = present @ present.T * (1 - np.eye(replicates))
    overlap = common / np.outer(counts, counts)
    # Deviations are from means that hold the article itself.
    expected = (common * (1 - np.add.outer(1 / counts, 1 / counts) + overlap)).sum()
    between = means.var(axis=-1, ddof=1) / replicates if replicates > 1 else np.zeros(means.shape[:-1])
    of_articles = ((sums**2).sum(axis=-1) - squares.sum(axis=-1)) / expected if expected else np.zeros_like(between)
    covariance = of_articles * overlap.sum() / max(replicates * (replicates - 1), 1)
    alone = (squares / np.maximum(counts - 1, 1) / counts).sum(axis=-1) / replicates**2
    alone = np.maximum(alone + covariance * (replicates - 1) / replicates, 0.0)
    # Of so many independent articles the mean would be as exact as that of these, of which some are there repeatedly.
    independent = 1 / np.square((present / counts[:, None]).mean(axis=0)).sum()
    freedom = round(independent * (1 - 1 / counts.mean()))
    if not freedom:
        alone = np.full_like(between, np.nan)
    elif span:
        squares = alone * independent * freedom + 2 * span**2
        freedom += 2
        alone = squares / freedom / (independent + 2)
    return Variances(between, replicates - 1, np.maximum(covariance, 0.0), alone, freedom)


def replicates_needed(contrast: Contrast, alpha: float = ALPHA, power: float = 0.8) -> int | None:
    """Return the smallest number of replicates that finds a difference as large as the estimate.

    The variances are taken as estimated. More replicates do not reduce the error of articles that all replicates share.

    Parameters
    ----------
    contrast
        The contrast of one study.
    alpha
        Level of the test. For one of m comparisons, `ALPHA` / m is always enough for Holm's method.
    power
        Probability that the p-value is at most `alpha`.

    Returns
    -------
    int or None
        At least 2. None if it is more than 1,000, or if the contrast has fewer than two replicates.
    """
    if contrast.replicates < 2 or _power(contrast, MOST_REPLICATES, alpha) < power:
        return None
    numbers = range(2, MOST_REPLICATES + 1)
    return numbers[bisect.bisect_left(numbers, power, key=lambda number: _power(contrast, number, alpha))]


def _power(contrast: Contrast, replicates: int, alpha: float) -> float:
    """Return the probability that an interval of so many replicates excludes 0 if the estimate is the true difference.

    The probability for a given estimate of the variance is averaged over the chi-squared distribution of that estimate.
    If replicates have articles of their own, it is the power of a t test.
    """
    from scipy import special

    parts = contrast.variances
    # The articles alone make replicates differ by at least `alone - shared`.
    between = max(float(parts.between), float(parts.alone - parts.shared)) * contrast.replicates / replicates
    shared = float(parts.shared)
    if not between + shared:
        return float(contrast.estimate != 0)
    chances = (np.arange(_POINTS) + 0.5) / _POINTS
    freedom = replicates - 1
    estimated = between * 2 * special.gammaincinv(freedom / 2, chances) / freedom
    half_width = np.sqrt(
        student_quantile(freedom, alpha) ** 2 * estimated + student_quantile(parts.freedom, alpha) ** 2 * shared
    )
    spread, size = np.sqrt(between + shared), abs(float(contrast.estimate))
    return float(np.mean(special.ndtr((size - half_width) / spread) + special.ndtr((-size - half_width) / spread)))
