"""Shares, quality and perplexity over generations: the paper's Figures 3, 5, 6, 7 and 9."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.published.record import BASE, published_labels, published_metrics
from bias_amplification.study.sections import Corpus
from bias_amplification.study.unit import with_unit


def axis_label(column: str, unit: str = "article") -> str:
    """Return the axis label of a column of the metrics table; `unit` is the study's word for an article."""
    if column.startswith("share_"):
        return f"{with_unit('Articles labelled', unit)} {column.removeprefix('share_')} (%)"
    if column.startswith("mean_probability_"):
        return f"Mean probability of {column.removeprefix('mean_probability_')}"
    return {
        "text_quality_index": "Text quality index (0 to 3)",
        "text_quality_index_weighted": "Weighted text quality index (0 to 3)",
        "perplexity_base": "Perplexity (base model)",
        "perplexity_generating": "Perplexity (generating model)",
        "repeated_4": "Share of repeated 4-grams",
    }.get(column, column.replace("_", " "))


def number_axis(axes: Axes, column: str, unit: str = "article") -> None:
    """Label and scale the y axis of a column: perplexity is logarithmic, shares are in per cent."""
    if column.startswith("perplexity"):
        style.logarithmic_axis(axes)
    elif column.startswith("share_"):
        axes.yaxis.set_major_formatter(style.per_cent)
    axes.set_ylabel(axis_label(column, unit))


def _check(metrics: pd.DataFrame, columns: Sequence[str], rounds: Sequence[str]) -> None:
    unknown = [name for name in rounds if name not in set(metrics["round"])]
    if unknown:
        raise StudyError(
            f"the metrics table has no round {', '.join(unknown)} (it has {', '.join(metrics['round'].unique())}): "
            "correct the rounds in the figure's entry of the catalogue."
        )
    missing = [column for column in columns if column not in metrics.columns]
    if missing:
        raise StudyError(
            f"the metrics table has no column {', '.join(missing)}: correct the columns in the figure's entry of the "
            "catalogue."
        )


def _published_lines(axes: Axes, published: pd.DataFrame, column: str, colours: Mapping[str, str], last: float) -> None:
    """Draw the published numbers of the rounds in `colours`, up to the run's last generation."""
    if column not in published.columns:
        return
    rows = published[published["round"].isin(list(colours)) & (published["generation"] <= last)]
    rows = rows[rows[column].notna()]
    if rows.empty:
        return
    look = style.PUBLISHED | {"estimator": None, "legend": False, "ax": axes}
    seaborn.lineplot(rows, x="generation", y=column, hue="round", palette=dict(colours), **look)
    # One entry of the legend for all published lines.
    axes.plot([], [], color=style.QUIET, label="published", **style.PUBLISHED)


def _base_model_line(axes: Axes, metrics: pd.DataFrame, column: str, seed_sets: Sequence[str]) -> None:
    """Draw the base model's value for the articles of each seed set."""
    base = metrics[(metrics["round"] == BASE) & metrics["seed_set"].isin(seed_sets)][column].dropna().unique()
    for place, value in enumerate(base):
        axes.axhline(value, label=None if place else "base model", **style.BASE_MODEL)


@style.styled
def trajectories(
    metrics: pd.DataFrame,
    columns: Sequence[str],
    rounds: Sequence[str],
    published: pd.DataFrame | None = None,
    published_rounds: Mapping[str, str] | None = None,
    unit: str = "article",
) -> Figure:
    """Draw measures over generations: one panel per column, one line per round, with 95% intervals as bands.

    A round with several replicates is drawn as their mean, with the interval between replicates, and each replicate as
    a thin line. For a round with one replicate, the interval is that over articles.

    Parameters
    ----------
    metrics
        The metrics table: `round`, `replicate`, `generation`, `seed_set`, `strategy`, `decoding`, each column with its
        `_low` and `_high`. The rows of the round "base" give the dotted reference line.
    columns
        Columns of the metrics table to draw.
    rounds
        Rounds to draw, in the order of the legend. A round without values of a column is left out of that panel.
    published
        Published results in the shape of `metrics`, drawn as thin lines without bands in the colours of the run's own.
    published_rounds
        Published round of each of the study's rounds that has one.
    unit
        The study's word for an article.

    Raises
    ------
    StudyError
        If the table lacks a round or a column.
    """
    _check(metrics, columns, rounds)
    names = style.round_names(metrics, rounds)
    looks = style.round_appearance(metrics, rounds)
    # Of several rounds with one published counterpart, the first gives the colour.
    counterparts = {name: other for name, other in (published_rounds or {}).items() if name in looks}
    colours = {other: looks[name]["color"] for name, other in reversed(counterparts.items())}
    width = 5.4 if len(columns) == 1 else style.PAGE_WIDTH
    figure = style.new_figure(height=3.4, width=width)
    panels = np.atleast_1d(figure.subplots(1, len(columns)))
    means = over_replicates(metrics)
    drawn = means[means["round"].isin(list(rounds))]
    for position, (axes, column) in enumerate(zip(panels, columns, strict=True)):
        for name in rounds:
            rows = drawn[drawn["round"] == name]
            style.thin_lines(axes, metrics[metrics["round"] == name], column, looks[name]["color"])
            style.line_over_generations(axes, rows, column, label=names[name], **looks[name])
        _base_model_line(axes, means, column, drawn["seed_set"].unique())
        if published is not None:
            _published_lines(axes, published, column, colours, drawn["generation"].max())
        number_axis(axes, column, unit)
        style.generation_axis(axes)
        axes.set_title(style.letter(position, len(columns)).strip())
    style.legend_below(figure, *panels)
    return figure


def write_trajectories(
    metrics_file: Path,
    out: Sequence[Path],
    *,
    corpus: Corpus,
    columns: Sequence[str],
    rounds: Sequence[str],
    published_file: Path | None = None,
    published_rounds: Mapping[str, str] | None = None,
) -> None:
    """Read the metrics table and write `trajectories` to each of `out` (.png, .svg, .pdf).

    `published_file` is `resources/published/trajectories.csv`; None draws no published lines.
    """
    metrics = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    published = published_metrics(published_file, published_labels(published_file)) if published_file else None
    style.save_figure(trajectories(metrics, columns, rounds, published, published_rounds, corpus.unit), out)
