"""The look of every figure, and how a figure becomes files."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from bias_amplification.artifacts import new_file
from bias_amplification.study.strategies import STRATEGIES, control_names

#: The colours of Okabe and Ito (2008), without their yellow, which is too faint for a line on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "<", ">")
#: Controls are grey, with markers of their own.
CONTROL_PALETTE, CONTROL_MARKERS = ("#4d4d4d", "#808080", "#a6a6a6"), ("X", "P", "*")
LINES = ("-", "--", "-.", ":")
#: Labels of articles have colours of their own, so that a label is not mistaken for a strategy (after P. Tol).
LABEL_PALETTE = ("#6699CC", "#EECC66", "#CC6677", "#44AA99", "#AA4499", "#999933", "#AAAAAA", "#117733")
QUIET = "#666666"
#: Published numbers beside a run's own: thin pale lines without markers, behind the run's lines.
PUBLISHED = {"linestyle": (0, (4, 1.5)), "linewidth": 1.1, "alpha": 0.6, "zorder": 1.5, "gid": "published"}
#: The base model's value, as a reference line.
BASE_MODEL = {"color": QUIET, "linestyle": ":", "linewidth": 1.4}
#: The single replicates of a round, behind the line of their mean.
REPLICATE = {"linewidth": 0.7, "alpha": 0.45, "zorder": 1.6, "gid": "replicate"}
#: Histograms under permutation, and the range that chance gives.
CHANCE, CHANCE_RANGE = "#9fb3c8", "#dde5ee"
#: Colours of successive generations, and of correlations.
RAMP, DIVERGING = "viridis", "RdBu_r"

#: Width of the text of a printed page, in inches. Figures are printed at this size, so 9 points stay 9 points.
PAGE_WIDTH = 7.2
#: Height of a line of a legend, in inches, and the lines for which figures have room below their panels.
_LEGEND_LINE, _LEGEND_LINES = 0.175, 4

STYLE = {
    **seaborn.axes_style("ticks"),
    **seaborn.plotting_context("paper", font_scale=0.94),
    "font.sans-serif": ["DejaVu Sans"],
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e2e2e2",
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "lines.markersize": 5,
    "lines.markeredgecolor": "white",
    "lines.markeredgewidth": 0.6,
    "savefig.dpi": 200,
    "svg.hashsalt": "bias-amplification",
    "pdf.fonttype": 42,
}

#: Metadata that would differ between two runs or name the machine's software is left out.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

Parameters = ParamSpec("Parameters")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Make a drawing function use the study's style instead of the user's matplotlib settings."""

    @functools.wraps(draw)
    def in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return in_style


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """Return an empty figure with automatic layout, unknown to pyplot. Sizes are in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, out: Sequence[Path]) -> None:
    """Write a figure to each of `out`, completely or not at all. The same figure gives the same bytes.

    Parameters
    ----------
    figure
        The figure to write.
    out
        The files to make, each ending in .png (200 dots per inch), .svg or .pdf.

    Raises
    ------
    ValueError
        If a path has another ending.
    """
    paths = [Path(path) for path in out]
    unknown = [str(path) for path in paths if path.suffix not in _METADATA]
    if unknown:
        raise ValueError(f"figures are written as {', '.join(_METADATA)}, not as {', '.join(unknown)}")
    for path in paths:
        with matplotlib.style.context(["default", STYLE]), new_file(path) as temporary:
            figure.savefig(temporary, metadata=_METADATA[path.suffix])
            if path.suffix == ".png":
                _reduce_colours(temporary)


def _reduce_colours(picture: Path) -> None:
    """Write a PNG file again with 256 colours, as many as a drawing needs. It is then a third as large."""
    from PIL import Image

    with Image.open(picture) as image:
        dots, colours = image.info["dpi"], image.convert("RGB")
    few = colours.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(picture, format="png", optimize=True, dpi=dots)


def plain_number(value: float, _position: int | None = None) -> str:
    """Format a tick without trailing zeros."""
    return f"{value:g}"


def per_cent(value: float, _position: int | None = None) -> str:
    """Format a tick at a fraction in per cent, without trailing zeros."""
    return f"{100 * value:.4g}".replace("-", "\N{MINUS SIGN}")  # as in matplotlib's own ticks


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each label of articles, in the order of the label set."""
    return dict(zip(labels, _colours(LABEL_PALETTE, len(labels)), strict=False))


def _colours(first: Sequence[str], number: int) -> list[str]:
    """Return at least `number` different colours: those of a palette, then others that are unlike them and each other.

    The others are evenly spaced hues of three lightnesses, of which none is too faint on white.
    """
    colours = [*first]
    others = [
        to_hex(colour)
        for lightness in (0.4, 0.55, 0.7)
        for colour in seaborn.husl_palette(max(24, number), l=lightness)
    ]
    points = np.array([to_rgb(colour) for colour in others])  # [others, 3]
    nearest = np.full(len(others), np.inf)
    for place in range(number):
        if place >= len(first):
            # The one that is least like any of those that are taken.
            colours.append(others[int(nearest.argmax())])
        nearest = np.minimum(nearest, np.linalg.norm(points - to_rgb(colours[place]), axis=1))
    return colours


