"""Distributions of a model's articles: over labels (Figure 2) and over the text quality index (Figure 8)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import QUALITY
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.published.record import BASE
from bias_amplification.study.sections import Corpus, Figures, Quality
from bias_amplification.study.unit import with_unit

HIGHEST_QUALITY = 3.0
BINS = 30


@style.styled
def label_distribution(
    metrics: pd.DataFrame, labels: Sequence[str], seed_set: str, measure: str, unit: str = "article"
) -> Figure:
    """Draw the share of the base model's articles with each label, with 95% intervals: the paper's Figure 2.

    If the seed set has several draws, bars are means over the draws, and intervals are between the draws.

    Parameters
    ----------
    metrics
        The metrics table.
    labels
        The label set, in the order of the bars.
    seed_set
        The seed set whose articles prompted the model.
    measure
        "share" or "mean_probability".
    unit
        The study's word for an article.

    Raises
    ------
    StudyError
        If the table has no row of the base model for this seed set.
    """
    rows = over_replicates(metrics[(metrics["round"] == BASE) & (metrics["seed_set"] == seed_set)])
    if rows.empty:
        raise StudyError(
            f"the metrics table has no row of the base model for the seed set {seed_set}: correct the figure's seed "
            "set or run snakemake again."
        )
    row = rows.iloc[0]
    shares, lows, highs = (
        np.array([row[f"{measure}_{label}{end}"] for label in labels]) for end in ("", "_low", "_high")
    )
    # In inches: bars become narrower on a full page, but each has room for the number above it.
    width = max(3.6, min(1.2 * len(labels), style.PAGE_WIDTH), 0.56 * len(labels))
    longest = 0.075 * max(map(len, labels))
    slanted = len(labels) * longest > width - 0.9
    figure = style.new_figure(height=2.9 + (0.6 * longest if slanted else 0), width=width)
    axes = figure.subplots()
    axes.bar(labels, shares, width=0.62, color=list(style.label_colours(labels).values()))
    distances = np.clip([shares - lows, highs - shares], 0, None)
    axes.errorbar(labels, shares, yerr=distances, fmt="none", ecolor="black", elinewidth=1.2, capsize=4)
    for position, (share, high) in enumerate(zip(shares, highs, strict=True)):
        if np.isnan(share):  # no text has a label
            continue
        axes.annotate(
            f"{100 * share:.1f}%", (position, high), xytext=(0, 4), textcoords="offset points", ha="center", va="bottom"
        )
    axes.axhline(1 / len(labels), color=style.QUIET, linestyle=":", linewidth=1.4)
    axes.annotate(
        "equal", (1, 1 / len(labels)), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
        va="center", color=style.QUIET,
    )  # fmt: skip
    if slanted:
        axes.tick_params(axis="x", rotation=35)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.set_ylim(0, min(1.08, float(np.nanmax([*highs, 1 / len(labels)])) * 1.15))
    axes.yaxis.set_major_formatter(style.per_cent)
    axes.set_ylabel(with_unit("Articles (%)", unit) if measure == "share" else "Mean probability (%)")
    axes.set_xlabel(f"{'Most likely label' if measure == 'share' else 'Label'} ({_number_of_texts(row, unit)})")
    return figure


def _number_of_texts(row: pd.Series, unit: str) -> str:
    """Return how many articles a row of the means over draws is of, in words."""
    number = with_unit(f"{int(row['labelled']):,} articles", unit)
    if row["labelled"] < row["articles"]:
        number += f" with a label, of {int(row['articles']):,}"
    return number + (f" in each of {row['replicates']} draws" if row["replicates"] > 1 else "")


@style.styled
def quality_distribution(qualities: Sequence[np.ndarray], unit: str = "article") -> Figure:
    """Draw the distribution of the articles' text quality index in each generation: the paper's Figure 8.

    Parameters
    ----------
    qualities
        One array per generation, from generation 0. Shape [articles], 0 to 3; NaN for an article without a sentence.
    unit
        The study's word for an article.

    Returns
    -------
    Figure
        One histogram per generation, with bins of 0.1 on one scale. A black line marks each mean.
    """
    figure = style.new_figure(height=1.1 + 0.36 * len(qualities), width=5.4)
    panels = figure.subplots(len(qualities), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    colours = seaborn.color_palette(style.RAMP, len(qualities))
    for generation, (axes, values, colour) in enumerate(zip(panels, qualities, colours, strict=True)):
        known = values[np.isfinite(values)]
        seaborn.histplot(
            known, bins=BINS, binrange=(0, HIGHEST_QUALITY), stat="proportion", element="step", linewidth=0, alpha=0.9,
            color=colour, ax=axes,
        )  # fmt: skip
        if len(known):
            axes.axvline(known.mean(), ymax=0.5, color="black", linewidth=1.6)
            axes.annotate(f"{known.mean():.2f}", (1.02, 0), xycoords="axes fraction")
        axes.annotate(str(generation), (-0.02, 0), xycoords="axes fraction", ha="right")
        axes.set(yticks=[], ylabel="")
        axes.grid(True, axis="x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="x", length=0)
    panels[0].annotate("mean", (1.02, 1), xycoords="axes fraction", color=style.QUIET)
    of_one = with_unit("Text quality index of an article (0 noise to 3 clean)", unit)
    panels[-1].set(xlim=(0, HIGHEST_QUALITY), xlabel=of_one)
    figure.supylabel("Generation", fontsize="medium")
    return figure


def write_label_distribution(
    metrics_file: Path, out: Sequence[Path], *, corpus: Corpus, seed_set: str, figures: Figures
) -> None:
    """Read the metrics table and write `label_distribution` to each of `out` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    style.save_figure(label_distribution(metrics, corpus.labels, seed_set, figures.bias, corpus.unit), out)


def write_quality_distribution(
    quality_files: Sequence[Path], out: Sequence[Path], *, quality: Quality, unit: str = "article"
) -> None:
    """Write `quality_distribution` of one round to each of `out` (.png, .svg, .pdf).

    Parameters
    ----------
    quality_files
        The round's quality tables, from generation 0.
    out
        The files to make.
    quality
        Its `score` says which of the two indices is drawn.
    unit
        The study's word for an article.
    """
    column = "quality" if quality.score == "class" else "quality_weighted"
    qualities = [read_table(file, QUALITY, [column])[column].to_pandas().to_numpy() for file in quality_files]
    style.save_figure(quality_distribution(qualities, unit), out)
