"""Tests of the neurons beside the range of chance: quantiles, counts, overlaps, and a map of the layers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import (
    NEURON_NULL,
    NEURON_OVERLAP,
    NEURON_REGRESSION,
)
from bias_amplification.figures import style
from bias_amplification.figures.neuron_validity import ALL_VALID, TESTS_OF, Invalid, mark_single_tests, read_invalid
from bias_amplification.figures.neurons import layer_heatmap, words
from bias_amplification.neurons.null_tables import null_column
from bias_amplification.study.sections import Neurons

#: Points of a quantile plot: this many over all ranks, and in any case the smallest p-values.
POINTS, ALL_OF_SMALLEST = 400, 100
#: Neurons in one line of a layer map. A wider layer takes several lines, so that every neuron stays visible.
COLUMNS = 768
#: Kinds of neurons in a layer map, by number.
KINDS = ("neither", "bias", "text quality", "both")
KIND_COLOURS = ("#eef1f4", style.PALETTE[0], style.PALETTE[4], style.PALETTE[6])
#: Words for the moves of a scheme.
MOVES = {
    "flip_generations": "signs of generations flipped",
    "exchange_replicates": "replicates exchanged",
    "flip": "signs of rounds flipped",
    "exchange": "rounds exchanged",
    "shift": "changes shifted",
}
#: Words for the outcomes that were permuted.
PERMUTED = {"both": "both permuted", "bias": "bias permuted", "quality": "quality permuted"}


@style.styled
def quantiles(regression: pd.DataFrame) -> Figure:
    """Draw the p-values of each measure and outcome against those that chance gives.

    Parameters
    ----------
    regression
        Columns `measure`, `outcome`, `p_value` of `artifacts.schemas.NEURON_REGRESSION`.

    Returns
    -------
    Figure
        One point per neuron: -log10 of its p-value against -log10 of the value that a uniform p-value of this rank
        would have. Grey band: 95% of the points of independent neurons (Beta distribution of order statistics).
    """
    measures, outcomes = (list(dict.fromkeys(regression[name])) for name in ("measure", "outcome"))
    figure = style.new_figure(height=0.5 + 2.5 * len(measures))
    panels = figure.subplots(len(measures), len(outcomes), squeeze=False)
    for place, (measure, outcome) in enumerate((m, o) for m in measures for o in outcomes):
        axes = panels[divmod(place, len(outcomes))]
        rows = regression[(regression["measure"] == measure) & (regression["outcome"] == outcome)]
        _quantile_panel(axes, np.sort(rows["p_value"].dropna().to_numpy(dtype=float)))
        axes.set_title(f"{style.letter(place, panels.size)}{words(measure)} and {words(outcome)}")
    for axes in panels[-1]:
        axes.set_xlabel("-log10 p, by chance")
    for axes in panels[:, 0]:
        axes.set_ylabel("-log10 p, observed")
    style.legend_below(figure, *panels.ravel())
    return figure


def _quantile_panel(axes: Axes, p_values: np.ndarray) -> None:
    """Draw the band, the diagonal and the points of one panel, from ascending p-values."""
    from scipy.stats import beta

    number = len(p_values)
    if not number:
        axes.annotate("no p-values", (0.5, 0.5), xycoords="axes fraction", ha="center", color=style.QUIET)
        return
    spread = np.unique(np.geomspace(1, number, POINTS).astype(int))
    rank = np.union1d(np.arange(1, min(number, ALL_OF_SMALLEST) + 1), spread)
    expected = -np.log10((rank - 0.5) / number)
    low, high = (-np.log10(beta.ppf(end, rank, number - rank + 1)) for end in (0.975, 0.025))
    axes.fill_between(expected, low, high, color=style.CHANCE_RANGE, linewidth=0, label="95% of independent neurons")
    axes.plot(expected[[0, -1]], expected[[0, -1]], color="black", linewidth=0.9, label="chance")
    found = -np.log10(np.maximum(p_values[rank - 1], 1e-300))
    axes.plot(expected, found, "o", markersize=3, color=style.PALETTE[0], markeredgewidth=0, label="neurons")
    axes.margins(0.03)


@style.styled
def counts(null: pd.DataFrame, overlap: pd.DataFrame, invalid: Invalid = ALL_VALID) -> Figure:
    """Draw the counts of neurons beside their distributions under permutation of the outcomes.

    Parameters
    ----------
    null
        As in `artifacts.schemas.NEURON_NULL`. The first scheme of the table is drawn.
    overlap
        As in `artifacts.schemas.NEURON_OVERLAP`.
    invalid
        From `neuron_validity.not_valid_here`; these tests are marked.

    Returns
    -------
    Figure
        One row of panels per measure: bias, text quality, both. The line is the observed count, with its p-value.
    """
    figure = _null_panels(
        null,
        overlap,
        [("bias", "bias", "p_bias"), ("quality", "text quality", "p_quality"), ("both", "both", "p_both")],
        invalid,
    )
    for axes in figure.axes[-3:]:
        axes.set_xlabel("Significant neurons")
    style.legend_below(figure, *figure.axes)
    return figure


@style.styled
def overlaps(null: pd.DataFrame, overlap: pd.DataFrame, invalid: Invalid = ALL_VALID) -> Figure:
    """Draw how far bias and text quality agree over neurons, beside the distributions under permutation.

    Parameters
    ----------
    null, overlap, invalid
        As for `counts`.

    Returns
    -------
    Figure
        One row of panels per measure: the overlap of the two sets of neurons; the rank correlation of |t|; the number
        of neurons whose two slopes have the same sign. Each panel shows the permutations with the largest p-value
        (both outcomes, bias alone or quality alone), which are named below the p-value. The verdict on the overlap
        is below each row.
    """
    figure = _null_panels(
        null,
        overlap,
        [
            ("matched", "overlap", "p_matched"),
            ("rank_agreement", "rank correlation of |t|", "p_rank_agreement"),
            ("same_sign", "slopes of the same sign", "p_same_sign"),
        ],
        invalid,
    )
    for axes, (_, row) in zip(np.reshape(figure.axes, (-1, 3))[:, 0], _whole(overlap).iterrows(), strict=True):
        if pd.notna(row["expected_by_layer"]):
            axes.axvline(row["expected_by_layer"], color=style.PALETTE[2], linestyle=":", label="independent sets")
        axes.set_xlabel(row["verdict"], fontstyle="italic")
    style.legend_below(figure, *figure.axes)
    return figure


def _whole(overlap: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first scheme over all layers, one per measure."""
    return overlap[(overlap["scheme"] == overlap["scheme"].iloc[0]) & overlap["layer"].isna()]


