"""Figures and tables of the neurons' tests beside chance."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from bias_amplification.artifacts.schemas import NEURON_OVERLAP
from bias_amplification.figures.catalogue import _neurons
from bias_amplification.figures.neuron_nulls import counts, layer_map, overlaps, quantiles
from bias_amplification.figures.tables import calibration_table, overlap_table, sensitivity_table


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


def null_tables(permutations=200, layers=2):
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


def test_quantiles_lie_at_the_ranks_of_chance_with_their_band():
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


def test_quantiles_without_p_values_say_so():
    table = regression()
    table["p_value"] = np.nan

    figure = quantiles(table)

    assert [axes.texts[0].get_text() for axes in figure.axes] == ["no p-values"] * 4


def test_counts_show_the_first_scheme_the_count_found_and_its_p_value():
    null, overlap = null_tables()
    overlap["p_quality"] = 0.04

    axes = panel(counts(null, overlap), "text quality")

    mine = null[(null["scheme"] == "shift") & (null["measure"] == "weight")]["quality"]
    found = next(line for line in axes.lines if line.get_label() == "found")
    assert found.get_xdata()[0] == mine.iloc[0]
    assert sum(bar.get_height() for bar in axes.patches if bar.get_height() >= 1 and bar.get_width() == 1) == 200
    assert axes.texts[0].get_text() == f"{mine.iloc[0]}\np = 0.04"


def test_overlaps_say_the_verdict_and_what_independent_sets_share():
    figure = overlaps(*null_tables())

    axes = panel(figure, "activations: overlap")
    assert axes.get_xlabel() == "verdict of activation"
    independent = next(line for line in axes.lines if line.get_label() == "independent sets")
    assert independent.get_xdata()[0] == 7.5
    assert len(figure.legends) == 1


def test_overlaps_are_drawn_beside_the_null_that_the_p_value_is_of():
    null, overlap = null_tables()
    overlap["matched_null"] = "quality"

    axes = panel(overlaps(null, overlap), "weights: overlap")

    assert axes.texts[0].get_text() == "100\np = 0.25\nquality moved"


def test_an_agreement_that_is_not_known_says_so():
    null, overlap = null_tables(permutations=1)
    null["rank_agreement"] = np.nan

    figure = overlaps(null, overlap)

    assert panel(figure, "rank correlation of |t|").texts[0].get_text() == "not known"


def test_the_layer_map_marks_each_neuron_by_its_kind():
    table = regression()
    table["p_value"] = 0.5
    weight, layer_1 = table["measure"] == "weight", table["layer"] == 1
    for outcome, neurons in (("bias", [0, 1]), ("quality", [1, 2])):
        chosen = weight & layer_1 & (table["outcome"] == outcome) & table["neuron"].isin(neurons)
        table.loc[chosen, "p_value"] = 0.001

    figure = layer_map(table, null_tables()[1])

    image = panel(figure, "(a) weights").images[0].get_array()
    assert image.tolist() == [[0] * 6, [1, 3, 2, 0, 0, 0]]
    assert panel(figure, "(b) activations").images[0].get_array().sum() == 0
    bars = [bar for bar in figure.axes[1].patches if bar.get_y() < bar.get_y() + bar.get_height()]
    assert [bar.get_width() for bar in bars][:2] == [3, 4]


def test_wide_layers_take_several_lines_and_lose_no_mark():
    table = regression(width=1001)
    bias = table["outcome"] == "bias"
    table["p_value"] = np.where(bias == (table["neuron"] % 2 == 0), 0.001, 0.5)

    axes = panel(layer_map(table, null_tables()[1]), "(a) weights")

    image = axes.images[0].get_array().filled(-1)
    assert image.shape == (4, 501)
    assert image[:2].ravel()[:1001].tolist() == [1 + neuron % 2 for neuron in range(1001)]
    assert image[:2].ravel()[1001:].tolist() == [-1]
    assert axes.get_ylim() == (1.5, -0.5)


def test_the_caption_of_family_wise_counts_has_the_studys_level():
    permutations = SimpleNamespace(schemes=[["flip"]])
    neurons = SimpleNamespace(alpha=0.1, permutations=permutations)

    entries = _neurons(SimpleNamespace(study=SimpleNamespace(neurons=neurons), neuron_versions=lambda: range(66)))

    caption = next(entry.caption for entry in entries if entry.name == "neuron_overlap")
    assert "what the largest of all reaches in 10% of the permutations" in caption


def test_the_overlap_table_has_one_row_a_measure_and_scheme():
    table = overlap_table(null_tables()[1])

    assert table["permutations"].tolist() == ["shift, 200", "shift, 200", "flip, 200 (all)", "flip, 200 (all)"]
    assert table["bias"].tolist() == ["3 [1, 6]"] * 4
    assert table["overlap is"].tolist() == ["verdict of weight", "verdict of activation"] * 2


def test_the_calibration_table_is_in_per_cent():
    rows = {
        "world": ["random_walks"] * 2, "test": ["neuron", "benjamini_hochberg"], "difference": ["levels"] * 2,
        "lags": ["newey_west", "1"], "reference": ["t"] * 2, "small_sample": [True, False],
        "fixed_effects": [False] * 2, "effect": [0.0, 0.5], "rejected": [0.4012, 0.001],
        "standard_error": [0.0031, 0.0002], "rejected_low": [0.1, np.nan], "rejected_high": [0.8, np.nan],
        "power": [np.nan, 0.5432], "false_discovery": [np.nan, 0.049],
    }  # fmt: skip

    table = calibration_table(pd.DataFrame(rows))

    assert table["rejected without effect (%)"].tolist() == ["40.1 ± 0.3", "0.1 ± 0.0"]
    assert table["95% of studies (%)"].tolist() == ["10 to 80", ""]
    assert table["power (%)"].tolist()[1] == 54.3
    assert table["test"].tolist() == ["one neuron", "benjamini hochberg"]


def test_the_sensitivity_table_has_the_overlaps_range():
    row = {
        "named": "paper", "measure": "weight", "column": "weight_mean", "bias_measure": "share",
        "quality_measure": "class", "difference": "within", "reference": "normal", "tested": 10, "bias": 4,
        "quality": 3, "both": 2, "expected_both": 1.2, "both_low": 0.0, "both_high": 4.0, "p_bias": 0.1,
        "p_quality": 0.2,
        "verdict": "too few neurons to tell",
    }  # fmt: skip

    table = sensitivity_table(pd.DataFrame([row]))

    assert table.loc[0, "both [95% of permutations]"] == "2 [0, 4]"
    assert table.loc[0, "neurons"] == "weight, mean"
    assert table.loc[0, "overlap is"] == "too few neurons to tell"
