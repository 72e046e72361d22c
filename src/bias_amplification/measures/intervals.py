"""95% intervals of shares, of means, and of differences of shares or means."""

import math

import numpy as np

#: Normal quantile of a two-sided 95% interval.
QUANTILE = 1.959963984540054
#: The quantile for means, rounded as in the paper (section 3.5).
PUBLISHED_QUANTILE = 1.96


def wilson_interval(successes: int, trials: int) -> tuple[float, float, float]:
    """Return a share with Wilson's 95% score interval.

    Unlike the normal interval, it stays within [0, 1] and has a positive width for shares of 0 and 1, which collapsed
    models reach.

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
        raise ValueError(f"{successes} successes in {trials} trials are impossible")
    share = successes / trials
    squared = QUANTILE**2 / trials
    center = (share + squared / 2) / (1 + squared)
    half_width = math.sqrt(squared * (share * (1 - share) + squared / 4)) / (1 + squared)
    # For shares of 0 and 1, one end equals the share exactly; rounding could move it.
    low = 0.0 if successes == 0 else center - half_width
    high = 1.0 if successes == trials else center + half_width
    return share, low, high


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return a mean with its normal 95% interval, mean plus or minus 1.96 s / sqrt(n) (paper, section 3.5).

    Parameters
    ----------
    values
        Shape [n]. NaN is a missing value and is left out.

    Returns
    -------
    tuple[float, float, float]
        Mean, low end, high end, in the unit of `values`. All are NaN without a value; the ends are NaN with one value.
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
    """Return the difference of two independent estimates with its 95% interval, from the estimates' intervals.

    The squared distances between estimates and ends are added (Zou and Donner, 2008). For two shares with Wilson's
    intervals the result is Newcombe's hybrid score interval (1998, method 10). For two means with normal intervals it
    is the normal interval of their difference.

    Parameters
    ----------
    first, second
        Estimate, low end, high end, in the same unit.

    Returns
    -------
    tuple[float, float, float]
        `first` minus `second`, low end, high end; NaN where an estimate or end is NaN.
    """
    (one, one_low, one_high), (other, other_low, other_high) = first, second
    difference = one - other
    low = difference - math.hypot(one - one_low, other_high - other)
    high = difference + math.hypot(one_high - one, other - other_low)
    return difference, low, high