def _null_panels(
    null: pd.DataFrame,
    overlap: pd.DataFrame,
    columns: Sequence[tuple[str, str, str]],
    invalid: Invalid,
) -> Figure:
    """Draw one row of distributions per measure.

    Each of `columns` is a column of `null`, the title of its panel, and the column of `overlap` with the p-value.
    """
    scheme = null["scheme"].iloc[0]
    null = null[null["scheme"] == scheme]
    rows, wrong = _whole(overlap), invalid.get(scheme, {})
    how = ", ".join(MOVES[move] for move in scheme.split("+"))
    figure = style.new_figure(height=0.6 + 2.1 * len(rows))
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (_, row) in zip(panels, rows.iterrows(), strict=True):
        mine = null[null["measure"] == row["measure"]].sort_values("permutation")
        for place, (axes, (name, title, p_name)) in enumerate(zip(line, columns, strict=True)):
            moved = row.get(f"{name}_null")
            column = null_column(name, moved) if isinstance(moved, str) else name
            values = mine[column].to_numpy(dtype=float)
            lead = f"{words(row['measure'])}: " if place == 0 else ""
            axes.set_title(f"{lead}{title}")
            notes = [PERMUTED[moved]] if isinstance(moved, str) else []
            notes += ["not valid here"] * any(test in wrong for test in TESTS_OF[name])
            _null_panel(axes, values, row[p_name], notes, how)
            axes.tick_params(axis="y", labelleft=False, length=0)
            axes.grid(False)
        line[0].set_ylabel("Permutations")
    return figure


