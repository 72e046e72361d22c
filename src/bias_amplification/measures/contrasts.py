"""Differences between generations and between rounds, with intervals that hold the error of articles and replicates."""

import bisect
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy.optimize import elementwise

#: Level of the tests, and of the intervals' error.
ALPHA = 0.05
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
        From articles that all replicates share; 0 if they are redrawn.
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
        of_articles = _quantile(alpha, self.freedom)
        least = of_articles * np.sqrt(self.alone)
        if not self.degrees:
            return least
        of_replicates = _quantile(alpha, self.degrees)
        return np.fmax(least, np.sqrt(of_replicates**2 * self.between + of_articles**2 * self.shared))

    def p_value(self, estimate: np.ndarray) -> np.ndarray:
        """Return the error of the interval that has 0 at one end."""
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


def _quantile(alpha: float | np.ndarray, degrees: int) -> np.ndarray:
    """Return the two-sided quantile of Student's t; one degree of freedom if there is none."""
    return -special.stdtrit(max(degrees, 1), np.asarray(alpha) / 2)


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
    p
        Two-sided p-value of no difference. It is below 0.05 if and only if the interval excludes 0. NaN with one
        replicate.
    replicates, articles
        Number of replicates and of articles with a value. If articles are redrawn, the mean of a replicate, rounded.
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
    p: np.ndarray
    replicates: int
    articles: int
    of_replicates: np.ndarray
    variances: Variances


def paired_contrast(differences: np.ndarray, redrawn: bool, span: float = 0.0) -> Contrast:
    """Estimate a mean difference over articles and replicates, such as a round's change or a difference of changes.

    The model of a difference is ``mean + article + replicate + rest``, with random articles, replicates and rest.

    - If articles are redrawn, the means of the R replicates are independent. Their variance V holds the errors of
      articles and replicates. The interval's half width is t sqrt(V / R), where t is the quantile of Student's
      distribution with R - 1 degrees of freedom.
    - If all replicates have the same n articles, the articles' error is added. Its variance by analysis of variance is
      S = max(0, MS_articles - MS_rest) / (n R). The half width is sqrt(t^2 V / R + u^2 S), where u is the quantile
      with n - 1 degrees of freedom. Each part has its own quantile (Banerjee, 1960). Satterthwaite's common degrees of
      freedom are too many for two or three replicates: with them, 89% of the intervals in some simulated studies
      included the true difference.
    - The interval is never narrower than that of the articles alone, with half width u sqrt(MS_articles / (n R)).
      Without this limit, the interval has no width if replicates have equal means, which is common for shares.
      With `span`, two articles are added to this variance, one whose difference is `span` and one with -`span` (Agresti
      and Min, 2005). Shares near 0 and 1 need them: all differences may be 0 although the true difference is not.

    `benchmarks/contrast_calibration.py` simulates how often the intervals include the true difference.

    Parameters
    ----------
    differences
        Shape [..., replicates, articles]. NaN is a missing value. If articles are redrawn, it is left out, and columns
        of different replicates have nothing in common. Otherwise a column is one article, which is left out of all
        replicates. A replicate without any value is left out.
    redrawn
        Whether replicates have different articles.
    span
        Length of the outcome's scale: 1 for shares and probabilities. With 0, no articles are added.
    """
    values = np.asarray(differences, dtype=np.float64)
    studies = tuple(range(values.ndim - 2))
    values = values[..., ~np.isnan(values).all(axis=(*studies, -1)), :]
    if not redrawn:
        values = values[..., ~np.isnan(values).any(axis=(*studies, -2))]
    if not values.size:
        nothing = np.full(values.shape[:-2], np.nan)
        none = Variances(nothing, 0, nothing, nothing, 0)
        return Contrast(*[nothing] * 4, 0, nothing, 0, 0, np.empty((*nothing.shape, 0)), none)
    replicates = values.shape[-2]
    counts = (~np.isnan(values)).sum(axis=-1)  # [..., replicates]
    means = np.nanmean(values, axis=-1)
    estimate = means.mean(axis=-1)
    parts = _variances(values, means, counts, redrawn or replicates == 1, span)
    half_width = parts.half_width()
    return Contrast(
        estimate,
        estimate - half_width,
        estimate + half_width,
        np.sqrt(np.fmax(parts.between + parts.shared, parts.alone)) if parts.degrees else np.sqrt(parts.alone),
        parts.degrees or parts.freedom,
        parts.p_value(estimate) if replicates > 1 else np.full_like(estimate, np.nan),
        replicates,
        round(float(counts.mean())),
        means,
        parts,
    )


