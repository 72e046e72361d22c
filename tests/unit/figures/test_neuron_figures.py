import numpy as np
import pytest
from matplotlib.colors import to_rgba

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.figures import style
from bias_amplification.figures.neurons import (
    correlations,
    neuron_sets,
    p_values,
    write_correlations,
    write_neuron_sets,
    write_p_values,
)
from bias_amplification.figures.style import save_figure
from bias_amplification.study.sections import Neurons


def test_histograms_and_heat_maps_contain_every_correlation_of_the_measure(neurons):
    figure = correlations(neurons, "activation")

    upper, lower = figure.axes[:2], figure.axes[2:4]
    for position, outcome in enumerate(("bias", "quality")):
        rows = neurons[(neurons["measure"] == "activation") & (neurons["outcome"] == outcome)]
        counts = [bar.get_height() for bar in upper[position].patches]
        np.testing.assert_array_equal(counts, np.histogram(rows["pearson"].dropna(), np.linspace(-1, 1, 41))[0])
        image = heat_map(lower[position])
        for layer in range(4):
            np.testing.assert_array_equal(image[layer], np.sort(rows.loc[rows["layer"] == layer, "pearson"]))
    assert np.isnan(heat_map(lower[0])).sum() == 1
    assert upper[0].get_title(loc="left") == "(a) activations and bias"
    assert upper[1].get_title(loc="left") == "(b) activations and text quality"
    assert all(axes.get_xlabel() for axes in figure.axes[:4])
    assert [tick.get_text() for tick in lower[0].get_yticklabels()] == ["0", "1", "2", "3"]


def heat_map(axes):
    return axes.collections[0].get_array().filled(np.nan)


def test_error_names_the_missing_measure(neurons):
    with pytest.raises(StudyError, match="norm"):
        correlations(neurons, "norm")


def test_p_value_bars_are_counts_and_the_line_is_their_mean(neurons):
    figure = p_values(neurons, 0.05)

    assert len(figure.axes) == 4
    panel = figure.axes[1]
    rows = neurons[(neurons["measure"] == "weight") & (neurons["outcome"] == "quality")]["p_value"].dropna()
    counts = np.sum(list(bars_by_colour(panel).values()), axis=0)
    np.testing.assert_array_equal(counts, np.histogram(rows, np.linspace(0, 1, 21))[0])
    assert set(panel.get_lines()[0].get_ydata()) == {np.mean(counts)}
    assert panel.texts[0].get_text() == f"{(rows <= 0.05).sum()} of 255 with p ≤ 0.05\n(13 by chance)"


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.01])
def test_neurons_up_to_the_significance_level_are_coloured(neurons, alpha):
    neurons.loc[neurons["neuron"] == 3, "p_value"] = alpha
    panel = p_values(neurons, alpha).axes[0]

    rows = neurons[(neurons["measure"] == "weight") & (neurons["outcome"] == "bias")]["p_value"].dropna()
    counts = bars_by_colour(panel)
    assert set(counts) == {to_rgba(style.PALETTE[1]), to_rgba(style.CHANCE)}
    coloured = counts[to_rgba(style.PALETTE[1])]
    np.testing.assert_array_equal(coloured, np.histogram(rows[rows <= alpha], np.linspace(0, 1, 21))[0])


def test_panels_without_p_values_have_no_bars(neurons, recwarn):
    neurons["p_value"] = np.nan

    panel = p_values(neurons, 0.05).axes[0]

    assert not panel.patches and panel.texts[0].get_text() == "0 of 0 with p ≤ 0.05\n(0 by chance)"
    assert not recwarn.list


def bars_by_colour(axes):
    """Return the heights of a histogram's bars, from left to right, for each colour."""
    found = {}
    for bar in sorted(axes.patches, key=lambda bar: bar.get_x()):
        found.setdefault(bar.get_facecolor(), []).append(bar.get_height())
    return found


def test_bars_of_sets_are_the_counts_and_the_expected_overlap(sets):
    figure = neuron_sets(sets)

    for axes, (_, row) in zip(figure.axes, sets.iterrows(), strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == [row["bias"], row["quality"], row["both"], row["expected_both"]]
        assert list(axes.collections[0].get_offsets()[:, 0]) == [row["bias_bh"], row["quality_bh"], row["both_bh"]]
        assert axes.get_xlim()[1] > 3243
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "3,243 (35.2%), corrected 2,252",
        "1,033 (11.2%), corrected 24",
        "389, corrected 11",
        "363.5",
    ]
    assert figure.axes[1].texts[2].get_text() == "1, corrected 0"
    assert figure.axes[-1].get_xlabel() == "Neurons"


def test_sets_without_any_neuron(sets):
    sets[["bias", "quality", "both", "bias_bh", "quality_bh", "both_bh"]] = 0
    sets["expected_both"] = np.nan

    figure = neuron_sets(sets)

    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["0 (0.0%), corrected 0", "0 (0.0%), corrected 0", "0, corrected 0", "not known"]
    # Numbers of neurons are whole.
    assert list(figure.axes[-1].get_xticks()) == [0, 1]


def test_text_beside_bars_stays_inside_the_figure(sets):
    figure = neuron_sets(sets)
    figure.draw_without_rendering()

    for axes in figure.axes:
        for text in axes.texts:
            assert text.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.slow
def test_files_show_the_tables_that_were_read(tmp_path, neurons, sets, write, validity):
    correlations_file = write(neurons.drop(columns="p_value"), "correlations.parquet", NEURON_CORRELATIONS)
    columns = [name for name in NEURON_REGRESSION.names if name not in neurons]
    regressed = neurons.drop(columns="pearson").assign(**dict.fromkeys(columns))
    regression_file = write(regressed, "regression.parquet", NEURON_REGRESSION)

    write_correlations(correlations_file, [tmp_path / "figure_4.svg"], measure="activation")
    write_p_values(regression_file, **validity(), out=[tmp_path / "p_values.svg"], neurons=Neurons(alpha=0.1))
    write_neuron_sets(write(sets, "sets.parquet", NEURON_SETS), **validity(), out=[tmp_path / "sets.svg"])

    for name, figure in (
        ("figure_4", correlations(neurons, "activation")),
        ("p_values", p_values(neurons, 0.1)),
        ("sets", neuron_sets(sets)),
    ):
        save_figure(figure, [tmp_path / "expected.svg"])
        assert (tmp_path / f"{name}.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()


def test_error_names_the_missing_table(tmp_path, validity):
    with pytest.raises(StudyError, match=r"sets\.parquet .*run snakemake again"):
        write_neuron_sets(tmp_path / "sets.parquet", **validity(), out=[tmp_path / "sets.png"])
    assert not (tmp_path / "sets.png").exists()
