"""Redraw the paper's Figures 2, 3, 5, 6, 7 and 9 from the published per-generation results.

    PYTHONPATH=src python -m bias_amplification.figures.published FOLDER

Run it in the checkout's root. They are drawn by the functions that draw a run's own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from bias_amplification.figures import style
from bias_amplification.figures.distributions import label_distribution
from bias_amplification.figures.trajectories import trajectories
from bias_amplification.published.place import trajectories_file
from bias_amplification.published.record import published_labels, published_metrics
from bias_amplification.study.comparable import ROUNDS

BALANCED = tuple(name for name in ROUNDS if name.startswith("balanced_"))
CENTER = tuple(name for name in ROUNDS if name.startswith("center_"))


def redraw_published(
    folder: Path | str,
    file: Path | str | None = None,
    *,
    measure: str = "share",
    endings: Sequence[str] = ("png", "svg", "pdf"),
) -> list[Path]:
    """Write the paper's figures of published per-generation results.

    Parameters
    ----------
    folder
        Where to write `published_figure_N.{ending}`.
    file
        Another file in the place of `resources/published/trajectories.csv`.
    measure
        "share" or "mean_probability". The paper's own figures do not say which they show.
    endings
        png, svg, pdf.

    Returns
    -------
    list of Path
        The files written.
    """
    file = file or trajectories_file()
    labels = published_labels(file)
    metrics = published_metrics(file, labels)
    quality = "text_quality_index_weighted"
    figures = {
        2: label_distribution(metrics, labels, "balanced", measure=measure),
        3: trajectories(metrics, [f"{measure}_right", quality], BALANCED),
        5: trajectories(metrics, [f"{measure}_center", quality], CENTER),
        6: trajectories(metrics, [f"{measure}_center"], BALANCED),
        7: trajectories(metrics, [f"{measure}_left"], BALANCED),
        9: trajectories(metrics, ["perplexity_base"], BALANCED[:1], logarithmic=True),
    }
    written = []
    for number, figure in figures.items():
        files = [Path(folder) / f"published_figure_{number}.{ending}" for ending in endings]
        style.save_figure(figure, files)
        written += files
    return written


if __name__ == "__main__":
    for path in redraw_published(sys.argv[1]):
        print(path)