def _variances(values: np.ndarray, means: np.ndarray, counts: np.ndarray, redrawn: bool, span: float) -> Variances:
    """Estimate the parts of the variance from [..., replicates, articles] and the replicates' means."""
    estimate = means.mean(axis=-1)
    replicates, articles = values.shape[-2:]
    between = means.var(axis=-1, ddof=1) / replicates if replicates > 1 else np.zeros_like(estimate)
    if redrawn:
        freedom = int((counts - 1).sum(axis=-1).min())
        squares = np.nansum((values - means[..., None]) ** 2, axis=-1) / np.maximum(counts - 1, 1)
        alone, shared = (squares / counts).sum(axis=-1) / replicates**2, np.zeros_like(estimate)
        independent = counts.sum(axis=-1)
    else:
        freedom, independent = articles - 1, articles
        of_articles = values.mean(axis=-2)
        rest = values - means[..., None] - of_articles[..., None, :] + estimate[..., None, None]
        alone = ((of_articles - estimate[..., None]) ** 2).sum(axis=-1) / max(freedom, 1) / articles
        rest = (rest**2).sum(axis=(-2, -1)) / max(freedom * (replicates - 1), 1)
        shared = np.maximum(alone - rest / (articles * replicates), 0.0)
    alone = alone + 2 * np.square(span / independent) if freedom else np.full_like(estimate, np.nan)
    return Variances(between, replicates - 1, shared, alone, freedom)


def replicates_needed(contrast: Contrast, power: float = 0.8) -> int | None:
    """Return the smallest number of replicates that finds a difference as large as the estimate.

    The variances are taken as estimated. More replicates do not reduce the error of articles that all replicates share.

    Parameters
    ----------
    contrast
        The contrast of one study.
    power
        Probability that the p-value is below 0.05.

    Returns
    -------
    int or None
        At least 2. None if it is more than 1,000, or if the contrast has fewer than two replicates.
    """
    if contrast.replicates < 2 or _power(contrast, MOST_REPLICATES) < power:
        return None
    numbers = range(2, MOST_REPLICATES + 1)
    return numbers[bisect.bisect_left(numbers, power, key=lambda number: _power(contrast, number))]


def _power(contrast: Contrast, replicates: int) -> float:
    """Return the probability that an interval of so many replicates excludes 0 if the estimate is the true difference.

    The probability for a given estimate of the variance is averaged over the chi-squared distribution of that estimate.
    If replicates have articles of their own, it is the power of a t test.
    """
    parts = contrast.variances
    # The articles alone make replicates differ by at least `alone - shared`.
    between = max(float(parts.between), float(parts.alone - parts.shared)) * contrast.replicates / replicates
    shared = float(parts.shared)
    if not between + shared:
        return float(contrast.estimate != 0)
    chances = (np.arange(_POINTS) + 0.5) / _POINTS
    freedom = replicates - 1
    estimated = between * 2 * special.gammaincinv(freedom / 2, chances) / freedom
    half_width = np.sqrt(_quantile(ALPHA, freedom) ** 2 * estimated + _quantile(ALPHA, parts.freedom) ** 2 * shared)
    spread, size = np.sqrt(between + shared), abs(float(contrast.estimate))
    return float(np.mean(special.ndtr((size - half_width) / spread) + special.ndtr((-size - half_width) / spread)))
