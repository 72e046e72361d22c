"""95% intervals of shares, of means, and of differences of either."""

import math

import numpy as np

#: Normal quantile of a two-sided 95% interval.
QUANTILE = 1.959963984540054
#: The same as it is used for means (paper, section 3.5), rounded as published.
PUBLISHED_QUANTILE = 1.96


def wilson_interval(successes: int, trials: int) -> tuple[float, float, float]:
    """Share of successes with Wilson's 95% score interval.

    Unlike the normal interval it stays within [0, 1] and has a width at shares of 0 and 1, where collapsed models
    end up.

    Parameters
    ----------
    successes
        Number of articles with the label.
    trials
        Number of articles, at least 1.

    Returns
    -------
    tuple[float, float, float]
        Share, low end, high end, as fractions.

    Raises
    ------
    ValueError
        If `trials` is not positive or `successes` is not between 0 and `trials`.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} successes of {trials} trials have no share")
    share = successes / trials
    squared = QUANTILE**2 / trials
    center = (share + squared / 2) / (1 + squared)
    half_width = math.sqrt(squared * (share * (1 - share) + squared / 4)) / (1 + squared)
    # Rounding may leave an end a hair inside the share at 0 and at 1, where it equals the share exactly.
    low = 0.0 if successes == 0 else center - half_width
    high = 1.0 if successes == trials else center + half_width
    return share, low, high


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean with its normal 95% interval, mean plus or minus 1.96 s / sqrt(n) (paper, section 3.5).

    Parameters
    ----------
    values
        Shape [n]; NaN stands for a missing value and is left out.

    Returns
    -------
    tuple[float, float, float]
        Mean, low end, high end, in the unit of `values`. All NaN without a value; the ends NaN with only one.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if values.size == 1:
        return mean, math.nan, math.nan
    half_width = PUBLISHED_QUANTILE * float(values.std(ddof=1)) / math.sqrt(values.size)
    return mean, mean - half_width, mean + half_width


def difference_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Difference of two independent estimates with its 95% interval, from the intervals of both.

    The distances of the ends are added in squares (Zou and Donner, 2008). For two shares with Wilson's intervals that
    is Newcombe's hybrid score interval (1998, method 10); for two means with normal intervals, the normal interval of
    their difference.

    Parameters
    ----------
    first, second
        Estimate, low end, high end, in one unit.

    Returns
    -------
    tuple[float, float, float]
        `first` minus `second`, low end, high end; NaN where a part is not known.
    """
    (one, one_low, one_high), (other, other_low, other_high) = first, second
    difference = one - other
    low = difference - math.hypot(one - one_low, other_high - other)
    high = difference + math.hypot(one_high - one, other - other_low)
    return difference, low, high
