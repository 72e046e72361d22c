"""Figures of the tests of the neurons beside the range of chance."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from bias_amplification.artifacts.schemas import NEURON_OVERLAP
from bias_amplification.figures.neuron_nulls import counts, layer_map, overlaps, quantiles


def regression(layers=2, width=6, seed=0):
    generator = np.random.default_rng(seed)
    rows = [
        {"layer": layer, "neuron": neuron, "measure": measure, "outcome": outcome, "p_value": generator.random()}
        for measure in ("weight", "activation")
        for outcome in ("bias", "quality")
        for layer in range(layers)
        for neuron in range(width)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def null_tables():
    return make_null_tables()


def make_null_tables(permutations=200, layers=2):
    generator = np.random.default_rng(1)
    null, overlap = [], []
    for scheme in ("shift", "flip"):
        for measure in ("weight", "activation"):
            for permutation in range(permutations):
                whole = {name: int(generator.integers(0, 30)) for name in ("bias", "quality", "both", "matched")}
                null.append({"scheme": scheme, "measure": measure, "permutation": permutation, **whole})
                null[-1] |= {"rank_agreement": generator.normal() / 9, "same_sign": int(generator.integers(3, 9))}
                null[-1]["matched_quality_moved"] = 100 + permutation
            for layer in (None, *range(layers)):
                row = dict.fromkeys(NEURON_OVERLAP.names, 0.25)
                row |= {"scheme": scheme, "measure": measure, "layer": layer, "permutations": permutations}
                row |= {"complete": scheme == "flip", "verdict": f"verdict of {measure}", "expected_by_layer": 7.5}
                row |= dict.fromkeys(("matched_null", "rank_agreement_null", "same_sign_null"), "both")
                row |= {"bias": 3 + (layer or 0), "bias_low": 1, "bias_high": 6}
                overlap.append(row)
    return pd.DataFrame(null), pd.DataFrame(overlap)


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == title)


def test_quantiles_lie_at_the_ranks_of_uniform_p_values_with_their_band():
    table = regression(width=20)
    table.loc[0, "p_value"] = np.nan

    axes = panel(quantiles(table), "(a) weights and bias")

    known = np.sort(table[(table["measure"] == "weight") & (table["outcome"] == "bias")]["p_value"].dropna())
    points = next(line for line in axes.lines if line.get_marker() == "o")
    rank = np.arange(1, 40)
    np.testing.assert_allclose(points.get_xdata(), -np.log10((rank - 0.5) / 39), rtol=1e-12)
    np.testing.assert_allclose(points.get_ydata(), -np.log10(known), rtol=1e-12)
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(-np.log10(beta.ppf(0.025, 1, 39)), rel=1e-9)


def test_panel_without_p_values_says_so():
    table = regression()
    table["p_value"] = np.nan

    figure = quantiles(table)

    assert [axes.texts[0].get_text() for axes in figure.axes] == ["no p-values"] * 4


def test_counts_show_the_first_scheme_with_the_observed_count_and_its_p_value(null_tables):
    null, overlap = null_tables
    overlap["p_quality"] = 0.04

    axes = panel(counts(null, overlap), "text quality")

    mine = null[(null["scheme"] == "shift") & (null["measure"] == "weight")]["quality"]
    found = next(line for line in axes.lines if line.get_label() == "observed")
    assert found.get_xdata()[0] == mine.iloc[0]
    # The first patch is the 95% range.
    assert sum(bar.get_height() for bar in axes.patches[1:]) == 200
    assert axes.texts[0].get_text() == f"{mine.iloc[0]}\np = 0.04"


def test_overlaps_show_the_verdict_and_the_overlap_of_independent_sets(null_tables):
    figure = overlaps(*null_tables)

    axes = panel(figure, "activations: overlap")
    assert axes.get_xlabel() == "verdict of activation"
    independent = next(line for line in axes.lines if line.get_label() == "independent sets")
    assert independent.get_xdata()[0] == 7.5
    assert len(figure.legends) == 1


def test_overlaps_are_drawn_with_the_permutations_that_the_p_value_is_of(null_tables):
    null, overlap = null_tables
    overlap["matched_null"] = "quality"

    axes = panel(overlaps(null, overlap), "weights: overlap")

    assert axes.texts[0].get_text() == "100\np = 0.25\nquality permuted"


def test_unknown_agreement_is_stated():
    null, overlap = make_null_tables(permutations=1)
    null["rank_agreement"] = np.nan

    figure = overlaps(null, overlap)

    assert panel(figure, "rank correlation of |t|").texts[0].get_text() == "not known"


def test_layer_map_marks_each_neuron_by_its_kind(null_tables):
    table = regression()
    table["p_value"] = 0.5
    weight, layer_1 = table["measure"] == "weight", table["layer"] == 1
    for outcome, neurons in (("bias", [0, 1]), ("quality", [1, 2])):
        chosen = weight & layer_1 & (table["outcome"] == outcome) & table["neuron"].isin(neurons)
        table.loc[chosen, "p_value"] = 0.05  # exactly the level

    figure = layer_map(table, null_tables[1], 0.05)

    image = panel(figure, "(a) weights").collections[0].get_array()
    assert image.tolist() == [[0] * 6, [1, 3, 2, 0, 0, 0]]
    assert panel(figure, "(b) activations").collections[0].get_array().sum() == 0
    assert [bar.get_width() for bar in figure.axes[1].patches][:2] == [3, 4]
    assert not figure.axes[1].texts


@pytest.mark.parametrize(("tested", "text"), [(0, "no neuron tested"), (900, "none of 1,800 tested")])
def test_layers_without_a_significant_neuron_say_so(null_tables, tested, text):
    overlap = null_tables[1]
    counts = [name for name in overlap if name.startswith(("bias", "quality")) and "familywise" not in name]
    overlap[counts] = 0
    overlap["tested"] = tested

    figure = layer_map(regression(), overlap, 0.05)

    for axes in (figure.axes[1], figure.axes[3]):
        figure.draw_without_rendering()
        assert list(axes.get_xticks()) == [0, 1] and axes.get_xlim() == (0, 1)
        assert axes.texts[0].get_text() == text


def test_wide_layers_take_several_lines_without_losing_a_neuron(null_tables):
    table = regression(width=1001)
    bias = table["outcome"] == "bias"
    table["p_value"] = np.where(bias == (table["neuron"] % 2 == 0), 0.001, 0.5)

    axes = panel(layer_map(table, null_tables[1], 0.05), "(a) weights")

    image = axes.collections[0].get_array().filled(-1)
    assert image.shape == (4, 501)
    assert image[:2].ravel()[:1001].tolist() == [1 + neuron % 2 for neuron in range(1001)]
    assert image[:2].ravel()[1001:].tolist() == [-1]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "1"]
    assert list(axes.get_yticks()) == [1, 3]  # the middles of two lines each
