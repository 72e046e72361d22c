import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.figures.neurons import (
    correlations,
    neuron_sets,
    p_values,
    write_correlations,
    write_neuron_sets,
    write_p_values,
)
from bias_amplification.figures.style import save_figure


def test_histograms_and_maps_hold_every_correlation_of_the_measure(neurons):
    figure = correlations(neurons, "activation")

    upper, lower = figure.axes[:2], figure.axes[2:4]
    for position, outcome in enumerate(("bias", "quality")):
        rows = neurons[(neurons["measure"] == "activation") & (neurons["outcome"] == outcome)]
        counts = [bar.get_height() for bar in upper[position].patches]
        np.testing.assert_array_equal(counts, np.histogram(rows["pearson"].dropna(), np.linspace(-1, 1, 41))[0])
        image = lower[position].images[0].get_array().filled(np.nan)
        for layer in range(4):
            np.testing.assert_array_equal(image[layer], np.sort(rows.loc[rows["layer"] == layer, "pearson"]))
    assert np.isnan(lower[0].images[0].get_array().filled(np.nan)).sum() == 1
    assert upper[0].get_title(loc="left") == "(a) activations and bias"
    assert upper[1].get_title(loc="left") == "(b) activations and text quality"
    assert all(axes.get_xlabel() for axes in figure.axes[:4])


def test_a_measure_that_is_not_there_is_named(neurons):
    with pytest.raises(StudyError, match="norm"):
        correlations(neurons, "norm")


def test_p_value_bars_are_counts_and_the_line_is_their_mean(neurons):
    figure = p_values(neurons)

    assert len(figure.axes) == 4
    panel = figure.axes[1]
    rows = neurons[(neurons["measure"] == "weight") & (neurons["outcome"] == "quality")]["p_value"].dropna()
    counts = [bar.get_height() for bar in panel.patches]
    np.testing.assert_array_equal(counts, np.histogram(rows, np.linspace(0, 1, 21))[0])
    assert set(panel.get_lines()[0].get_ydata()) == {np.mean(counts)}
    assert panel.texts[0].get_text() == f"{(rows < 0.05).sum()} of 255 below 0.05\n(13 by chance)"


@pytest.mark.parametrize(("alpha", "coloured"), [(0.05, 1), (0.1, 2), (0.01, 1)])
def test_the_bars_below_the_threshold_are_coloured(neurons, alpha, coloured):
    panel = p_values(neurons, alpha).axes[0]

    colours = [bar.get_facecolor() for bar in panel.patches]
    assert colours.count(colours[0]) == coloured
    assert len(set(colours)) == 2


def test_bars_of_sets_are_the_counts_and_the_overlap_by_chance(sets):
    figure = neuron_sets(sets)

    for axes, (_, row) in zip(figure.axes, sets.iterrows(), strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == [row["bias"], row["quality"], row["both"], row["expected_both"]]
        assert list(axes.collections[0].get_offsets()[:, 0]) == [row["bias_bh"], row["quality_bh"], row["both_bh"]]
        assert axes.get_xlim()[1] > 3243
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "3,243 (35.2%), corrected 2,252",
        "1,033 (11.2%), corrected 24",
        "389, corrected 11; P(at least 389 by chance) = .042",
        "363.5",
    ]
    assert figure.axes[1].texts[2].get_text() == "1, corrected 0"
    assert figure.axes[-1].get_xlabel() == "Neurons"


@pytest.mark.parametrize(("probability", "text"), [(0.0004, "< .001"), (0.5, "= .500"), (1.0, "= 1.000")])
def test_probabilities_are_written_for_reading(sets, probability, text):
    sets.loc[0, "p_overlap"] = probability

    assert neuron_sets(sets).axes[0].texts[2].get_text().endswith(f"by chance) {text}")


def test_no_neuron_found_and_no_overlap_known(sets):
    sets[["bias", "quality", "both", "bias_bh", "quality_bh", "both_bh"]] = 0
    sets[["expected_both", "p_overlap"]] = np.nan

    texts = [text.get_text() for text in neuron_sets(sets).axes[0].texts]

    assert texts == ["0 (0.0%), corrected 0", "0 (0.0%), corrected 0", "0, corrected 0", "not known"]


def test_text_beside_bars_stays_inside_the_figure(sets):
    figure = neuron_sets(sets)
    figure.draw_without_rendering()

    for axes in figure.axes:
        for text in axes.texts:
            assert text.get_window_extent().x1 <= figure.bbox.x1


def test_file_functions_draw_the_tables_in_the_files(tmp_path, neurons, sets, write):
    correlations_file = write(neurons.drop(columns="p_value"), "correlations.parquet", NEURON_CORRELATIONS)
    columns = [name for name in NEURON_REGRESSION.names if name not in neurons]
    regressed = neurons.drop(columns="pearson").assign(**dict.fromkeys(columns))
    regression_file = write(regressed, "regression.parquet", NEURON_REGRESSION)

    write_correlations(correlations_file, [tmp_path / "figure_4.svg"])
    write_p_values(regression_file, [tmp_path / "p_values.svg"])
    write_neuron_sets(write(sets, "sets.parquet", NEURON_SETS), [tmp_path / "sets.svg"])

    for name, figure in (
        ("figure_4", correlations(neurons)),
        ("p_values", p_values(neurons)),
        ("sets", neuron_sets(sets)),
    ):
        save_figure(figure, tmp_path / "expected.svg")
        assert (tmp_path / f"{name}.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"sets\.parquet .*run snakemake again"):
        write_neuron_sets(tmp_path / "sets.parquet", [tmp_path / "sets.png"])
    assert not (tmp_path / "sets.png").exists()
