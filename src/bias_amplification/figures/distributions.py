"""What a model's articles are like: over labels (Figure 2) and over the text quality index (Figure 8)."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import QUALITY
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.published.record import BASE

HIGHEST_QUALITY = 3.0
BINS = 30


@style.styled
def label_distribution(
    metrics: pd.DataFrame, labels: Sequence[str], seed_set: str, round_name: str = BASE, measure: str = "share"
) -> Figure:
    """Draw the share of articles with each label, with 95% intervals: the paper's Figure 2.

    Parameters
    ----------
    metrics
        The metrics table.
    labels
        The label set, in the bars' order.
    seed_set
        The seed set whose articles prompted the model.
    round_name
        "base" for the model before fine-tuning; for another round its first generation is drawn.
    measure
        "share" or "mean_probability".

    Raises
    ------
    StudyError
        If the table has no such row.
    """
    rows = metrics[(metrics["round"] == round_name) & (metrics["seed_set"] == seed_set)]
    if rows.empty:
        raise StudyError(
            f"the metrics table has no row of round {round_name} for the seed set {seed_set}: "
            "mend the figure's seed set or run snakemake again."
        )
    row = rows.sort_values("generation").iloc[0]
    shares, lows, highs = (
        np.array([row[f"{measure}_{label}{end}"] for label in labels]) for end in ("", "_low", "_high")
    )
    figure = style.new_figure(height=2.9, width=max(3.6, 1.2 * len(labels)))
    axes = figure.subplots()
    axes.bar(labels, shares, width=0.62, color=list(style.label_colours(labels).values()))
    distances = np.clip([shares - lows, highs - shares], 0, None)
    axes.errorbar(labels, shares, yerr=distances, fmt="none", ecolor="black", elinewidth=1.2, capsize=4)
    for position, (share, high) in enumerate(zip(shares, highs, strict=True)):
        axes.annotate(
            f"{100 * share:.1f}%", (position, high), xytext=(0, 4), textcoords="offset points", ha="center", va="bottom"
        )
    axes.axhline(1 / len(labels), color=style.QUIET, linestyle=":", linewidth=1.4)
    axes.annotate(
        "equal", (1, 1 / len(labels)), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
        va="center", color=style.QUIET,
    )  # fmt: skip
    axes.set_ylim(0, min(1.08, float(highs.max()) * 1.15))
    axes.yaxis.set_major_formatter(style.per_cent)
    axes.set_ylabel("Articles (%)" if measure == "share" else "Mean probability (%)")
    axes.set_xlabel(f"{'Most likely label' if measure == 'share' else 'Label'} ({int(row['articles']):,} articles)")
    return figure


@style.styled
def quality_distribution(qualities: Sequence[np.ndarray], generations: Sequence[int]) -> Figure:
    """Draw how the articles' text quality index is spread in each generation: the paper's Figure 8.

    Parameters
    ----------
    qualities
        One array a generation, shape [articles], 0 to 3; not a number where an article has no sentence.
    generations
        The generations' numbers, in the same order.

    Returns
    -------
    Figure
        One histogram a generation (bins of 0.1, all to one scale), the first on top; a black tick at each mean.
    """
    figure = style.new_figure(height=1.1 + 0.36 * len(generations), width=5.4)
    axes = figure.subplots()
    colours = matplotlib.colormaps[style.RAMP](np.linspace(0.0, 0.88, len(generations)))
    edges = np.linspace(0, HIGHEST_QUALITY, BINS + 1)
    finite = [values[np.isfinite(values)] for values in (np.asarray(q, dtype=float) for q in qualities)]
    heights = [np.histogram(values, edges)[0] / max(len(values), 1) for values in finite]
    # The fullest bin of all reaches just below the next generation's base line.
    scale = 0.92 / max(max(height.max() for height in heights), 1e-12)
    for place, (values, height, colour) in enumerate(zip(finite, heights, colours, strict=True)):
        ground = -float(place)
        axes.stairs(ground + scale * height, edges, baseline=ground, fill=True, color=colour, alpha=0.9)
        axes.plot([0, HIGHEST_QUALITY], [ground, ground], color="#bbbbbb", linewidth=0.7, zorder=1)
        if len(values):
            mean = float(values.mean())
            axes.plot([mean, mean], [ground - 0.06, ground + 0.34], color="black", linewidth=1.6, zorder=4)
            axes.annotate(
                f"{mean:.2f}", (HIGHEST_QUALITY, ground), xytext=(8, 1), textcoords="offset points", va="bottom"
            )
    axes.annotate("mean", (HIGHEST_QUALITY, 0.92), xytext=(8, 0), textcoords="offset points", color=style.QUIET)
    axes.set_yticks([-place for place in range(len(generations))], [str(generation) for generation in generations])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.set_xlim(-0.03, HIGHEST_QUALITY + 0.03)
    axes.set_xlabel("Text quality index of an article (0 noise to 3 clean)")
    axes.set_ylabel("Generation")
    return figure


def write_label_distribution(
    metrics_file: Path | str,
    outputs: Sequence[Path | str],
    *,
    labels: Sequence[str],
    seed_set: str,
    round_name: str = BASE,
    measure: str = "share",
) -> None:
    """Read the metrics table and write `label_distribution` to each of `outputs` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    style.save_figure(label_distribution(metrics, labels, seed_set, round_name, measure), outputs)


def write_quality_distribution(
    quality_files: Sequence[Path | str],
    outputs: Sequence[Path | str],
    *,
    generations: Sequence[int] | None = None,
    column: str = "quality",
) -> None:
    """Read one round's quality tables, in order of generations, and write `quality_distribution` to `outputs`.

    `column` is "quality" or "quality_weighted"; `generations` count from 0 by default.
    """
    qualities = [read_table(file, QUALITY, [column])[column].to_pandas().to_numpy() for file in quality_files]
    numbers = list(range(len(qualities))) if generations is None else list(generations)
    style.save_figure(quality_distribution(qualities, numbers), outputs)