def _null_panel(axes: Axes, values: np.ndarray, p_value: float | None, notes: Sequence[str], how: str) -> None:
    """Draw one distribution with its 95% range; the first value is the observed one and gets a line."""
    if not np.isfinite(values).all():
        axes.annotate("not known", (0.5, 0.5), xycoords="axes fraction", ha="center", color=style.QUIET)
        return
    low, high = np.quantile(values, [0.025, 0.975])
    axes.axvspan(low, high, color=style.CHANCE_RANGE, linewidth=0, label=f"95% of {len(values):,} permutations: {how}")
    whole = bool((values == np.round(values)).all())
    # Each bar must hold the same number of whole numbers, otherwise the heights would alternate.
    step = max(1, round(np.ptp(values) / 35))
    bins = {"binwidth": step, "binrange": (values.min() - 0.5, values.max() + 0.5)} if whole else {"bins": 35}
    seaborn.histplot(values, **bins, color=style.CHANCE, alpha=1, linewidth=0, ax=axes)
    axes.axvline(values[0], color=style.PALETTE[1], linewidth=2, label="observed")
    number = f"{values[0]:,.0f}" if whole else f"{values[0]:.3f}"
    text = f"{number}\np = {p_value:.3g}" if p_value is not None and np.isfinite(p_value) else number
    style.note(axes, "\n".join([text, *notes]))
    # Space for the note above the bars.
    axes.set_ylim(0, axes.get_ylim()[1] * (1.35 + 0.2 * len(notes)))
    axes.set_ylabel("")
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


@style.styled
def layer_map(regression: pd.DataFrame, overlap: pd.DataFrame, alpha: float) -> Figure:
    """Draw where the significant neurons are: layers from top to bottom, neurons from left to right.

    Parameters
    ----------
    regression
        As in `artifacts.schemas.NEURON_REGRESSION`.
    overlap
        As in `artifacts.schemas.NEURON_OVERLAP`.
    alpha
        Significance level; a neuron with p of at most alpha is marked.

    Returns
    -------
    Figure
        One panel per measure. Beside it, each layer's counts as bars, and the 95% range under permutation as lines.
    """
    measures = list(dict.fromkeys(regression["measure"]))
    layers = sorted(regression["layer"].unique())
    figure = style.new_figure(height=0.7 + len(measures) * (0.7 + max(1.3, 0.19 * len(layers))))
    panels = figure.subplots(len(measures), 2, squeeze=False, width_ratios=[2.6, 1])
    look = {"vmin": 0, "vmax": len(KINDS) - 1, "cmap": ListedColormap(list(KIND_COLOURS))}
    for place, (measure, (image_axes, bar_axes)) in enumerate(zip(measures, panels, strict=True)):
        image = _kinds(regression[regression["measure"] == measure], layers, alpha)
        lines = len(image) // len(layers)
        layer_heatmap(image_axes, image, layers, lines, **look)
        image_axes.set_ylabel("Layer")
        image_axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        image_axes.xaxis.set_major_formatter("{x:.0f}")
        image_axes.set_title(f"{style.letter(place, len(measures))}{words(measure)}")
        _layer_bars(bar_axes, overlap[overlap["measure"] == measure], layers)
    panels[-1, 0].set_xlabel("Neuron of the layer" + (f", {lines} lines per layer" if lines > 1 else ""))
    panels[-1, 1].set_xlabel("Neurons")
    for kind, colour in zip(KINDS[1:], KIND_COLOURS[1:], strict=True):
        panels[0, 0].plot([], [], "s", color=colour, label=f"{kind}, p ≤ {alpha:g}")
    style.legend_below(figure, panels[0, 0], panels[0, 1])
    return figure


