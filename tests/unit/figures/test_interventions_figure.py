"""The figure of dose and response of changed neurons."""

import numpy as np
import pandas as pd
import pytest
from invented_effects import effects

from bias_amplification.artifacts.schemas import INTERVENTION_EFFECTS
from bias_amplification.figures.interventions import dose_response, write_dose_response
from bias_amplification.interventions.words import NO_SET


def doses():
    """Two sizes, an action without amounts and one with two."""
    told = effects([("bias", "bias")])
    larger = effects(size=30, told=False, p_family=np.nan, effect=-0.25)
    scaled = [
        effects(size=size, told=False, p_family=np.nan, action="scale", amount=amount, effect=effect)
        for size in (10, 30)
        for amount, effect in ((0.5, -0.1), (2.0, 0.1))
    ]
    # Sets after each other, as in the table of a study.
    return pd.concat([told, larger, *scaled]).sort_values("set", kind="stable", ignore_index=True)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def points(axes):
    """Return the places of the set's points, and of the large one."""
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    return [tuple(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in lines]


def test_every_set_and_action_has_panels_over_sizes_and_over_amounts():
    figure = dose_response(doses())

    assert titles(figure) == [
        "(a) set bias: restore base", "(b) set bias: scale 0.5", "(c) set bias: scale, 10 neurons",
        "(d) set quality: restore base", "(e) set quality: scale 0.5", "(f) set quality: scale, 10 neurons",
    ]  # fmt: skip
    first, _, _, _, amounts, _ = figure.axes[:6]
    assert points(first) == [((10, -0.2), (30, -0.25)), ((10, -0.2),)]
    assert first.get_xscale() == "log" and first.get_ylabel() == "Change of bias (points)"
    assert points(amounts) == [((0.5, -0.1), (2, 0.1)), ()]
    assert amounts.get_xlabel() == "Amount" and [t.get_text() for t in amounts.get_xticklabels()] == ["0.5", "2"]
    # The band is as wide as the interval of the difference, around the controls' mean.
    (band,) = (one for one in first.collections if one.get_label() == "95% of controls")
    assert band.get_paths()[0].get_extents().extents[1::2] == pytest.approx([0.004 - 0.21, 0.004 + 0.21])


def test_the_point_that_is_told_of_is_full_if_it_is_told_from_controls():
    figure = dose_response(doses())

    faces = [axes.lines[-1].get_markerfacecolor() for axes in figure.axes[:2]]
    assert faces[0] != "white" and faces[1] == "white"


def test_no_point_is_full_if_verdicts_are_not_valid():
    figure = dose_response(effects([("bias", "bias")], valid=False))

    assert figure.axes[0].lines[-1].get_markerfacecolor() == "white"


def test_versions_are_thin_lines_behind_their_mean():
    versions = [effects(generation=generation, effect=0.01 * generation) for generation in (3, 4)]
    together = effects(round=None, replicate=np.nan, generation=np.nan, versions=2, effect=0.035)

    figure = dose_response(pd.concat([*versions, together], ignore_index=True))

    thin = [line.get_ydata().tolist() for line in figure.axes[0].lines if line.get_gid() == "replicate"]
    assert thin == [[0.03], [0.04]] and points(figure.axes[0])[0] == ((10, 0.035),)
    # No intervals over articles: the only vertical line is the band of controls.
    assert len(figure.axes[0].collections) == 1


def test_effects_without_a_value_have_empty_panels():
    table = effects(sets=["bias"])
    numbers = ["effect", "controls_mean", "specific", "specific_low", "specific_high", "p_family"]
    table.loc[table["outcome"] == "bias", numbers] = np.nan

    figure = dose_response(table)

    assert points(figure.axes[0])[0] == () and points(figure.axes[1])[0] == ((10, 0.01),)


@pytest.mark.parametrize("empty", [False, True])
def test_the_figure_is_written_also_without_sets(tmp_path, write, empty):
    table = doses().iloc[: 0 if empty else None]
    file = write(table, "effects.parquet", INTERVENTION_EFFECTS)

    write_dose_response(file, [tmp_path / "figure.png"])

    assert (tmp_path / "figure.png").stat().st_size > 5_000
    if empty:
        (axes,) = dose_response(table).axes
        assert NO_SET.startswith(axes.texts[0].get_text())
