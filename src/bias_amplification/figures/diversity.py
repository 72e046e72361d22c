"""Diversity of the articles over generations, with the text quality index for comparison."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.measures.article_measures import MEASURES
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.published.record import BASE

#: Panels of the figure: column of the metrics table, and title.
PANELS = {
    "text_quality_index": "Text quality index",
    "distinct_1": "Distinct-1",
    "distinct_2": "Distinct-2",
    "distinct_3": "Distinct-3",
    "repeated_4": "Repeated 4-grams (%)",
    "self_bleu": "Self-BLEU",
    "entropy_2": "2-gram entropy (bits)",
    "entropy_3": "3-gram entropy (bits)",
    "compression_ratio": "Compression ratio",
    "embedding_spread": "Spread of embeddings",
    **{name: measure.title for name, measure in MEASURES.items()},
    "empty": "Empty articles (%)",
}
#: Panels of shares, which are drawn in per cent.
_SHARES = ("repeated_4", "empty")
_COLUMNS = 3


@style.styled
def diversity(metrics: pd.DataFrame, rounds: Sequence[str]) -> Figure:
    """Draw the measures of diversity over generations: one small panel per measure, one line per round.

    Parameters
    ----------
    metrics
        The metrics table: `round`, `replicate`, `generation`, `seed_set`, `strategy`, `decoding`, and each column of
        `PANELS` with its `_low` and `_high`.
    rounds
        Rounds to draw, in the order of the legend.

    Returns
    -------
    Figure
        Lines are means over replicates, thin lines the replicates. Bands are 95% intervals between replicates, or over
        articles if there is one replicate. The base model is a dotted line. A measure that is 0 or unknown everywhere
        has no panel.
    """
    names, looks = style.round_names(metrics, rounds), style.round_appearance(metrics, rounds)
    means = over_replicates(metrics)
    drawn = means[means["round"].isin(list(rounds))]
    base = means[(means["round"] == BASE) & means["seed_set"].isin(drawn["seed_set"])]
    columns = [column for column in PANELS if drawn[column].fillna(0).any()]
    lines = -(-len(columns) // _COLUMNS)
    figure = style.new_figure(height=0.9 + 1.45 * lines)
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).flatten()
    for place, (axes, column) in enumerate(zip(panels, columns, strict=False)):
        for name in rounds:
            style.thin_lines(axes, metrics[metrics["round"] == name], column, looks[name]["color"])
            look = looks[name] | {"label": names[name], "markersize": 3.5, "linewidth": 1.3}
            style.line_over_generations(axes, drawn[drawn["round"] == name], column, **look)
        for number, value in enumerate(base[column].dropna()):
            axes.axhline(value, label=None if number else "base model", **style.BASE_MODEL)
        if column in _SHARES:
            axes.yaxis.set_major_formatter(style.per_cent)
        style.generation_axis(axes)
        # Only the lowest panel of each column of panels names the axis.
        if place + _COLUMNS < len(columns):
            axes.set_xlabel("")
        axes.set_title(style.letter(place, len(columns)) + PANELS[column], fontsize="small")
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    style.legend_below(figure, *panels)
    return figure


def write_diversity(metrics_file: Path, out: Sequence[Path], *, labels: Sequence[str], rounds: Sequence[str]) -> None:
    """Read the metrics table and write `diversity` to each of `out` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    style.save_figure(diversity(metrics, rounds), out)
