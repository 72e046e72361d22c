"""Labels of what models write, by the label of the real article that the prompts are from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas.diversity import EVENT_SHARES, TRANSITIONS
from bias_amplification.figures import style
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.study.sections import Corpus
from bias_amplification.study.unit import with_unit

#: Most panels beside each other.
_COLUMNS = 4


@style.styled
def transitions(table: pd.DataFrame, labels: Sequence[str], round_name: str, unit: str = "article") -> Figure:
    """Draw the labels of a round's articles over generations: one panel for each label of the real articles.

    Parameters
    ----------
    table
        The table of transitions (`TRANSITIONS`).
    labels
        The label set, in the order of panels and legend.
    round_name
        The round to draw.
    unit
        The study's word for an article.

    Returns
    -------
    Figure
        A bar for each generation is divided by the labels of its articles. The label of the real articles is lowest.
        The black line is the 95% interval of its share: between replicates, or over articles if there is one replicate.
    """
    rows = table[(table["round"] == round_name) & table["generation"].notna()]
    real = [label for label in labels if label in set(rows["label"])]
    columns = min(_COLUMNS, len(real))
    lines = -(-len(real) // columns)
    figure = style.new_figure(height=0.9 + 1.9 * lines, width=max(3.6, style.PAGE_WIDTH * columns / _COLUMNS))
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for place, (axes, label) in enumerate(zip(panels, real, strict=False)):
        own = rows[rows["label"] == label]
        _bars(axes, own, label, labels)
        if place + columns < len(real):
            axes.set_xlabel("")
        if place % columns == 0:
            axes.set_ylabel(with_unit("Articles (%)", unit))
        # In some generations, texts are too short to have a label.
        count = own.groupby(["replicate", "generation"])["articles"].sum().max()
        number = with_unit(f"{count:,.0f} articles", unit)
        axes.set_title(f"{style.letter(place, len(real))}real: {label}\n{number}", fontsize="small")
    for axes in panels[len(real) :]:
        axes.set_axis_off()
    style.legend_below(figure, _legend_of_labels(panels[0], labels))
    return figure


def _bars(axes: Axes, rows: pd.DataFrame, own: str, labels: Sequence[str]) -> None:
    """Draw the bars of one panel, the share of the label `own` lowest."""
    colours = style.label_colours(labels)
    means = rows.groupby(["predicted", "generation"])["share"].mean()
    kept = _over_generations(rows[rows["predicted"] == own])
    generations = kept["generation"].to_numpy(dtype=float)
    bottom = np.zeros(len(generations))
    for label in sorted(labels, key=lambda label: label != own):
        # A generation in which no text has a label has no bar.
        height = np.nan_to_num(means[label].sort_index().to_numpy())
        axes.bar(generations, height, 0.92, bottom, color=colours[label], edgecolor="white", linewidth=0.3, gid=label)
        bottom += height
    share, low, high = (kept[f"share{end}"].to_numpy() for end in ("", "_low", "_high"))
    axes.errorbar(
        generations, share, yerr=np.clip([share - low, high - share], 0, None), fmt="none", ecolor="black", elinewidth=1
    )
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(style.per_cent)
    axes.grid(False)
    style.generation_axis(axes, ticks=6)


def _over_generations(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean share over replicates for each generation, in order, with its interval."""
    named = ["round", "replicate", "generation", "seed_set", "share", "share_low", "share_high"]
    return over_replicates(rows[named]).sort_values("generation")


def _legend_of_labels(axes: Axes, labels: Sequence[str]) -> Axes:
    """Give a panel one entry of the legend for each label, in their order."""
    for label, colour in style.label_colours(labels).items():
        axes.scatter([], [], color=colour, label=label, marker="s", s=50)
    return axes


def first_and_last(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Compare the labels of each round's articles in its first and its last generation.

    Parameters
    ----------
    table
        `TRANSITIONS` or `EVENT_SHARES`.
    by
        What the articles are divided by: "label", the real article's, or "event_id".

    Returns
    -------
    pd.DataFrame
        For readers: a row for each round, value of `by` and predicted label, with the shares in per cent and their 95%
        intervals, between replicates or over articles if there is one replicate.
    """
    events = by == "event_id"
    rows = []
    keys = ["round", by, "predicted"]
    for about, own in table[table["generation"].notna()].groupby(keys, sort=False):
        row = [*about, own["real_articles"].mean()] if events else [*about]
        shares = _over_generations(own)
        for place in (0, -1):
            ends = (100 * shares.iloc[place][f"share{end}"] for end in ("", "_low", "_high"))
            row.append(with_interval(*ends, digits=1))
        rows.append(row)
    columns = ["round", "event" if events else "real label", "label of what is written"]
    columns += ["real articles with this label"] if events else []
    return pd.DataFrame(rows, columns=[*columns, "first generation (%)", "last generation (%)"])


def write_transitions(transitions_file: Path, out: Sequence[Path], *, corpus: Corpus, round_name: str) -> None:
    """Read the table of transitions and write `transitions` to each of `out` (.png, .svg, .pdf)."""
    table = read_table(transitions_file, TRANSITIONS).to_pandas()
    style.save_figure(transitions(table, corpus.labels, round_name, corpus.unit), out)


def write_transitions_table(transitions_file: Path, out: Sequence[Path], *, unit: str = "article") -> None:
    """Read the table of transitions and write `first_and_last` by real label to each of `out` (.csv, .html)."""
    table = first_and_last(read_table(transitions_file, TRANSITIONS).to_pandas(), "label")
    write_table_for_reading(table, out, "Labels of what models write, by the label of the real article", unit)


def write_event_table(events_file: Path, out: Sequence[Path], *, unit: str = "article") -> None:
    """Read the shares by event and write `first_and_last` by event to each of `out` (.csv, .html)."""
    table = first_and_last(read_table(events_file, EVENT_SHARES).to_pandas(), "event_id")
    write_table_for_reading(table, out, "Labels of what models write, by event or topic", unit)