def _kinds(rows: pd.DataFrame, layers: Sequence[int], alpha: float) -> np.ndarray:
    """Return the kind of each neuron, shape [layers x lines, columns]; NaN after the last neuron of a layer."""
    wide = rows.pivot(index=["layer", "neuron"], columns="outcome", values="p_value").astype(float) <= alpha
    kind = (wide["bias"] * 1 + wide["quality"] * 2).sort_index()
    width = max(len(kind.loc[layer]) for layer in layers)
    lines = -(-width // COLUMNS)
    columns = -(-width // lines)
    image = np.full((len(layers), lines * columns), np.nan)
    for place, layer in enumerate(layers):
        values = kind.loc[layer].to_numpy()
        image[place, : len(values)] = values
    return image.reshape(len(layers) * lines, columns)


def _layer_bars(axes: Axes, overlap: pd.DataFrame, layers: Sequence[int]) -> None:
    """Draw each layer's counts for bias and for text quality, and their ranges under permutation."""
    rows = overlap[(overlap["scheme"] == overlap["scheme"].iloc[0]) & overlap["layer"].notna()]
    rows = rows.set_index(rows["layer"].astype(int)).loc[[int(layer) for layer in layers]]
    place = np.arange(len(layers))
    for offset, name, colour in ((-0.2, "bias", KIND_COLOURS[1]), (0.2, "quality", KIND_COLOURS[2])):
        axes.barh(place + offset, rows[name], height=0.36, color=colour)
        label = "95% of permutations" if name == "bias" else None
        axes.hlines(
            place + offset, rows[f"{name}_low"], rows[f"{name}_high"], color="black", linewidth=1.1, label=label
        )
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.set(ylim=(len(layers) - 0.5, -0.5), yticks=[])
    axes.xaxis.get_major_locator().set_params(integer=True)
    if not rows[["bias", "bias_high", "quality", "quality_high"]].to_numpy().any():
        axes.set(xlim=(0, 1))
        tested = rows["tested"].sum()
        style.note(axes, f"none of {tested:,} tested" if tested else "no neuron tested")


def write_quantiles(regression_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/regression.parquet` and write `quantiles` to each of `out` (.png, .svg, .pdf)."""
    table = read_table(regression_file, NEURON_REGRESSION, ["measure", "outcome", "p_value"]).to_pandas()
    style.save_figure(mark_single_tests(quantiles(table), read_invalid(calibration_file, world_file)), out)


def write_counts(
    null_file: Path, overlap_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]
) -> None:
    """Read the tables of the null distributions and write `counts` to each of `out` (.png, .svg, .pdf)."""
    style.save_figure(counts(*_read(null_file, overlap_file, calibration_file, world_file)), out)


def write_overlaps(
    null_file: Path, overlap_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]
) -> None:
    """Read the tables of the null distributions and write `overlaps` to each of `out` (.png, .svg, .pdf)."""
    style.save_figure(overlaps(*_read(null_file, overlap_file, calibration_file, world_file)), out)


def _read(null: Path, overlap: Path, calibration: Path, world: Path) -> tuple[pd.DataFrame, pd.DataFrame, Invalid]:
    tables = (read_table(path, schema).to_pandas() for path, schema in ((null, NEURON_NULL), (overlap, NEURON_OVERLAP)))
    return *tables, read_invalid(calibration, world)


def write_layer_map(
    regression_file: Path,
    overlap_file: Path,
    calibration_file: Path,
    world_file: Path,
    out: Sequence[Path],
    *,
    neurons: Neurons,
) -> None:
    """Read `neurons/regression.parquet` and `overlap.parquet` and write `layer_map` to each of `out`."""
    columns = ["layer", "neuron", "measure", "outcome", "p_value"]
    regression = read_table(regression_file, NEURON_REGRESSION, columns).to_pandas()
    overlap = read_table(overlap_file, NEURON_OVERLAP).to_pandas()
    figure = layer_map(regression, overlap, neurons.alpha)
    style.save_figure(mark_single_tests(figure, read_invalid(calibration_file, world_file)), out)
