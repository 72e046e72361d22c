"""Charts of the page that can be pointed at: the trajectories again, with values, intervals and rounds to choose."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import altair
import pandas as pd
import vl_convert

from bias_amplification.figures import style
from bias_amplification.figures.page import data_block
from bias_amplification.figures.tables.writing import html_table, with_interval
from bias_amplification.figures.trajectories import axis_label
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.published.record import BASE

#: Markers as SVG paths between -1 and 1, for the charts and for the marks beside a round's name.
SHAPES = {
    "o": "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z",
    "s": "M-.9,-.9L.9,-.9L.9,.9L-.9,.9Z",
    "^": "M0,-1L1,.85L-1,.85Z",
    "D": "M0,-1.15L1.15,0L0,1.15L-1.15,0Z",
    "v": "M0,1L1,-.85L-1,-.85Z",
    "<": "M-1,0L.85,-1L.85,1Z",
    ">": "M1,0L-.85,-1L-.85,1Z",
    "X": "M0,-.45L.55,-1L1,-.55L.45,0L1,.55L.55,1L0,.45L-.55,1L-1,.55L-.45,0L-1,-.55L-.55,-1Z",
    "P": "M-.35,-1L.35,-1L.35,-.35L1,-.35L1,.35L.35,.35L.35,1L-.35,1L-.35,.35L-1,.35L-1,-.35L-.35,-.35Z",
    "*": "M0,-1L.26,-.36L.95,-.31L.42,.14L.59,.81L0,.44L-.59,.81L-.42,.14L-.95,-.31L-.26,-.36Z",
}
DASHES = {"-": [1, 0], "--": [6, 3], "-.": [6, 3, 1.5, 3], ":": [1.5, 2.5]}
_AXES = {
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "titlePadding": 10,
    "gridColor": "#8884",
}
#: The entry of the key that shows and hides the published numbers. No round is called so.
PUBLISHED = "*published"


def chart_style() -> str:
    """Return the CSS of a page with charts."""
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def chart_scripts() -> list[str]:
    """Return the scripts of a page with charts: Vega-Embed and all it needs, and the page's own."""
    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return [
        vl_convert.javascript_bundle(vl_version=version),
        Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    ]


def mark(look: Mapping[str, str]) -> str:
    """Return a small picture of a round's line and marker, for its `style.round_appearance` or its strategy's."""
    dash = ",".join(map(str, DASHES[look.get("linestyle", "-")]))
    return (
        '<svg class="mark" viewBox="-3 -1.5 6 3" aria-hidden="true">'
        f'<path d="M-3,0L3,0" stroke="{look["color"]}" stroke-width=".45" '
        f'stroke-dasharray="{dash}" pathLength="24"/>'
        f'<path d="{SHAPES[look["marker"]]}" fill="{look["color"]}"/></svg>'
    )


class Shown(NamedTuple):
    """What a figure of trajectories shows, as in `trajectories.write_trajectories`."""

    columns: Sequence[str]
    rounds: Sequence[str]
    published_rounds: Mapping[str, str] | None = None


