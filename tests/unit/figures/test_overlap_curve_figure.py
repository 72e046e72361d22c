"""The figure of the estimated overlap."""

import numpy as np
import pandas as pd
import pytest

from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.figures.overlap_curve import overlap_curve, write_overlap_curve
from bias_amplification.neurons.overlap_curve import NOT_REPRODUCED, NOTHING_TESTED, TOO_FEW_ROUNDS
from bias_amplification.neurons.overlap_words import overlap_in_words


def curve(measure="weight", hidden=False, sizes=(10, 30, 100)):
    rows = []
    for place, size in enumerate(sizes):
        row = dict.fromkeys(NEURON_OVERLAP_CURVE.names, 0.2) | {"measure": measure, "scheme": "flip", "complete": True}
        row |= {"permutations": 99, "tested": 1000, "size": size, "splits": 10, "share_null": "both", "reason": None}
        row["by"] = "rounds"
        row |= {"visible": True, "share": 0.1 * place, "estimate": 0.3 + 0.1 * place, "estimate_high": 0.7}
        if hidden:
            row |= {"visible": False, "estimate": np.nan, "estimate_low": 0.0, "estimate_high": 1.0}
            row["reason"] = NOT_REPRODUCED
        rows.append(row)
    return pd.DataFrame(rows)


def lines(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.lines}


def test_each_measure_has_its_panels_and_its_words():
    table = pd.concat([curve(), curve("activation", hidden=True)], ignore_index=True)

    figure = overlap_curve(table)

    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{measure}: all rounds" if not place else title for measure in ("weights", "activations")
                      for place, title in enumerate(("", "halves of the rounds", "estimate"))]  # fmt: skip
    found, halves, estimated = figure.axes[:3]
    assert lines(found)["bias and text quality"] == [0, 0.1, 0.2]
    assert {"bias with itself", "text quality with itself", "unrelated sets"} <= set(lines(halves))
    assert estimated.collections[0].get_label() == "estimate, 95% interval"
    assert [segment[:, 1].tolist() for segment in estimated.collections[0].get_segments()] == [[0.2, 0.7]] * 3
    hidden = figure.axes[5].collections[0]
    assert hidden.get_label() == "every share fits"
    assert [segment[:, 1].tolist() for segment in hidden.get_segments()] == [[0, 1]] * 3
    said = [" ".join(part._supxlabel.get_text().split()) for part in figure.subfigs]
    assert said == list(overlap_in_words(table).values())


@pytest.mark.parametrize("reason", [TOO_FEW_ROUNDS, NOTHING_TESTED])
def test_a_study_without_halves_or_without_tests_is_drawn(reason, tmp_path, write, validity):
    table = curve()
    empty = [name for name in table if name.startswith(("halves", "ceiling", "p_", "estimate"))]
    if reason == NOTHING_TESTED:
        table, empty = (
            table[:1].copy(),
            [*empty, "size", "share", "share_low", "share_high", "chance", "chance_by_layer"],
        )
    table[empty] = np.nan
    table = table.assign(visible=False, reason=reason, splits=0)
    file = write(table, "curve.parquet", NEURON_OVERLAP_CURVE)

    write_overlap_curve(file, **validity(), out=[tmp_path / "curve.png"])

    assert (tmp_path / "curve.png").stat().st_size > 10_000
    notes = [text.get_text() for axes in overlap_curve(table).axes for text in axes.texts]
    assert notes == (["nothing tested"] * 3 if reason == NOTHING_TESTED else [])


def test_the_panel_of_the_estimates_says_what_is_not_valid():
    invalid = {"flip": {"count of bias": 0.3, "overlap estimated above chance": 0.12}, "shift": {}, "": {"neuron": 0.2}}

    notes = [[text.get_text() for text in axes.texts] for axes in overlap_curve(curve(), invalid).axes]

    assert notes == [[], [], ["not valid here:\noverlap estimated above chance (12%)"]]
