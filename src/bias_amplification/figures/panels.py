"""Figures of many small panels over generations: diversity of the articles, and degenerate texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.measures.article_measures import MEASURES
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.published.record import BASE
from bias_amplification.study.sections import Corpus
from bias_amplification.study.unit import with_unit

#: Panels of each figure: column of the metrics table, and title.
DIVERSITY = {
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
}
DEGENERATION = {
    "empty": "Empty (%)",
    "short": "Too few words (%)",
    "repetitive": "Repetitive (%)",
    "copied": "Copied (%)",
    "degenerate": "Any of these (%)",
    "readable": "Readable (%)",
}
FIGURES = {"diversity": DIVERSITY, "degeneration": DEGENERATION}
_COLUMNS = 3


@style.styled
def panels_over_generations(
    metrics: pd.DataFrame, rounds: Sequence[str], titles: Mapping[str, str], unit: str = "article"
) -> Figure:
    """Draw measures over generations: one small panel per measure, one line per round.

    Parameters
    ----------
    metrics
        The metrics table: `round`, `replicate`, `generation`, `seed_set`, `strategy`, `decoding`, and each column of
        `titles` with its `_low` and `_high`.
    rounds
        Rounds to draw, in the order of the legend.
    titles
        Title of each measure's panel. A title that ends in (%) is of a share, which is drawn in per cent.
    unit
        The study's word for an article.

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
    # That no text is readable is what the figure is for.
    columns = [column for column in titles if column == "readable" or drawn[column].fillna(0).any()]
    lines = max(1, -(-len(columns) // _COLUMNS))
    figure = style.new_figure(height=0.9 + 1.45 * lines)
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).flatten()
    for place, (axes, column) in enumerate(zip(panels, columns, strict=False)):
        for name in rounds:
            style.thin_lines(axes, metrics[metrics["round"] == name], column, looks[name]["color"])
            look = looks[name] | {"label": names[name], "markersize": 3.5, "linewidth": 1.3}
            style.line_over_generations(axes, drawn[drawn["round"] == name], column, **look)
        for number, value in enumerate(base[column].dropna()):
            axes.axhline(value, label=None if number else "base model", **style.BASE_MODEL)
        if titles[column].endswith("(%)"):
            axes.yaxis.set_major_formatter(style.per_cent)
        style.generation_axis(axes)
        # Only the lowest panel of each column of panels names the axis.
        if place + _COLUMNS < len(columns):
            axes.set_xlabel("")
        axes.set_title(style.letter(place, len(columns)) + with_unit(titles[column], unit), fontsize="small")
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    style.legend_below(figure, *panels)
    return figure


def write_panels(
    metrics_file: Path, out: Sequence[Path], *, corpus: Corpus, rounds: Sequence[str], figure: str
) -> None:
    """Read the metrics table and draw the panels of a figure (one of `FIGURES`) to each of `out` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    style.save_figure(panels_over_generations(metrics, rounds, FIGURES[figure], corpus.unit), out)
