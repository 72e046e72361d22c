"""The Beta simulation against its closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.special import digamma

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import BETA
from bias_amplification.study.sections import Theory
from bias_amplification.theory import (
    closed_form,
    density_weights,
    draw,
    fit_beta,
    fit_loop,
    simulate_beta,
    sufficient_statistics,
)


def expected_statistics(a: float, b: float) -> tuple[float, float]:
    return float(digamma(a) - digamma(a + b)), float(digamma(b) - digamma(a + b))


def test_closed_form_of_the_papers_setting():
    weighted = closed_form(weighted=True, generations=10)

    assert weighted[:3] == [(4, 3), (7, 5), (13, 9)]
    assert weighted[10] == (3073, 2049)
    assert stats.beta(*weighted[10]).std() == pytest.approx(0.0068, abs=5e-5)
    assert closed_form(weighted=False, generations=2) == [(2, 2)] * 3


def test_weighted_loop_without_sampling_error_equals_the_closed_form():
    # The statistics of each fit are integrated over the product of the two densities that were fitted before.
    # Relative tolerance 1e-6: the error of the quadrature, carried through the loop.
    data, model, fitted = stats.beta(2, 2), stats.beta(3, 2), []
    for _ in range(7):

        def weight(x, data=data, model=model):
            return np.exp(data.logpdf(x) + model.logpdf(x))

        middle, width = data.mean(), 12 * data.std()
        ends = max(0.0, middle - width), min(1.0, middle + width)
        total, log, complement = (
            quad(function, *ends, points=[middle], epsabs=0, epsrel=1e-11, limit=500)[0]
            for function in (
                weight,
                lambda x, weight=weight: weight(x) * np.log(x),
                lambda x, weight=weight: weight(x) * np.log1p(-x),
            )
        )
        fitted.append(fit_beta(log / total, complement / total))
        data = model = stats.beta(*fitted[-1])

    np.testing.assert_allclose(fitted, closed_form(weighted=True, generations=6), rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 4000), st.floats(0.05, 4000))
def test_newton_recovers_parameters_from_their_expected_statistics(a, b):
    # Of the 16 digits of the statistics, cancellation in a narrow or skewed distribution costs about half.
    np.testing.assert_allclose(fit_beta(*expected_statistics(a, b)), (a, b), rtol=1e-6)


@pytest.mark.parametrize("generation", range(0, 16))
def test_newton_converges_for_narrow_distributions(generation):
    a, b = 1 + 3 * 2.0**generation, 1 + 2 * 2.0**generation

    np.testing.assert_allclose(fit_beta(*expected_statistics(a, b)), (a, b), rtol=1e-7)


def test_fit_agrees_with_scipy():
    sample = draw((2.0, 5.0), 5000, np.random.default_rng(1))

    found = fit_beta(*sufficient_statistics(sample))

    expected = stats.beta.fit(sample, floc=0, fscale=1)[:2]
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # the tolerance of scipy's optimizer


def test_integer_weights_equal_repeated_draws():
    sample, copies = np.array([0.2, 0.5, 0.9]), np.array([1, 3, 2])

    weighted = fit_beta(*sufficient_statistics(sample, copies / copies.sum()))

    np.testing.assert_allclose(weighted, fit_beta(*sufficient_statistics(np.repeat(sample, copies))), rtol=1e-10)


def test_density_weights_neither_overflow_nor_underflow():
    sample = np.array([0.001, 0.6, 0.6001, 0.999])
    shape = (3e6 + 1, 2e6 + 1)

    weights = density_weights(sample, shape)

    assert weights.sum() == pytest.approx(1, rel=1e-12)
    ratio = np.exp(stats.beta(*shape).logpdf(0.6001) - stats.beta(*shape).logpdf(0.6))
    assert weights[2] / weights[1] == pytest.approx(ratio, rel=1e-6)
    np.testing.assert_allclose(
        density_weights(sample, (3.0, 2.0)) / stats.beta(3, 2).pdf(sample), 1 / stats.beta(3, 2).pdf(sample).sum()
    )


def test_sample_without_spread_is_an_error():
    with pytest.raises(ArithmeticError, match="without spread"):
        fit_beta(*sufficient_statistics(np.full(10, 0.5)))


def test_sampled_loops_follow_the_closed_form(tmp_path):
    simulate_beta(tmp_path / "beta.parquet", theory=Theory(), seed=7)

    table = read_table(tmp_path / "beta.parquet", BETA).to_pandas()

    assert table.groupby("method")["generation"].apply(list).to_dict() == {
        "weighted": list(range(11)),
        "plain": list(range(11)),
    }
    weighted = table[table["method"] == "weighted"]
    # Errors of the fits add up: over seeds, a - 1 is off by 1.4% (root mean square) at generation 10. Tolerance: four
    # times that.
    for shape in ("a", "b"):
        off = (weighted[shape] - 1) / (weighted[f"closed_form_{shape}"] - 1) - 1
        assert off.abs().max() < 0.056
    expected_mean = weighted["closed_form_a"] / (weighted["closed_form_a"] + weighted["closed_form_b"])
    assert (weighted["mean"] - expected_mean).abs().max() < 0.0045
    assert (np.diff(weighted["mean"]) > -0.001).all()
    assert weighted["mean"].iloc[-1] == pytest.approx(0.6, abs=0.005)
    assert weighted["standard_deviation"].iloc[-1] == pytest.approx(0.0068, rel=0.04)
    plain = table[table["method"] == "plain"]
    # A random walk of eleven fits, each off by about 0.9% of 2.
    np.testing.assert_allclose(plain[["a", "b"]], 2, atol=4 * 2 * 0.0045 * np.sqrt(11))
    for row in table.itertuples():
        assert row.mean == pytest.approx(stats.beta(row.a, row.b).mean(), rel=1e-12)
        assert row.standard_deviation == pytest.approx(stats.beta(row.a, row.b).std(), rel=1e-12)


def test_doubling_does_not_increase_the_relative_error():
    # The relative error is a random walk, so with larger samples the loop follows the closed form through 16 doublings.
    theory = Theory(samples=400_000, generations=16)
    fitted = fit_loop(weighted=True, theory=theory, generator=np.random.default_rng(3))

    off = (np.array(fitted) - 1) / (np.array(closed_form(weighted=True, generations=16)) - 1) - 1
    assert np.abs(off).max() < 4 * 1.5 * np.sqrt(17 / 400_000)


def test_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        simulate_beta(tmp_path / f"{name}.parquet", theory=Theory(samples=1000, generations=2), seed=seed)

    one, again, two = ((tmp_path / f"{name}.parquet").read_bytes() for name in ("one", "again", "two"))
    assert one == again
    assert one != two
