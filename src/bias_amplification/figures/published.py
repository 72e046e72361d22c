"""Redraw the paper's Figures 2, 3, 5, 6, 7 and 9 from the published per-generation results.

    PYTHONPATH=src python -m bias_amplification.figures.published FOLDER [share | mean_probability]

The figures are drawn by the same functions as a run's own. The paper does not say which of the two measures its figures
show; the default is the share.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from bias_amplification.figures import style
from bias_amplification.figures.distributions import label_distribution
from bias_amplification.figures.trajectories import trajectories
from bias_amplification.published.comparable import ROUNDS, published_file
from bias_amplification.published.record import published_labels, published_metrics

_BALANCED = tuple(name for name in ROUNDS if name.startswith("balanced_"))
_CENTER = tuple(name for name in ROUNDS if name.startswith("center_"))


def published_figures(measure: str) -> dict[int, Figure]:
    """Draw the paper's figures of per-generation results, by their numbers.

    Parameters
    ----------
    measure
        "share" or "mean_probability".
    """
    file = published_file("trajectories.csv")
    labels = published_labels(file)
    metrics = published_metrics(file, labels)
    quality = "text_quality_index_weighted"
    return {
        2: label_distribution(metrics, labels, "balanced", measure),
        3: trajectories(metrics, [f"{measure}_right", quality], _BALANCED),
        5: trajectories(metrics, [f"{measure}_center", quality], _CENTER),
        6: trajectories(metrics, [f"{measure}_center"], _BALANCED),
        7: trajectories(metrics, [f"{measure}_left"], _BALANCED),
        9: trajectories(metrics, ["perplexity_base"], _BALANCED[:1]),
    }


def write_published_figures(figures: Mapping[int, Figure], folder: Path) -> list[Path]:
    """Write figures as `published_figure_N` (.png, .svg, .pdf) to a folder, and return the paths."""
    written = []
    for number, figure in figures.items():
        files = [folder / f"published_figure_{number}.{ending}" for ending in ("png", "svg", "pdf")]
        style.save_figure(figure, files)
        written += files
    return written


if __name__ == "__main__":
    for path in write_published_figures(published_figures(*(sys.argv[2:3] or ["share"])), Path(sys.argv[1])):
        print(path)
