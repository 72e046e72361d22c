"""Densities of the Beta simulation over generations: the paper's Figures 10 and 11."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import BETA
from bias_amplification.figures import style
from bias_amplification.theory import FINE_TUNING, PRETRAINING

#: Points of x, strictly between 0 and 1. The narrowest of ten densities has a standard deviation of 0.007.
GRID = np.linspace(0.0, 1.0, 4001)[1:-1]


def beta_density(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Return the density of Beta(a, b) at x, strictly between 0 and 1; the shape is that of x."""
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return np.exp(constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x))


@style.styled
def beta_densities(table: pd.DataFrame, method: str) -> Figure:
    """Draw the fitted densities of all generations and the path of their means: the paper's Figures 10 and 11.

    Parameters
    ----------
    table
        As in `artifacts.schemas.BETA`: one row per method and generation, with the fitted Beta distribution's `a`, `b`,
        `mean` and `standard_deviation`.
    method
        "weighted" (Figure 10) or "plain" (Figure 11).

    Returns
    -------
    Figure
        (a) The densities. If the highest is far above the first, the axis is a square root. (b) Mean and standard
        deviation by generation. Dashed: mean of the pretraining distribution; dotted: mean of the real sample.
    """
    rows = table[table["method"] == method].sort_values("generation")
    figure = style.new_figure(height=3.3)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    colours = seaborn.color_palette(style.RAMP, len(rows))
    _draw_densities(left, rows, colours)
    _draw_means(right, rows, colours)
    goal, start = (shape[0] / sum(shape) for shape in (PRETRAINING, FINE_TUNING))
    left.axvline(goal, color="black", linestyle="--", linewidth=1.1)
    right.axhline(goal, color="black", linestyle="--", linewidth=1.1, label=f"pretraining mean {goal:g}")
    right.axhline(start, color=style.QUIET, linestyle=":", linewidth=1.4, label=f"real sample's mean {start:g}")
    left.set_title("(a)")
    right.set_title("(b)")
    scale = matplotlib.colors.ListedColormap(colours)
    norm = BoundaryNorm(np.arange(len(rows) + 1) - 0.5, len(rows))
    bar = figure.colorbar(
        matplotlib.cm.ScalarMappable(norm, scale), ax=left, label="Generation", ticks=range(len(rows)), pad=0.02
    )
    bar.ax.set_yticklabels([str(generation) for generation in rows["generation"]])
    bar.ax.tick_params(length=0)
    style.legend_below(figure, right)
    return figure


def _draw_means(axes: Axes, rows: pd.DataFrame, colours: Sequence[tuple]) -> None:
    """Draw the mean and the standard deviation of each generation's density."""
    generations, mean, deviation = (rows[name].to_numpy() for name in ("generation", "mean", "standard_deviation"))
    axes.errorbar(generations, mean, yerr=deviation, fmt="none", ecolor=colours, elinewidth=2.2, capsize=0, alpha=0.8)
    axes.scatter(generations, mean, color=colours, s=26, zorder=3)
    style.generation_axis(axes, ticks=6)
    axes.set_ylabel("Mean ± standard deviation")


def _draw_densities(axes: Axes, rows: pd.DataFrame, colours: Sequence[tuple]) -> None:
    """Draw one line per generation over the density of the real sample."""
    real = beta_density(GRID, *FINE_TUNING)
    axes.fill_between(GRID, 0, real, color="#dddddd", linewidth=0)
    axes.set_ylabel("Density")
    highest = float(real.max())
    for colour, row in zip(colours, rows.itertuples(), strict=True):
        density = beta_density(GRID, row.a, row.b)
        highest = max(highest, float(density.max()))
        axes.plot(GRID, density, color=colour, linewidth=1.5, label=str(row.generation))
    if highest > 10:
        axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
        axes.set_yticks([tick for tick in (0, 1, 2, 5, 10, 20, 40, 60, 100, 200, 400) if tick <= 1.1 * highest])
        axes.set_ylabel("Density (square-root scale)")
    axes.set_ylim(0, 1.05 * highest)
    axes.set_xlim(0, 1)
    axes.set_xlabel("x (grey: the distribution of the real sample)")


def write_beta_densities(beta_file: Path, out: Sequence[Path], *, method: str) -> None:
    """Read `theory/beta.parquet` and write `beta_densities` to each of `out` (.png, .svg, .pdf)."""
    style.save_figure(beta_densities(read_table(beta_file, BETA).to_pandas(), method), out)
