"""The figure of whether associations of neurons reproduce."""

import numpy as np
import pytest
from reliability_tables import make_reliability

from bias_amplification.artifacts.schemas import NEURON_RELIABILITY
from bias_amplification.figures.reliability import reproducibility, write_reproducibility


def test_each_correlation_has_its_point_interval_and_band():
    table = make_reliability({("weight", "reliability", "bias", "bias"): {"value": 0.5, "reproduces": True}})

    figure = reproducibility(table)

    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "(a) weights"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "bias: half and half",
        "text quality: half and half",
        "bias neurons predict bias",
        "text quality neurons predict text quality",
        "bias and text quality: half and half",
        "bias neurons predict text quality",
        "text quality neurons predict bias",
    ]
    full, hollow = (next(line for line in axes.lines if line.get_label() == label) for label in LABELS)
    assert full.get_xydata().tolist() == [[0.5, 0]]
    assert hollow.get_xydata().tolist() == [[0.1, place] for place in range(1, 7)]
    assert full.get_markerfacecolor() != "white" == hollow.get_markerfacecolor()
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches] == [pytest.approx((-0.2, 0.3))] * 7
    assert axes.collections[0].get_segments()[0][:, 0].tolist() == [-0.05, 0.25]
    assert len(figure.legends) == 1


LABELS = ("reproduces", "not told from chance")


def test_missing_correlations_have_their_reason(tmp_path, write, validity):
    table = make_reliability()
    table.loc[table["measure"] == "weight", ["value", "value_low", "value_high", "chance_low", "chance_high"]] = np.nan
    table.loc[table["measure"] == "weight", "reason"] = "too few rounds"

    axes = reproducibility(table).axes[0]

    assert [text.get_text() for text in axes.texts] == ["too few rounds"] * 7
    table["value"] = np.nan
    table["reason"] = "too few rounds"
    out = [tmp_path / f"figure.{ending}" for ending in ("png", "svg", "pdf")]
    write_reproducibility(write(table, "reliability.parquet", NEURON_RELIABILITY), **validity(), out=out)
    assert all(path.stat().st_size > 1000 for path in out)


def test_correlations_whose_test_is_not_valid_here_are_marked():
    figure = reproducibility(make_reliability(), {"flip_generations": {"cross-correlation": 0.2}})

    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [name for name in names if name.endswith("(not valid here)")] == [
        "bias and text quality: half and half\n(not valid here)"
    ]
