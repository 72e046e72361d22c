"""Whether associations of neurons reproduce, beside the range of chance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_RELIABILITY
from bias_amplification.figures import style
from bias_amplification.figures.neuron_validity import ALL_VALID, Invalid, of_first_scheme, read_invalid
from bias_amplification.figures.neurons import words
from bias_amplification.figures.tables.reliability import worst_rate

#: Statistics that are drawn; the others follow from them.
_DRAWN = ("reliability", "prediction", "cross_correlation")


@style.styled
def reproducibility(reliability: pd.DataFrame, invalid: Invalid = ALL_VALID) -> Figure:
    """Draw how effects of neurons correlate between halves, and how well held-out rounds are predicted.

    Parameters
    ----------
    reliability
        As in `artifacts.schemas.NEURON_RELIABILITY`.
    invalid
        From `neuron_validity.not_valid_here`; these tests are marked.

    Returns
    -------
    Figure
        One panel per measure, one row per correlation: the band has 95% of the permutations, the line is the 95%
        interval. The point is full if the outcomes of the row reproduce.
    """
    drawn = reliability[reliability["statistic"].isin(_DRAWN)]
    measures = list(dict.fromkeys(drawn["measure"]))
    figure = style.new_figure(height=3.1)
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for place, (axes, measure) in enumerate(zip(panels, measures, strict=True)):
        own = drawn[drawn["measure"] == measure]
        _draw_panel(axes, own)
        axes.set_title(f"{style.letter(place, len(measures))}{words(measure)}")
    rates = of_first_scheme(invalid)
    names = [
        _name(row) + "\n(not valid here)" * (worst_rate(row, rates) is not None)
        for _, row in drawn[drawn["measure"] == measures[0]].iterrows()
    ]
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    style.legend_below(figure, *panels)
    return figure


def _name(row: pd.Series) -> str:
    source, target = words(row["source"]), words(row["target"])
    if row["statistic"] == "prediction":
        return f"{source} neurons predict {target}"
    return f"{source}: half and half" if source == target else f"{source} and {target}: half and half"


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the correlations of one measure from top to bottom."""
    axes.axvline(0, color="#444444", linewidth=0.8)
    axes.grid(axis="x")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(-1, 1), xlabel="Correlation")
    known = rows["value"].notna().to_numpy()
    place = np.arange(len(rows))
    own = rows[known]
    axes.barh(
        place[known],
        own["chance_high"] - own["chance_low"],
        left=own["chance_low"],
        height=0.62,
        color=style.CHANCE_RANGE,
        label="95% of permutations",
    )
    axes.hlines(place[known], own["value_low"], own["value_high"], color=style.PALETTE[0], label="95% interval")
    for full, label in ((True, "reproduces"), (False, "not told from chance")):
        mine = known & (rows["reproduces"].to_numpy(dtype=bool) == full)
        face = style.PALETTE[0] if full else "white"
        axes.plot(
            rows["value"][mine],
            place[mine],
            "o",
            color=style.PALETTE[0],
            markerfacecolor=face,
            markeredgecolor=style.PALETTE[0],
            label=label,
        )
    for position in place[~known]:
        text = rows["reason"].iloc[position]
        axes.annotate(text, (0.03, position), va="center", fontsize=8, color=style.QUIET, fontstyle="italic")


def write_reproducibility(
    reliability_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]
) -> None:
    """Read `neurons/reliability.parquet` and write `reproducibility` to each of `out` (.png, .svg, .pdf)."""
    reliability = read_table(reliability_file, NEURON_RELIABILITY).to_pandas()
    style.save_figure(reproducibility(reliability, read_invalid(calibration_file, world_file)), out)
