"""The Beta simulation's densities over generations: Figures 10 and 11."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import BETA
from bias_amplification.figures import style

#: Close enough for the narrowest density of ten generations, whose standard deviation is .007.
GRID = np.linspace(0.0, 1.0, 4001)[1:-1]


def beta_density(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Return the density of Beta(a, b) at x, strictly between 0 and 1; shapes as x."""
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return np.exp(constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x))


@style.styled
def beta_densities(
    table: pd.DataFrame,
    method: str,
    pretraining: Sequence[float] = (3.0, 2.0),
    fine_tuning: Sequence[float] = (2.0, 2.0),
) -> Figure:
    """Draw the fitted densities of all generations, and where their means go: the paper's Figures 10 and 11.

    Parameters
    ----------
    table
        One row a method and generation: `method`, `generation`, `a`, `b` of the fitted Beta distribution.
    method
        "weighted" (Figure 10) or "plain" (Figure 11).
    pretraining, fine_tuning
        Parameters of the distributions that the biased and the real sample come from.

    Returns
    -------
    Figure
        (a) the densities, on a square-root axis, because the last is some thirty times as high as the first;
        (b) mean and standard deviation by generation. Dashed: the pretraining distribution's mean.
    """
    rows = table[table["method"] == method].sort_values("generation")
    figure = style.new_figure(height=3.3)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    generations = rows["generation"].to_numpy(dtype=int)
    colours = matplotlib.colormaps[style.RAMP](np.linspace(0.0, 0.9, len(rows)))
    goal = pretraining[0] / sum(pretraining)
    start = fine_tuning[0] / sum(fine_tuning)
    _draw_densities(left, rows, colours, fine_tuning)
    a, b = rows["a"].to_numpy(dtype=float), rows["b"].to_numpy(dtype=float)
    mean, deviation = a / (a + b), np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
    right.errorbar(generations, mean, yerr=deviation, fmt="none", ecolor=colours, elinewidth=2.2, capsize=0, alpha=0.8)
    right.scatter(generations, mean, color=colours, s=26, zorder=3)
    left.axvline(goal, color="black", linestyle="--", linewidth=1.1)
    right.axhline(goal, color="black", linestyle="--", linewidth=1.1, label=f"pretraining mean {goal:g}")
    right.axhline(start, color=style.QUIET, linestyle=":", linewidth=1.4, label=f"real sample's mean {start:g}")
    right.set_xlabel("Generation")
    right.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    right.set_ylabel("Mean ± standard deviation")
    right.set_title("(b)")
    left.set_title("(a)")
    scale = matplotlib.colors.ListedColormap(colours)
    norm = BoundaryNorm(np.arange(len(rows) + 1) - 0.5, len(rows))
    bar = figure.colorbar(
        matplotlib.cm.ScalarMappable(norm, scale), ax=left, label="Generation", ticks=range(len(rows)), pad=0.02
    )
    bar.ax.set_yticklabels([str(generation) for generation in generations])
    bar.ax.tick_params(length=0)
    style.legend_below(figure, right)
    return figure


def _draw_densities(axes: Axes, rows: pd.DataFrame, colours: np.ndarray, fine_tuning: Sequence[float]) -> None:
    """Draw one line a generation over the density of the real sample."""
    real = beta_density(GRID, *fine_tuning)
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


def write_beta_densities(
    beta_file: Path | str,
    outputs: Sequence[Path | str],
    *,
    method: str,
    pretraining: Sequence[float] = (3.0, 2.0),
    fine_tuning: Sequence[float] = (2.0, 2.0),
) -> None:
    """Read `theory/beta.parquet` and write `beta_densities` to each of `outputs` (.png, .svg, .pdf)."""
    table = read_table(beta_file, BETA).to_pandas()
    style.save_figure(beta_densities(table, method, pretraining, fine_tuning), outputs)
