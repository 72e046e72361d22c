"""Shares of labels corrected for the classifier's known errors (adjusted classify and count; Forman, 2008)."""

import numpy as np

#: Draws behind an interval: its ends are then known to about a twentieth of its width.
_DRAWS = 1000

#: Passes of the Gibbs sampler: with twice as many, ends of intervals move by less than they do between seeds.
_PASSES = 40

#: What test articles were never called may still be seen: without any chance of that, nothing would be likely.
_NEVER = 1e-9

#: A step of the search that moves no share further than this is the last.
_TOLERANCE = 1e-7
_STEPS = 5000
#: The search nears a share of 0 ever more slowly and never arrives: smaller ones are tried without.
_SMALL = 1e-3
#: Logarithms of likelihood (an article) that differ by less are equal.
_AS_LIKELY = 1e-10


def adjusted_shares(observed: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Find the true shares of labels under which a classifier would give the labels that it gave.

    If a text of label i is given label j with probability `rates[i, j]`, true shares p give labels with the shares
    p @ rates. Where no p solves this exactly, the shares of the greatest likelihood are returned (multinomial; by
    expectation maximisation, which keeps them between 0 and 1). That a label's texts are confused as often as those
    that `rates` was counted on is an assumption, and the one that synthetic texts may break.

    Parameters
    ----------
    observed
        Shape [..., labels]: shares of the labels given, summing to 1.
    rates
        Shape [..., labels, labels]: true label by label given, rows summing to 1.

    Returns
    -------
    np.ndarray
        Shape [..., labels], each from 0 to 1, summing to 1.
    """
    observed = np.asarray(observed, dtype=np.float64)
    rates = np.broadcast_to(rates, (*observed.shape, observed.shape[-1])).astype(np.float64)
    shape, labels = observed.shape, observed.shape[-1]
    observed, rates = observed.reshape(-1, labels), rates.reshape(-1, labels, labels)
    # A classifier that gives every label the same texts cannot be inverted; the search copes.
    regular = np.linalg.cond(rates) < 1e8
    shares = np.full_like(observed, np.nan)
    shares[regular] = np.linalg.solve(np.swapaxes(rates[regular], 1, 2), observed[regular][..., None])[..., 0]
    inside = np.all(shares >= 0, axis=1)
    shares[~inside] = _most_likely(observed[~inside], rates[~inside])
    return (shares / shares.sum(axis=1, keepdims=True)).reshape(shape)


def _most_likely(observed: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Shares [n, labels] of the greatest likelihood, from equal ones; rows that have arrived are moved no further."""
    found = np.full_like(observed, 1 / observed.shape[1])
    moving = np.arange(len(observed))
    for _ in range(_STEPS):
        if not moving.size:
            break
        shares, seen, rate = found[moving], observed[moving], rates[moving] + _NEVER
        given = np.einsum("ni,nij->nj", shares, rate)
        # Where a label was not given its ratio is 0, whatever the denominator.
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
    """Logarithm of the likelihood an article, [n]."""
    given = np.einsum("ni,nij->nj", shares, rates + _NEVER)
    return (observed * np.log(np.where(observed > 0, np.maximum(given, _NEVER**2), 1))).sum(axis=1)


def misfit(observed: np.ndarray, rates: np.ndarray) -> float:
    """Say how far labels given are from any that the confusion matrix could give.

    Parameters
    ----------
    observed, rates
        See `adjusted_shares`, of one classifier: shapes [labels] and [labels, labels].

    Returns
    -------
    float
        Half the sum of absolute differences between `observed` and the shares of labels that texts of the adjusted
        shares would be given: 0 where the matrix explains what is seen, otherwise the share of texts that it cannot
        explain, whose confusion must have changed.
    """
    return float(np.abs(observed - adjusted_shares(observed, rates) @ rates).sum() / 2)


def adjusted_intervals(counts: np.ndarray, confusion: np.ndarray, seed: int) -> list[tuple[float, float, float]]:
    """Adjusted shares with 95% intervals for both sampling errors: of the articles and of the confusion matrix.

    Parameters
    ----------
    counts
        Shape [labels]: articles that were given each label.
    confusion
        Shape [labels, labels]: test articles by true label and label given, each row with at least one.
    seed
        Fixes the draws.

    Returns
    -------
    list of tuple
        For each label share, low and high end, as fractions. Two intervals are joined, because each is too narrow where
        the other is not: quantiles of shares adjusted anew after counts and confusion matrix are drawn anew (parametric
        bootstrap), which have no width where all draws end at the same corner, and those of the posterior under vague
        priors, which does not hold a share of 0 or 1. Ends are moved to include the share.

    Raises
    ------
    ValueError
        If there are no articles, or none of a label in the confusion matrix.
    """
    counts, confusion = np.asarray(counts), np.asarray(confusion)
    totals = confusion.sum(axis=1)
    if counts.sum() < 1 or (totals < 1).any():
        raise ValueError("adjusted shares need articles, and test articles of every label")
    generator = np.random.default_rng(seed)
    shares = adjusted_shares(counts / counts.sum(), confusion / totals[:, None])
    draws = _bootstrap(counts, confusion, generator), _posterior(counts, confusion, generator)
    low, high = np.quantile(draws, [0.025, 0.975], axis=1)
    ends = zip(shares, np.minimum(low.min(axis=0), shares), np.maximum(high.max(axis=0), shares), strict=True)
    return [tuple(float(value) for value in triple) for triple in ends]


def _bootstrap(counts: np.ndarray, confusion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Adjusted shares [draws, labels] of articles and test articles drawn anew."""
    labels, articles, totals = len(counts), int(counts.sum()), confusion.sum(axis=1)
    # Half an article spread over each row's cells: a cell that is empty by chance would be empty in every draw.
    smoothed = (confusion + 0.5 / labels) / (totals + 0.5)[:, None]
    rates = [
        generator.multinomial(int(total), rate, size=_DRAWS) / int(total)
        for total, rate in zip(totals, smoothed, strict=True)
    ]
    drawn = generator.multinomial(articles, (counts + 0.5 / labels) / (articles + 0.5), size=_DRAWS)
    return adjusted_shares(drawn / articles, np.stack(rates, axis=1))


def _posterior(counts: np.ndarray, confusion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Posterior draws [draws, labels] of the true shares, from as many Gibbs chains.

    Rows of the confusion matrix have the prior Dirichlet(1/labels, ...) and learn from test articles alone, shares
    Dirichlet(1/2, ...). Each pass deals the articles of each label given to true labels, then draws shares.
    """
    labels = len(counts)
    rates = np.stack([generator.dirichlet(row + 1 / labels, size=_DRAWS) for row in confusion], axis=1) + _NEVER
    shares = np.full((_DRAWS, labels), 1 / labels)
    for _ in range(_PASSES):
        chances = np.swapaxes(shares[..., None] * rates, 1, 2)
        dealt = generator.multinomial(counts, chances / chances.sum(axis=2, keepdims=True)).sum(axis=1)
        shares = generator.standard_gamma(dealt + 0.5)
        shares /= shares.sum(axis=1, keepdims=True)
    return shares
