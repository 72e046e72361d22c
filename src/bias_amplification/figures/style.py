"""How every figure of the study looks, and how it becomes files."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from bias_amplification.artifacts import new_file

#: Okabe and Ito's colours (2008) without their yellow, which is too faint for a line on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "<", ">")
LINES = ("-", "--", "-.", ":")
#: Labels of articles have colours of their own, so that nobody takes a label for a strategy (after P. Tol).
LABEL_PALETTE = ("#6699CC", "#EECC66", "#CC6677", "#44AA99", "#AA4499", "#999933", "#AAAAAA", "#117733")
QUIET = "#666666"
#: Published numbers beside a run's own: thin and pale, without markers, behind what the run found.
PUBLISHED = {"linestyle": (0, (4, 1.5)), "linewidth": 1.1, "alpha": 0.6, "zorder": 1.5, "gid": "published"}
RAMP = "viridis"
DIVERGING = "RdBu_r"

#: Width of a printed page's text, in inches: figures stand there unscaled, so 9 points stay 9 points.
PAGE_WIDTH = 7.2

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e2e2e2",
    "grid.linewidth": 0.7,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "lines.markersize": 5,
    "lines.markeredgecolor": "white",
    "lines.markeredgewidth": 0.6,
    "savefig.dpi": 200,
    "svg.hashsalt": "bias-amplification",
    "pdf.fonttype": 42,
}

#: What would make two runs' files differ, or tell whose machine made them, is left out.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

Parameters = ParamSpec("Parameters")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Make a drawing function use the study's style, whatever the user's own matplotlib settings are."""

    @functools.wraps(draw)
    def in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return in_style


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """Return an empty figure that lays itself out; sizes in inches. It is known to no pyplot state."""
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, outputs: Sequence[Path | str] | Path | str) -> None:
    """Write a figure to each of `outputs`, whole or not at all; the same figure gives the same bytes.

    Parameters
    ----------
    figure
        What to write.
    outputs
        One path or several, each ending in .png (200 dots an inch), .svg or .pdf.

    Raises
    ------
    ValueError
        If a path has another ending.
    """
    paths = [Path(path) for path in ([outputs] if isinstance(outputs, str | Path) else outputs)]
    unknown = [str(path) for path in paths if path.suffix not in _METADATA]
    if unknown:
        raise ValueError(f"figures are written as {', '.join(_METADATA)}, not as {', '.join(unknown)}")
    for path in paths:
        with matplotlib.style.context(["default", STYLE]), new_file(path) as temporary:
            figure.savefig(temporary, metadata=_METADATA[path.suffix])


def plain_number(value: float, _position: int | None = None) -> str:
    """Write a tick's number without needless zeros."""
    return f"{value:g}"


def per_cent(value: float, _position: int | None = None) -> str:
    """Write a fraction's tick in per cent, without needless zeros."""
    return f"{100 * value:.4g}"


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each label of articles, by the label set's order."""
    return {label: LABEL_PALETTE[i % len(LABEL_PALETTE)] for i, label in enumerate(labels)}


def round_names(metrics: pd.DataFrame, rounds: Sequence[str]) -> dict[str, str]:
    """Return the shortest name by which readers can tell `rounds` apart: strategy, with decoding, or the round's own.

    Parameters
    ----------
    metrics
        Columns `round`, `strategy`, `decoding`.
    rounds
        The rounds of one figure.
    """
    first = metrics[metrics["round"].isin(rounds)].drop_duplicates("round").set_index("round")
    for parts in (["strategy"], ["strategy", "decoding"]):
        names = {name: ", ".join(str(first.loc[name, part]) for part in parts) for name in rounds}
        if len(set(names.values())) == len(names) and not first.loc[list(rounds), parts].isna().any(axis=None):
            return {name: text.replace("_", " ") for name, text in names.items()}
    return {name: name.replace("_", " ") for name in rounds}


def round_appearance(metrics: pd.DataFrame, rounds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour, marker and line of each round; a strategy looks the same in every figure of a study.

    Rounds of one figure that share strategy and decoding (replicates, say) are told apart by their own place.
    """
    first = metrics[metrics["generation"].notna()].drop_duplicates("round")
    kinds = {row.round: (row.strategy, row.decoding) for row in first.itertuples()}
    order = list(dict.fromkeys(kinds.values()))
    places = {name: order.index(kinds[name]) for name in rounds}
    if len(set(places.values())) < len(places):
        places = {name: place for place, name in enumerate(rounds)}
    return {
        name: {
            "color": PALETTE[place % len(PALETTE)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINES[place // len(PALETTE) % len(LINES)],
        }
        for name, place in places.items()
    }


def letter(position: int, of: int) -> str:
    """Return the panel's letter, "(a) " for the first, or nothing where there is one panel only."""
    return f"({chr(ord('a') + position)}) " if of > 1 else ""


def legend_below(figure: Figure, *panels: Axes) -> None:
    """Put the legend of all panels below them, outside the data, in as many columns as the figure's width holds."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(text, handle)
    if not entries:
        return
    # A letter of 8.5 points is some 0.07 inches wide, a line's sample and the gaps 0.6.
    widths = [0.6 + 0.07 * len(text) for text in entries]
    room = figure.get_figwidth()
    columns = len(entries) if sum(widths) <= room else max(1, int(room / max(widths)))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def logarithmic_axis(axes: Axes) -> None:
    """Make the y axis logarithmic, its ticks plain numbers and near enough to read values off. Draw the data first."""
    low, high = axes.dataLim.intervaly
    span = high / low if 0 < low <= high else float("inf")
    axes.set_yscale("log", nonpositive="clip")
    if span < 2.5:
        axes.yaxis.set_major_locator(MaxNLocator(6))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 7, 8) if span < 12 else (1, 2, 5)))
    axes.yaxis.set_major_formatter(plain_number)
    axes.yaxis.set_minor_locator(NullLocator())