def round_names(metrics: pd.DataFrame, rounds: Sequence[str]) -> dict[str, str]:
    """Return a name for the legend for each of `rounds`.

    It is the shortest that distinguishes them: the strategy, the strategy with the decoding, or the round's own name.

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


def strategy_appearance(strategies: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return colour and marker of each strategy: always the same ones, whatever strategies a study has.

    A strategy's place among the declared ones decides. Names that are not declared, which another project's tables may
    have, come after these.
    """
    names, controls = list(strategies), control_names()
    others = dict.fromkeys(name for name in (*STRATEGIES, *names) if name not in controls)
    looks = {}
    for of, palette, markers in ((others, PALETTE, MARKERS), (controls, CONTROL_PALETTE, CONTROL_MARKERS)):
        for place, (name, colour) in enumerate(zip(of, _colours(palette, len(of)), strict=False)):
            looks[name] = {"color": colour, "marker": markers[place % len(markers)]}
    return {name: looks[name] for name in names}


def round_appearance(metrics: pd.DataFrame, rounds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour, marker and line style of each round: colour and marker are those of its strategy.

    Rounds of one figure with the same strategy differ in their lines, and, if there are more of them than kinds of
    lines, in the lightness of their colour.
    """
    first = metrics[metrics["generation"].notna()].drop_duplicates("round").set_index("round")["strategy"]
    # A table of another project may name no strategies.
    strategies = {name: str(name if pd.isna(first[name]) else first[name]) for name in rounds}
    looks, places = strategy_appearance(strategies.values()), Counter[str]()
    found = {}
    for name, kind in strategies.items():
        shade, line = divmod(places[kind], len(LINES))
        places[kind] += 1
        found[name] = {**looks[kind], "color": _shade(looks[kind]["color"], shade), "linestyle": LINES[line]}
    return found


def _shade(colour: str, step: int) -> str:
    """Return a colour mixed with white or black, differently at every step; at step 0, the colour itself."""
    if not step:
        return colour
    # Multiples of the golden ratio are spread evenly, however many there are.
    place = 2 * (step * 0.6180339887 % 1) - 1
    amount, ground = 0.15 + 0.5 * abs(place), 1.0 if place > 0 else 0.0
    return to_hex([(1 - amount) * part + amount * ground for part in to_rgb(colour)])


def letter(position: int, of: int) -> str:
    """Return the letter of a panel, "(a) " for the first; an empty text if there is only one panel.

    After "(z) " come "(aa) ", "(ab) " and so on.
    """
    if of <= 1:
        return ""
    name, rest = "", position
    while rest >= 0:
        rest, last = divmod(rest, 26)
        name, rest = chr(ord("a") + last) + name, rest - 1
    return f"({name}) "


def legend_below(figure: Figure, *panels: Axes) -> None:
    """Draw one legend for all panels below them, in as many columns as fit into the width of the figure.

    If it has more than a few lines, the figure becomes higher by the rest of them, so that the panels keep their size.
    If one of its texts is wider than the figure, the figure becomes wider.
    """
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(text, handle)
    if not entries:
        return
    # In inches: a letter of 8.3 points is about 0.07 wide; the line's sample and the gaps take 0.6.
    widths = [0.6 + 0.07 * len(text) for text in entries]
    room = max(figure.get_figwidth(), *widths)
    figure.set_figwidth(room)
    columns = len(entries) if sum(widths) <= room else max(1, int(room / max(widths)))
    lines = -(-len(entries) // columns)
    figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * max(0, lines - _LEGEND_LINES))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=-(-len(entries) // lines))


def note(axes: Axes, text: str) -> None:
    """Write a text in the upper right corner of a panel, on a pale ground in case a line lies behind it."""
    ground = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    axes.annotate(
        text, (0.97, 0.96), xycoords="axes fraction", ha="right", va="top", fontsize=8.5, color="#333333", bbox=ground
    )  # fmt: skip


def line_over_generations(axes: Axes, rows: pd.DataFrame, column: str, *, band: bool = True, **look: Any) -> None:
    """Draw a column of the metrics table over generations. Generations without a value are skipped.

    Parameters
    ----------
    axes
        The panel.
    rows
        Rows of one round of the metrics table.
    column
        The column to draw.
    band
        Whether to draw the 95% interval (`{column}_low` to `{column}_high`) as a band.
    look
        Colour, label and so on of the line.
    """
    known = rows[rows[column].notna()].sort_values("generation").astype({"generation": float})
    if known.empty:
        return
    if band:
        ends = (known[f"{column}_{end}"] for end in ("low", "high"))
        axes.fill_between(known["generation"], *ends, color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(known["generation"], known[column], **look)


def thin_lines(axes: Axes, rows: pd.DataFrame, column: str, color: str) -> None:
    """Draw a column of the metrics table over generations, one thin line for each replicate if there are several.

    Parameters
    ----------
    axes
        The panel.
    rows
        Rows of one round of the metrics table.
    column
        The column to draw.
    color
        Colour of the lines.
    """
    if rows["replicate"].nunique() < 2:
        return
    for _, own in rows[rows[column].notna()].sort_values("generation").groupby("replicate"):
        axes.plot(own["generation"].astype(float), own[column], color=color, **REPLICATE)


def generation_axis(axes: Axes, ticks: int = 11) -> None:
    """Label the x axis with whole generations, at most `ticks` of them."""
    axes.set_xlabel("Generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=ticks))


def logarithmic_axis(axes: Axes) -> None:
    """Make the y axis logarithmic, with plain numbers at close ticks. Call it after the data are drawn."""
    low, high = axes.dataLim.intervaly
    span = high / low if 0 < low <= high else float("inf")
    axes.set_yscale("log", nonpositive="clip")
    if span < 2.5:
        axes.yaxis.set_major_locator(MaxNLocator(6))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 7, 8) if span < 12 else (1, 2, 5)))
    axes.yaxis.set_major_formatter(plain_number)
    axes.yaxis.set_minor_locator(NullLocator())
