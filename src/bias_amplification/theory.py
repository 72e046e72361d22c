"""Bias amplification without sampling error: a loop of weighted maximum likelihood on Beta samples (appendix I.2).

Weighting a sample of Beta(a, b) by the density of Beta(c, d) gives, up to a constant, the density of
Beta(a + c - 1, b + d - 1). A model that weights its own samples by its own density therefore doubles a - 1 and b - 1 in
every generation: the mode stays, the mean moves to the mode, and the spread shrinks to zero.

The relative error of a fitted a - 1 or b - 1 is the error of the fit's own sample plus the error inherited from the
generation before; doubling leaves the relative error unchanged. With samples of n the loop therefore departs from the
closed form by about 1.5 sqrt((generation + 1) / n) in relative terms (1.4% at generation 10 for n = 100,000), and the
mean by 0.001, most of which arises in the first fits.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import BETA
from bias_amplification.study.sections import Theory

#: Parameters (a, b) of a Beta distribution.
Shape = tuple[float, float]

#: Distribution of the biased sample that the first model is fitted to (paper, appendix I.2).
PRETRAINING: Shape = (3.0, 2.0)
#: Distribution of the real sample that generation 0 is fitted to (paper, appendix I.2).
FINE_TUNING: Shape = (2.0, 2.0)


def simulate_beta(out: Path, *, theory: Theory, seed: int) -> None:
    """Simulate the weighted and the plain loop of maximum likelihood fits, and write both.

    Parameters
    ----------
    out
        The table to write (schema `BETA`).
    theory
        Sample size and number of generations.
    seed
        Seed of the samples.

    Raises
    ------
    ArithmeticError
        If a distribution cannot be fitted (see `fit_loop`).
    """
    parts = []
    for stream, weighted in enumerate((True, False)):
        generator = np.random.default_rng([seed, stream])
        fitted = fit_loop(weighted=weighted, theory=theory, generator=generator)
        a, b = np.array(fitted).T
        closed_a, closed_b = np.array(closed_form(weighted=weighted, generations=theory.generations)).T
        columns = {
            "method": ["weighted" if weighted else "plain"] * len(fitted),
            "generation": np.arange(len(fitted), dtype=np.int16),
            "a": a,
            "b": b,
            "mean": a / (a + b),
            "standard_deviation": np.sqrt(a * b / (a + b + 1)) / (a + b),
            "closed_form_a": closed_a,
            "closed_form_b": closed_b,
        }
        parts.append(pa.table(columns))
    write_table(pa.concat_tables(parts), out, BETA)


def fit_loop(*, weighted: bool, theory: Theory, generator: np.random.Generator) -> list[Shape]:
    """Fit a Beta distribution to a real sample, then to a sample of that fit, and so on.

    Parameters
    ----------
    weighted
        Whether each draw is weighted by the density that the previous model gives it. Otherwise all draws weigh the
        same.
    theory
        Sample size, and number of fits after the first.
    generator
        Source of the draws.

    Returns
    -------
    list of tuple
        The parameters (a, b) fitted in generations 0, 1, ...

    Raises
    ------
    ArithmeticError
        If a sample has no spread, or if Newton's steps do not converge.
    """
    previous = fit_beta(*sufficient_statistics(draw(PRETRAINING, theory.samples, generator)))
    source, fitted = FINE_TUNING, []
    for _ in range(theory.generations + 1):
        sample = draw(source, theory.samples, generator)
        weights = density_weights(sample, previous) if weighted else None
        previous = fit_beta(*sufficient_statistics(sample, weights))
        source = previous
        fitted.append(previous)
    return fitted


def closed_form(*, weighted: bool, generations: int) -> list[Shape]:
    """Return the parameters that samples without sampling error would give, for generations 0, 1, ...

    Weighted: a_0 = a_pretraining + a_fine_tuning - 1, then a - 1 doubles in every generation; b likewise. Plain: the
    parameters of the real sample.
    """
    if not weighted:
        return [FINE_TUNING] * (generations + 1)
    start_a, start_b = (one + other - 2 for one, other in zip(PRETRAINING, FINE_TUNING, strict=True))
    return [(1 + start_a * 2.0**k, 1 + start_b * 2.0**k) for k in range(generations + 1)]


def draw(shape: Shape, size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw from Beta(a, b). Draws of exactly 0 or 1 are moved inside, because the likelihood takes their logarithm."""
    return np.clip(generator.beta(*shape, size=size), np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)


def density_weights(sample: np.ndarray, shape: Shape) -> np.ndarray:
    """Return weights in proportion to the density of Beta(a, b) at each draw; they sum to 1.

    The largest log density is subtracted before exponentiating, so that even a very narrow distribution neither
    overflows nor underflows everywhere.
    """
    log_density = (shape[0] - 1) * np.log(sample) + (shape[1] - 1) * np.log1p(-sample)
    weights = np.exp(log_density - log_density.max())
    return weights / weights.sum()


def sufficient_statistics(sample: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Return the means of log(x) and log(1 - x), the sufficient statistics of the Beta likelihood.

    Parameters
    ----------
    sample
        Shape [draws], strictly between 0 and 1.
    weights
        Shape [draws], sum 1; equal by default.
    """
    if weights is None:
        return float(np.log(sample).mean()), float(np.log1p(-sample).mean())
    return float((weights * np.log(sample)).sum()), float((weights * np.log1p(-sample)).sum())


def fit_beta(mean_log: float, mean_log_complement: float) -> Shape:
    """Maximise the Beta likelihood by Newton steps on its sufficient statistics.

    The likelihood is concave in (a, b); its gradient is (mean_log - psi(a) + psi(a + b), ...). Steps are taken in
    log(a) and log(b), which keeps both parameters positive, and halved while they lower the likelihood.

    Parameters
    ----------
    mean_log, mean_log_complement
        Weighted means of log(x) and log(1 - x).

    Returns
    -------
    tuple of float
        a and b.

    Raises
    ------
    ArithmeticError
        If the sample has no spread, so that no finite parameters maximise the likelihood.
    """
    from scipy.special import betaln, digamma, polygamma

    statistics = np.array([mean_log, mean_log_complement])
    gap = 1 - np.exp(statistics).sum()
    if gap <= 0:
        raise ArithmeticError("a Beta distribution cannot be fitted to a sample without spread")

    def likelihood(shape: np.ndarray) -> float:
        return float((shape - 1) @ statistics - betaln(*shape))

    # For large a and b this start, from the geometric means, is correct to first order.
    shape = 0.5 + np.exp(statistics) / (2 * gap)
    for _ in range(200):
        total = shape.sum()
        gradient = statistics - digamma(shape) + digamma(total)
        information = np.diag(polygamma(1, shape)) - polygamma(1, total)
        step = np.linalg.solve(information, gradient) / shape  # relative step, in log(a) and log(b)
        size = np.abs(step).max()
        if size < 1e-7:  # Newton converges quadratically: after this step only rounding errors remain.
            a, b = shape * np.exp(step)
            return float(a), float(b)
        fraction = min(1.0, 1.0 / size)
        here = likelihood(shape)
        # For steps below 1e-6 the likelihood changes by less than its rounding error.
        while fraction * size > 1e-6 and likelihood(shape * np.exp(fraction * step)) < here:
            fraction /= 2
        shape = shape * np.exp(fraction * step)
    raise ArithmeticError("a Beta distribution could not be fitted: Newton's steps did not converge")