class TrajectoryChart:
    """A figure of trajectories as a chart: one panel per column of the metrics table, one line per round.

    Parameters
    ----------
    metrics
        The metrics table.
    shown
        What the figure shows.
    published
        Published results in the shape of `metrics`.
    unit
        The study's word for an article.
    """

    def __init__(
        self, metrics: pd.DataFrame, shown: Shown, published: pd.DataFrame | None = None, unit: str = "article"
    ) -> None:
        self.columns, self.rounds, counterparts = shown
        self.metrics, self.unit, rounds = metrics, unit, self.rounds
        self.names, self.looks = style.round_names(metrics, rounds), style.round_appearance(metrics, rounds)
        means = over_replicates(metrics)
        self.means = means[means["round"].isin(list(rounds))]
        in_use = self.means["seed_set"].unique()
        self.base = means[(means["round"] == BASE) & means["seed_set"].isin(in_use)]
        own = {other: name for name, other in reversed((counterparts or {}).items()) if name in rounds}
        if published is None or not own:
            published = pd.DataFrame(columns=["round", "generation"])
        last = self.means["generation"].max()
        published = published[published["round"].isin(list(own)) & published["generation"].le(last)]
        self.published = published.assign(round=published["round"].map(own))

    def html(self, name: str, title: str) -> str:
        """Return the chart's HTML: the key, with a box for each round, and the panels, which are drawn by a script.

        Parameters
        ----------
        name
            The figure's name, for identifiers.
        title
            The figure's title, which the table of the same numbers is named after.
        """
        boxes = [(own, mark(self.looks[own]) + escape(text)) for own, text in self.names.items()]
        if not self.published.empty:
            boxes.append((PUBLISHED, "published (pale dashes)"))
        key = "".join(
            f'<label><input type="checkbox" value="{escape(value)}" checked>{text}</label>' for value, text in boxes
        )
        base = '<span class="quiet">dotted: base model</span>' if len(self.base) else ""
        specs = data_block(f"{name}-charts", [self.spec(column) for column in self.columns])
        panels = '<div class="panel"></div>' * len(self.columns)
        return (
            f'<div class="chart" hidden><fieldset class="rounds"><legend>Show</legend>{key}{base}</fieldset>'
            f'<div class="panels">{panels}</div>{specs}</div>'
            f"<details><summary>Values as a table</summary>{self.table(f'values of {title}')}</details>"
        )

    def spec(self, column: str) -> dict[str, Any]:
        """Return the Vega-Lite specification of one panel."""
        label, base = axis_label(column, self.unit), self.base[column].dropna().unique()
        y = partial(altair.Y, **self._y_axis(column, label))
        layers = self._layers(column, y)
        if len(base):
            reference = altair.Chart(altair.InlineData(values=[{"value": float(value)} for value in base]))
            layers.insert(
                0, reference.mark_rule(strokeDash=[1.5, 3], color=style.QUIET, aria=False).encode(y=y("value:Q"))
            )
        # The value is set by the boxes of the key.
        shown = altair.param(name="shown", value=[*self.rounds, PUBLISHED])
        return (
            altair.layer(*layers)
            .add_params(shown)
            .properties(
                width="container",
                height="container",
                background="transparent",
                description=f"Line chart: {label} by generation. The table of values has the same numbers.",
            )
            .configure_view(stroke=None)
            .configure_axis(**_AXES)
            .to_dict()
        )

    def _y_axis(self, column: str, label: str) -> dict[str, Any]:
        """Return scale and axis of a panel: perplexity is logarithmic, shares are in per cent."""
        if not column.startswith("perplexity"):
            percent = ".0%" if column.startswith("share_") else altair.Undefined
            return {"scale": altair.Scale(zero=False), "axis": altair.Axis(title=label, format=percent, tickCount=6)}
        # Vega draws a line at each tick of a logarithmic axis, and labels only some of them.
        labelled = {"condition": {"test": "datum.label", "value": 1}, "value": 0}
        axis = altair.Axis(title=label, tickCount=6, gridOpacity=labelled, tickOpacity=labelled)
        return {"scale": altair.Scale(type="log", nice=False), "axis": axis}

    def _layers(self, column: str, y: Callable[[str], altair.Y]) -> list[altair.Chart]:
        """Return the layers of a panel, from the back to the front."""
        x = altair.X(
            "generation:Q", axis=altair.Axis(title="Generation", values=self._generations(), format="d", grid=False)
        )
        colour = altair.Color("round:N", scale=self._scale("color"), legend=None)
        chart = altair.Chart(altair.InlineData(values=self._rows(column))).encode(x=x, y=y("value:Q"), color=colour)
        chart = chart.transform_filter("indexof(shown, datum.round) >= 0")
        run, replicate, published = (
            chart.transform_filter(f"datum.kind === '{kind}'") for kind in ("run", "replicate", "published")
        )
        published = published.transform_filter(f"indexof(shown, '{PUBLISHED}') >= 0")
        points = chart.transform_filter(
            f"datum.kind === 'run' || (datum.kind === 'published' && indexof(shown, '{PUBLISHED}') >= 0)"
        )
        near = altair.selection_point(
            name="near", on="pointerover", nearest=True, fields=["round", "kind", "generation"], empty=False
        )
        size, opacity = (
            altair.when(near).then(altair.value(large)).when("datum.kind === 'run'").then(altair.value(own))
            for large, own in ((130, 45), (1, 1))
        )
        dash = altair.StrokeDash("round:N", scale=self._scale("linestyle", DASHES), legend=None)
        titles = {"named": "round", "generation": "generation", "measured": axis_label(column, self.unit)}
        # The nearest point is found through its cell, whose datum is the point. Vega-Lite 6.4 looks in the cell itself.
        tooltip = ", ".join(f"{json.dumps(title)}: (datum.datum || datum).{name}" for name, title in titles.items())
        return [
            run.mark_area(opacity=0.18, aria=False).encode(y=y("low:Q"), y2="high:Q"),
            replicate.mark_line(opacity=0.45, strokeWidth=0.7, aria=False).encode(detail="replicate:N"),
            published.mark_line(opacity=0.6, strokeWidth=1.1, strokeDash=[4, 1.5], aria=False),
            run.mark_line(strokeWidth=1.8, aria=False).encode(strokeDash=dash),
            points.mark_point(filled=True)
            .encode(
                shape=altair.Shape("round:N", scale=self._scale("marker", SHAPES), legend=None),
                size=size.otherwise(altair.value(20)),
                opacity=opacity.otherwise(altair.value(0)),
                tooltip=altair.value(altair.ExprRef(expr=f"{{{tooltip}}}")),
                description="said:N",
            )
            .add_params(near),
        ]

    def _generations(self) -> list[int]:
        """Return at most 16 generations for the axis. Vega would put ticks between two generations."""
        last = int(self.means["generation"].max())
        return [*range(0, last + 1, last // 16 + 1)]

    def _scale(self, part: str, names: Mapping[str, Any] | None = None) -> altair.Scale:
        """Return the scale of a part of the rounds' looks, in Vega's names."""
        looks = [self.looks[name][part] for name in self.rounds]
        return altair.Scale(domain=[*self.rounds], range=[names[look] if names else look for look in looks])

    def _rows(self, column: str) -> list[dict[str, Any]]:
        """Return the points of a panel, with what is said of each."""
        rows = []
        for kind, part in self._parts().items():
            part = part[part[column].notna()] if column in part else part.head(0)
            for row in part.to_dict("records"):
                name = self.names[row["round"]] + (", published" if kind == "published" else "")
                found = {"round": row["round"], "kind": kind, "generation": int(row["generation"])}
                found["value"] = float(row[column])
                if kind == "replicate":
                    rows.append(found | {"replicate": int(row["replicate"])})
                    continue
                ends = {end: row.get(f"{column}_{end}") for end in ("low", "high")} if kind == "run" else {}
                found |= {end: float(value) for end, value in ends.items() if pd.notna(value)}
                measured = number_in_words(column, found["value"], found.get("low"), found.get("high"))
                said = f"{name}, generation {found['generation']}: {measured}"
                rows.append(found | {"named": name, "measured": measured, "said": said})
        return rows

    def _parts(self) -> dict[str, pd.DataFrame]:
        """Return the rows of each kind: means, published numbers, and single replicates if there are several."""
        own = self.metrics[self.metrics["round"].isin(list(self.rounds))]
        several = own.groupby("round")["replicate"].transform("nunique").gt(1)
        return {"run": self.means, "published": self.published, "replicate": own[several]}

    def table(self, name: str) -> str:
        """Return the chart's numbers as an HTML table: one row for each round and generation."""
        headings = ["round", "generation", *(axis_label(column, self.unit) for column in self.columns)]
        rows = [
            [self.names[row["round"]], f"{row['generation']:.0f}"]
            + [
                number_in_words(column, *(row[column + end] for end in ("", "_low", "_high")))
                for column in self.columns
            ]
            for row in self.means.to_dict("records")
        ]
        return html_table(headings, rows, name)


def number_in_words(column: str, value: float, low: float | None, high: float | None) -> str:
    """Return a value of a column of the metrics table with its 95% interval, in the unit of `axis_label`."""
    factor, digits = (100, 1) if column.startswith(("share_", "repeated_")) else (1, 2)
    if column.startswith("mean_probability"):
        digits = 3
    return with_interval(*(factor * (math.nan if part is None else part) for part in (value, low, high)), digits=digits)
