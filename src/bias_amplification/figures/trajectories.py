"""Shares, quality and perplexity over generations: Figures 3, 5, 6, 7 and 9."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.published.record import BASE, published_labels, published_metrics


def axis_label(column: str) -> str:
    """Say in words what a column of the metrics table holds, with its unit."""
    if column.startswith("share_"):
        return f"Articles labelled {column.removeprefix('share_')} (%)"
    if column.startswith("mean_probability_"):
        return f"Mean probability of {column.removeprefix('mean_probability_')}"
    return {
        "text_quality_index": "Text quality index (0 to 3)",
        "text_quality_index_weighted": "Weighted text quality index (0 to 3)",
        "perplexity_base": "Perplexity (base model)",
        "perplexity_generating": "Perplexity (generating model)",
    }.get(column, column.replace("_", " "))


def number_axis(axes: Axes, column: str, logarithmic: bool) -> None:
    """Scale and number the y axis as the column's kind asks: per cent, plain or logarithmic."""
    if logarithmic:
        style.logarithmic_axis(axes)
    elif column.startswith("share_"):
        axes.yaxis.set_major_formatter(style.per_cent)
    axes.set_ylabel(axis_label(column))


def _check(metrics: pd.DataFrame, columns: Sequence[str], rounds: Sequence[str]) -> None:
    unknown = [name for name in rounds if name not in set(metrics["round"])]
    if unknown:
        raise StudyError(
            f"the metrics table has no round {', '.join(unknown)} (it has {', '.join(metrics['round'].unique())}): "
            "mend the figure's list of rounds."
        )
    missing = [column for column in columns if column not in metrics.columns]
    if missing:
        raise StudyError(f"the metrics table has no column {', '.join(missing)}: mend the figure's list of columns.")


def _overlay(
    axes: Axes, published: pd.DataFrame, column: str, rounds: Mapping[str, str], looks: Mapping[str, Mapping], last: int
) -> None:
    """Draw the published numbers of the rounds that have them, as far as the run's own generations go."""
    if column not in published.columns:
        return
    for name in dict.fromkeys(rounds.values()):
        own = next(own for own, other in rounds.items() if other == name)
        rows = published[(published["round"] == name) & (published["generation"] <= last) & published[column].notna()]
        if not rows.empty:
            x, y = (rows[key].to_numpy(dtype=float) for key in ("generation", column))
            axes.plot(x, y, color=looks[own]["color"], **style.PUBLISHED)
    # One entry of the legend for all of them.
    if any(line.get_gid() == style.PUBLISHED["gid"] for line in axes.get_lines()):
        axes.plot([], [], color=style.QUIET, label="published", **style.PUBLISHED)


def _panel(
    axes: Axes, metrics: pd.DataFrame, column: str, names: Mapping[str, str], looks: Mapping[str, Mapping]
) -> None:
    """Draw one line with its band for each round that has values, and the base model's level."""
    for name, text in names.items():
        rows = metrics[(metrics["round"] == name) & metrics["generation"].notna()].sort_values("generation")
        rows = rows[rows[column].notna()]
        if rows.empty:
            continue
        x = rows["generation"].to_numpy(dtype=float)
        low, high = (rows[f"{column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
        axes.fill_between(x, low, high, color=looks[name]["color"], alpha=0.18, linewidth=0)
        axes.plot(x, rows[column].to_numpy(dtype=float), label=text, **looks[name])
    seed_sets = set(metrics.loc[metrics["round"].isin(list(names)), "seed_set"])
    base = metrics[(metrics["round"] == BASE) & metrics["seed_set"].isin(seed_sets)][column].dropna()
    for value, text in zip(base.unique(), ["base model", *[None] * len(base)], strict=False):
        axes.axhline(value, color=style.QUIET, linestyle=":", linewidth=1.4, label=text)


@style.styled
def trajectories(
    metrics: pd.DataFrame,
    columns: Sequence[str],
    rounds: Sequence[str],
    *,
    names: Mapping[str, str] | None = None,
    logarithmic: bool = False,
    same_scale: bool = False,
    published: pd.DataFrame | None = None,
    published_rounds: Mapping[str, str] | None = None,
) -> Figure:
    """Draw measures over generations, one panel a column, one line a round, with 95% intervals as bands.

    Parameters
    ----------
    metrics
        The metrics table: `round`, `generation`, `seed_set`, `strategy`, `decoding`, and each column with its
        `_low` and `_high`. The rows of round "base" give the dotted reference line.
    columns
        What to draw, as named in the metrics table.
    rounds
        Which rounds, in the legend's order. A round without values of a column is left out of that panel.
    names
        The rounds' names in the legend; their strategies by default.
    logarithmic
        Whether the y axes are logarithmic.
    same_scale
        Whether the panels share the y axis.
    published
        Published results in the shape of `metrics`, drawn as thin lines without bands in the colours of the run's own.
    published_rounds
        Published rounds of the study's own; a round that is not there has no published line.

    Returns
    -------
    Figure
        The paper's Figures 3, 5, 6, 7 and 9, by choice of columns and rounds.

    Raises
    ------
    StudyError
        If a round or a column is not in the table.
    """
    _check(metrics, columns, rounds)
    names = {name: (names or style.round_names(metrics, rounds))[name] for name in rounds}
    looks = style.round_appearance(metrics, rounds)
    alone = len(columns) == 1
    figure = style.new_figure(height=3.4, width=5.4 if alone else style.PAGE_WIDTH)
    panels = np.atleast_1d(figure.subplots(1, len(columns), sharey=same_scale))
    compared = {name: other for name, other in (published_rounds or {}).items() if name in names}
    last = int(metrics.loc[metrics["round"].isin(list(names)), "generation"].max())
    for position, (axes, column) in enumerate(zip(panels, columns, strict=True)):
        _panel(axes, metrics, column, names, looks)
        if published is not None:
            _overlay(axes, published, column, compared, looks, last)
        number_axis(axes, column, logarithmic)
        axes.set_xlabel("Generation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=11))
        axes.set_title(style.letter(position, len(columns)).strip())
    style.legend_below(figure, *panels)
    return figure


def write_trajectories(
    metrics_file: Path | str,
    outputs: Sequence[Path | str],
    *,
    labels: Sequence[str],
    columns: Sequence[str],
    rounds: Sequence[str],
    names: Mapping[str, str] | None = None,
    logarithmic: bool = False,
    same_scale: bool = False,
    published_file: Path | str | None = None,
    published_rounds: Mapping[str, str] | None = None,
) -> None:
    """Read the metrics table and write `trajectories` to each of `outputs` (.png, .svg, .pdf).

    `published_file` is `resources/published/trajectories.csv` where its lines are to be drawn too.
    """
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    published = published_metrics(published_file, published_labels(published_file)) if published_file else None
    figure = trajectories(
        metrics, columns, rounds, names=names, logarithmic=logarithmic, same_scale=same_scale,
        published=published, published_rounds=published_rounds,
    )  # fmt: skip
    style.save_figure(figure, outputs)
