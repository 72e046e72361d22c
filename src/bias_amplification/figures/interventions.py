"""The effects of changed neurons by the number of neurons and by the amount of the change, beside control sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import INTERVENTION_EFFECTS
from bias_amplification.figures import style
from bias_amplification.interventions.words import NO_SET, OUTCOMES
from bias_amplification.measures.intervals import ALPHA

_COLOURS = dict(zip(OUTCOMES, (style.PALETTE[0], style.PALETTE[4]), strict=True))
_AXES = {"bias": "Change of bias (points)", "quality": "Change of text quality"}


class _Row(NamedTuple):
    """A row of panels: a set and an action."""

    title: str
    doses: str
    """The column that is the x axis: "size" or "amount"."""
    effects: pd.DataFrame
    versions: pd.DataFrame
    """The same of single versions, if `effects` are of several together."""


@style.styled
def dose_response(effects: pd.DataFrame) -> Figure:
    """Draw the effects of each set and action beside those of controls.

    Parameters
    ----------
    effects
        As in `artifacts.schemas.INTERVENTION_EFFECTS`.

    Returns
    -------
    Figure
        A row of panels for each set and action over the number of neurons, and one over the amounts if there are
        several. Bias is left, text quality right. Points: the set, with 95% intervals over articles; grey: the
        controls' mean, with a band in which 95% of further controls would be. The point that is told of is large, and
        full if it is told from controls. If several versions are changed, points are their means, and thin lines
        instead of intervals are the versions.
    """
    rows = _list_rows(effects)
    if not rows:
        figure = style.new_figure(height=1.5)
        axes = figure.subplots()
        axes.set_axis_off()
        style.note(axes, NO_SET)
        return figure
    figure = style.new_figure(height=0.6 + 2.0 * len(rows))
    panels = figure.subplots(len(rows), len(OUTCOMES), squeeze=False)
    for place, (row, line) in enumerate(zip(rows, panels, strict=True)):
        for axes, outcome in zip(line, OUTCOMES, strict=True):
            _draw(axes, row, outcome)
        line[0].set_title(style.letter(place, len(rows)) + row.title)
    style.legend_below(figure, *panels.flatten())
    return figure


def _list_rows(effects: pd.DataFrame) -> list[_Row]:
    """List the rows of panels, in the order of the table."""
    together = effects["round"].isna()
    chosen = effects[together] if together.any() else effects
    singles = effects[~together] if together.any() else effects.iloc[:0]
    rows = []
    for (name, action), own in chosen.groupby(["set", "action"], sort=False):
        of_versions = singles[(singles["set"] == name) & (singles["action"] == action)]
        told = chosen[chosen["told"] & (chosen["set"] == name)]
        first, size = own["amount"].iloc[0], told["size"].iloc[0] if len(told) else own["size"].iloc[0]
        amounts = own["amount"].dropna().unique()
        title = f"set {name}: {action}"
        if own["size"].nunique() > 1 or len(amounts) < 2:
            said = f"{title} {first:g}" if len(amounts) else title
            parts = (part[part["amount"].eq(first) | part["amount"].isna()] for part in (own, of_versions))
            rows.append(_Row(said, "size", *parts))
        if len(amounts) > 1:
            parts = (part[part["size"] == size] for part in (own, of_versions))
            rows.append(_Row(f"{title}, {size:,} neurons", "amount", *parts))
    return rows


def _draw(axes: Axes, row: _Row, outcome: str) -> None:
    """Draw one outcome of a set and action."""
    rows = row.effects[(row.effects["outcome"] == outcome) & row.effects["effect"].notna()]
    rows = rows.astype({row.doses: float}).sort_values(row.doses)
    dose, colour = rows[row.doses], _COLOURS[outcome]
    half = (rows["specific_high"] - rows["specific_low"]) / 2
    ends = rows["controls_mean"] - half, rows["controls_mean"] + half
    axes.axhline(0, color=style.QUIET, linewidth=0.8)
    # A single dose would have a band without a width.
    if len(rows) > 1:
        axes.fill_between(dose, *ends, color=style.CHANCE_RANGE, label="95% of controls")
    else:
        axes.vlines(dose, *ends, color=style.CHANCE_RANGE, linewidth=14, label="95% of controls")
    look = {"color": style.CHANCE, "markeredgecolor": style.CHANCE, "markersize": 12, "markeredgewidth": 2}
    axes.plot(dose, rows["controls_mean"], "_-" if len(rows) < 2 else "-", label="mean of controls", **look)
    singles = row.versions[row.versions["outcome"] == outcome].astype({row.doses: float}).sort_values(row.doses)
    for _, own in singles.groupby(["round", "replicate", "generation"]):
        axes.plot(own[row.doses], own["effect"], color=colour, **style.REPLICATE)
    if singles.empty:
        axes.vlines(dose, rows["effect_low"], rows["effect_high"], color=colour, linewidth=1.2)
    axes.plot(dose, rows["effect"], "o-", color=colour, markersize=4, label=f"set, {OUTCOMES[outcome]}")
    told = rows[rows["told"]]
    full = (told["p_family"].le(ALPHA) & told["valid"].ne(False)).any()
    axes.plot(
        told[row.doses], told["effect"], "o", color=colour if full else "white", markeredgecolor=colour, markersize=9
    )
    axes.set_ylabel(_AXES[outcome])
    if outcome == "bias":
        axes.yaxis.set_major_formatter(FuncFormatter(style.per_cent))
    if row.doses == "size":
        axes.set(xscale="log", xlabel="Neurons in the set")
    else:
        axes.set_xlabel("Amount")
    axes.set_xticks(dose, [f"{one:,.6g}" for one in dose])
    axes.xaxis.set_minor_locator(NullLocator())


def write_dose_response(effects_file: Path, out: Sequence[Path]) -> None:
    """Read `interventions/effects.parquet` and write `dose_response` to each of `out` (.png, .svg, .pdf)."""
    style.save_figure(dose_response(read_table(effects_file, INTERVENTION_EFFECTS).to_pandas()), out)
