import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from bias_amplification.measures.variance import COMPONENTS, variance_split


def simulate(redrawn, strategies=3, replicates=4, articles=10, seed=0):
    """Return [strategies, replicates, articles] values in which every component is clearly positive."""
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 0.6, (strategies, replicates, articles))
    values += generator.normal(0, 0.5, (1, replicates if redrawn else 1, articles))
    values += generator.normal(0, 0.4, (strategies, replicates, 1))
    return values + generator.normal(0, 0.7, (1, replicates, 1)) + generator.normal(0, 0.9, (strategies, 1, 1))


@pytest.mark.filterwarnings("ignore:The MLE may be on the boundary")
@pytest.mark.parametrize("redrawn", [False, True])
def test_components_equal_those_of_restricted_maximum_likelihood(redrawn):
    values = simulate(redrawn)
    places = np.indices(values.shape)
    table = pd.DataFrame({name: place.ravel() for name, place in zip("sra", places, strict=True)})
    table["y"] = values.ravel()
    table["articles"] = table["r"] * 1000 * redrawn + table["a"]
    table["training"] = table["s"] * 1000 + table["r"]
    crossed = {name: f"0 + C({column})" for name, column in (("articles", "articles"), ("training", "training"))}
    crossed |= {"strategies": "0 + C(s)", "replicates": "0 + C(r)"}
    model = MixedLM.from_formula("y ~ 1", table, groups=np.ones(len(table)), vc_formula=crossed)
    fitted = model.fit(reml=True, method="bfgs")
    oracle = dict(zip(model.exog_vc.names, fitted.vcomp, strict=True)) | {"residual": fitted.scale}

    found = variance_split(values, redrawn)

    assert list(found) == list(COMPONENTS)
    assert min(found.values()) > 0.001
    # The optimizer stops within about a thousandth of the maximum.
    assert found == pytest.approx(oracle, rel=5e-3)


def test_components_of_a_small_table_by_hand():
    # Two strategies, two replicates, the same two articles. Cell means: 0, 2, 4, 10.
    values = np.array([[[-1.0, 1.0], [1.0, 3.0]], [[2.0, 6.0], [8.0, 12.0]]])

    found = variance_split(values, redrawn=False)

    # Within cells, deviations are 1, 1, 2, 2 (with signs): the articles' mean is 1.5, the rest 0.5 in all 8 values.
    # MS_articles = 4 * 2 * 1.5^2 = 18, MS_residual = 8 * 0.25 / 3; interaction of the means: 1 in each cell, MS 4.
    assert found["residual"] == pytest.approx(2 / 3)
    assert found["articles"] == pytest.approx((18 - 2 / 3) / 4)
    assert found["training"] == pytest.approx(4 - (2 / 3) / 2)
    # Strategies have the means 1 and 7 (variance 18), replicates 2 and 6 (variance 8).
    assert found["strategies"] == pytest.approx(18 - 4 / 2)
    assert found["replicates"] == pytest.approx(8 - 4 / 2)


@pytest.mark.parametrize("redrawn", [False, True])
def test_articles_with_a_missing_value_are_left_out(redrawn):
    values = simulate(redrawn)
    complete = variance_split(values[:, :, :8], redrawn)
    values[2, 3, 9] = values[0, 1, 8] = np.nan
    if redrawn:
        values[:, :, 8:] = np.nan

    assert variance_split(values, redrawn) == pytest.approx(complete, rel=1e-9)


def test_components_are_never_negative_and_zero_without_any_variance():
    assert set(variance_split(np.ones((3, 2, 5)), redrawn=False).values()) == {0.0}
    generator = np.random.default_rng(1)
    for _ in range(20):
        found = variance_split(generator.normal(size=(3, 2, 6)), redrawn=True)
        assert min(found.values()) >= 0


def test_too_few_articles_are_refused():
    values = np.full((2, 2, 3), np.nan)
    values[:, :, 0] = 1.0

    with pytest.raises(ValueError, match="fewer than two articles"):
        variance_split(values, redrawn=False)
