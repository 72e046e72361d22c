"""The variance of a measure, divided among articles, replicates and strategies."""

import numpy as np

#: Sources of variance, in the order of tables.
COMPONENTS = ("strategies", "replicates", "training", "articles", "residual")


def variance_split(values: np.ndarray, redrawn: bool) -> dict[str, float]:
    """Estimate the variance components of a complete table of values by analysis of variance.

    The model of a value is ``mean + strategy + replicate + training + article + residual`` with independent random
    terms. `training` is the interaction of strategy and replicate: the chance of one chain. Each mean square is set
    equal to its expectation; a negative component becomes 0. In a complete table without negative components, these are
    the estimates of restricted maximum likelihood. An iterative fit is not used: for 45,000 values it takes 12 seconds
    instead of milliseconds, and with a training component near 0 it did not reach the maximum.

    Parameters
    ----------
    values
        Shape [strategies, replicates, articles], at least two of each. NaN is a missing value. An article without a
        value in one strategy is left out of all strategies of the replicate, and of all replicates unless they are
        redrawn.
    redrawn
        Whether replicates have different articles.

    Returns
    -------
    dict
        Variance of each of `COMPONENTS`, at least 0, in squared units of the values.

    Raises
    ------
    ValueError
        If a replicate has fewer than two articles with values in all strategies.
    """
    known = ~np.isnan(values).any(axis=0)  # [replicates, articles]
    if not redrawn:
        known = np.broadcast_to(known.all(axis=0), known.shape)
    counts = known.sum(axis=1)
    if counts.min() < 2:
        raise ValueError("a replicate has fewer than two articles with values in all strategies")
    strategies, replicates, _ = values.shape
    kept = np.where(known, values, np.nan)
    means = np.nanmean(kept, axis=2)  # [strategies, replicates]
    within = kept - means[:, :, None]
    # Cells of strategy and replicate that have the same articles: those of one replicate, or all.
    cells = strategies if redrawn else strategies * replicates
    of_articles = within.mean(axis=0) if redrawn else within.mean(axis=(0, 1))[None]
    freedom = int(np.sum(counts - 1)) if redrawn else int(counts[0]) - 1
    residual = float(np.nansum((within - of_articles) ** 2)) / (freedom * (cells - 1))
    articles = (float(np.nansum(of_articles**2)) / freedom * cells - residual) / cells

    of_strategies, of_replicates = means.mean(axis=1), means.mean(axis=0)
    rest = means - of_strategies[:, None] - of_replicates + means.mean()
    chance = float((rest**2).sum()) / ((strategies - 1) * (replicates - 1))
    # The mean of a cell varies with its articles too. Articles that all cells share do not make them differ.
    per_mean = float(np.mean(1 / counts))
    found = (
        float(of_strategies.var(ddof=1)) - chance / replicates,
        float(of_replicates.var(ddof=1)) - chance / strategies - (articles * per_mean if redrawn else 0.0),
        chance - residual * per_mean,
        articles,
        residual,
    )
    return {name: max(0.0, variance) for name, variance in zip(COMPONENTS, found, strict=True)}
