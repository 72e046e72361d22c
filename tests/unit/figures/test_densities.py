import numpy as np
from scipy import stats

from bias_amplification.artifacts.schemas import BETA
from bias_amplification.figures.densities import GRID, beta_densities, beta_density, write_beta_densities


def test_density_agrees_with_scipy():
    for a, b in ((2, 2), (4, 3), (3073, 2049), (0.5, 0.7)):
        np.testing.assert_allclose(beta_density(GRID, a, b), stats.beta(a, b).pdf(GRID), rtol=1e-8, atol=1e-290)


def test_lines_are_the_fitted_densities_of_the_method(beta):
    figure = beta_densities(beta, "weighted")

    left = figure.axes[0]
    lines = {line.get_label(): line for line in left.get_lines()}
    for row in beta[beta["method"] == "weighted"].itertuples():
        np.testing.assert_allclose(
            lines[str(row.generation)].get_ydata(), stats.beta(row.a, row.b).pdf(GRID), rtol=1e-6
        )
    assert len({line.get_color() if isinstance(line.get_color(), str) else tuple(line.get_color())
                for name, line in lines.items() if name.isdigit()}) == 11  # fmt: skip
    assert left.get_ylim()[1] > 57  # the peak of generation 10
    assert "square-root" in left.get_ylabel()


def test_right_panel_has_means_deviations_and_the_pretraining_mean(beta):
    figure = beta_densities(beta, "weighted")

    right = figure.axes[1]
    weighted = beta[beta["method"] == "weighted"]
    law = stats.beta(weighted["a"], weighted["b"])
    points = right.collections[1].get_offsets()
    np.testing.assert_allclose(points[:, 1], law.mean(), rtol=1e-12)
    bars = np.array(right.collections[0].get_segments())[:, :, 1]
    np.testing.assert_allclose(bars[:, 1] - bars[:, 0], 2 * law.std(), rtol=1e-9)
    dashed = [line for line in right.get_lines() if line.get_linestyle() == "--"]
    assert [set(line.get_ydata()) for line in dashed] == [{0.6}]
    assert "pretraining mean 0.6" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_low_densities_have_a_linear_axis(beta):
    left = beta_densities(beta, "plain").axes[0]

    assert left.get_yscale() == "linear" and left.get_ylabel() == "Density"


def test_each_method_has_its_own_file(tmp_path, beta, write):
    file = write(beta[beta["generation"] < 2], "beta.parquet", BETA)
    for method in ("weighted", "plain"):
        write_beta_densities(file, [tmp_path / f"{method}.svg"], method=method)

    assert (tmp_path / "weighted.svg").read_bytes() != (tmp_path / "plain.svg").read_bytes()
