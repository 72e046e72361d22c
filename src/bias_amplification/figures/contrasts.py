"""The change of every round, beside the changes of the controls."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS
from bias_amplification.figures import style
from bias_amplification.figures.tables.contrasts import UNITS
from bias_amplification.measures.compare import OUTCOMES
from bias_amplification.study.strategies import control_names

_TITLES = {"share": "Share of the label", "mean_probability": "Mean probability", "quality": "Text quality index"}
#: Largest change that is possible, in the unit of the axis.
_LARGEST = {"share": 100, "mean_probability": 100, "quality": 3}
_BAND_COLOUR = "#e6e6e6"


@style.styled
def changes(contrasts: pd.DataFrame) -> Figure:
    """Draw the change of each round from generation 0 to the last generation: one panel per outcome, one row per round.

    A point is the mean over replicates, its line the 95% interval, and thin strokes are the replicates. Colour and
    marker are those of the strategy; controls are grey. Behind the row of a round lies the band of the interval of the
    control with replicates with which it is compared: `real`, otherwise `fixed`, otherwise `shuffled`. A hollow point
    has one replicate: its interval holds the error of articles only. An interval that leaves the panel ends in an
    arrow.

    Parameters
    ----------
    contrasts
        As in `schemas.contrasts.CONTRASTS`.
    """
    rows, controls = (contrasts[contrasts["kind"] == kind] for kind in ("change", "control"))
    groups = rows.groupby(["seed_set", "tracked_label"], sort=False)["round"].unique()
    places: dict[str, float] = {}
    for of_group in groups:
        # Half a row between groups.
        start = max(places.values(), default=-1.5) + 1.5
        places |= {name: start + place for place, name in enumerate(of_group)}
    figure = style.new_figure(height=1.3 + 0.23 * (max(places.values()) + 1))
    panels = figure.subplots(1, len(OUTCOMES), sharey=True)
    for position, (axes, outcome) in enumerate(zip(panels, OUTCOMES, strict=True)):
        _draw_panel(axes, rows[rows["outcome"] == outcome], places, outcome)
        _draw_bands(axes, rows[rows["outcome"] == outcome], controls[controls["outcome"] == outcome], places)
        axes.set_title(style.letter(position, len(OUTCOMES)) + _TITLES[outcome])
    labels = rows.drop_duplicates("round").set_index("round")["tracked_label"]
    texts = [name.replace("_", " ") + (f" ({labels[name]})" if labels.nunique() > 1 else "") for name in places]
    panels[0].set_yticks(list(places.values()), texts)
    panels[0].set_ylim(max(places.values()) + 0.7, -0.7)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, places: dict[str, float], outcome: str) -> None:
    factor, largest = UNITS[outcome][0], _LARGEST[outcome]
    axes.axvline(0, color="#444444", linewidth=0.8, zorder=1)
    axes.grid(axis="x")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    known = rows[rows["estimate"].notna()]
    numbers = [factor * np.array(each) for each in known["of_replicates"]]
    ends = factor * known[["estimate_low", "estimate_high"]].to_numpy(dtype=float)
    # The wide intervals of two replicates would make the points indistinguishable.
    reach = max((np.abs(each).max() for each in numbers), default=0.0) or largest
    seen = ends[known["replicates"].eq(1) | (np.abs(ends).max(axis=1) <= 3 * reach)]
    reach = min(largest, 1.12 * max(reach, np.abs(seen).max() if len(seen) else 0.0))
    axes.set_xlim(-reach, reach)
    looks = style.strategy_appearance(known["strategy"])
    for row, each, (low, high) in zip(known.to_dict("records"), numbers, ends, strict=True):
        place, (colour, own) = places[row["round"]], looks[row["strategy"]].values()
        if np.isfinite([low, high]).all():
            axes.plot(np.clip([low, high], -reach, reach), [place, place], color=colour, linewidth=1.6, zorder=2)
            for end, marker in ((low, "<"), (high, ">")):
                if abs(end) > reach:
                    axes.plot(np.clip(end, -reach, reach), place, marker, color=colour, markersize=5, clip_on=False)
        if row["replicates"] > 1:
            axes.vlines(each, place - 0.3, place + 0.3, color=colour, linewidth=0.8, zorder=3)
        face = "white" if row["replicates"] < 2 else colour
        axes.plot(
            factor * row["estimate"], place, own, color=colour, markerfacecolor=face, markeredgecolor=colour, zorder=4
        )
    axes.set_xlabel("Change (points)" if factor == 100 else "Change")


def _draw_bands(axes: Axes, changes: pd.DataFrame, controls: pd.DataFrame, places: dict[str, float]) -> None:
    """Draw the interval of a control behind each round that is compared with it, and behind the control itself."""
    changes = changes[changes["estimate"].notna() & (changes["replicates"] > 1)].set_index("round")
    known = controls[controls["other_round"].isin(changes.index) & controls["round"].isin(changes.index)]
    known = known.sort_values("other_strategy", key=lambda names: names.map(control_names().index), kind="stable")
    behind = known.drop_duplicates("round").set_index("round")["other_round"].to_dict()
    for name, control in (behind | {control: control for control in behind.values()}).items():
        row = changes.loc[control]
        ends = UNITS[row["outcome"]][0] * row[["estimate_low", "estimate_high"]].to_numpy(dtype=float)
        spots = [places[name] - 0.5, places[name] + 0.5]
        axes.fill_betweenx(spots, *ends, color=_BAND_COLOUR, linewidth=0, zorder=0)


def write_changes(contrasts_file: Path, out: Sequence[Path]) -> None:
    """Read `CONTRASTS` and write `changes` to each of `out` (.png, .svg, .pdf)."""
    style.save_figure(changes(read_table(contrasts_file, CONTRASTS).to_pandas()), out)
