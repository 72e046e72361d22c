"""What the neurons' tests found beside what chance gives: quantiles, counts, overlaps, layers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_NULL, NEURON_OVERLAP, NEURON_REGRESSION
from bias_amplification.figures import style
from bias_amplification.figures.neurons import words
from bias_amplification.neurons.null import null_column

#: Points drawn of a quantile plot's bulk; the smallest p-values are all drawn.
POINTS, ALL_OF_SMALLEST = 400, 100
#: Neurons in one line of a layer map; wider layers take several lines, so that no mark is lost.
COLUMNS = 768
NULL_COLOUR, RANGE_COLOUR = "#9fb3c8", "#dde5ee"
#: Neither, bias, text quality, both.
KINDS = ("neither", "bias", "text quality", "both")
KIND_COLOURS = ("#eef1f4", style.PALETTE[0], style.PALETTE[4], style.PALETTE[6])


MOVED_WORDS = {"both": "both moved", "bias": "bias moved", "quality": "quality moved"}


@style.styled
def quantiles(regression: pd.DataFrame) -> Figure:
    """Draw the p-values of each measure and outcome against those of chance, from largest to smallest.

    Parameters
    ----------
    regression
        Columns `measure`, `outcome`, `p_value` of `artifacts.schemas.NEURON_REGRESSION`.

    Returns
    -------
    Figure
        A point is a neuron: -log10 of its p-value above -log10 of the p-value that its rank would have among uniform
        ones. Grey: where 95% of the points of independent neurons lie (Beta distribution of order statistics).
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
        axes.set_xlabel("-log10 p of chance")
    for axes in panels[:, 0]:
        axes.set_ylabel("-log10 p found")
    style.legend_below(figure, *panels.ravel())
    return figure


def _quantile_panel(axes: Axes, p_values: np.ndarray) -> None:
    """Draw one panel's band, diagonal and points; ascending p-values."""
    from scipy.stats import beta

    number = len(p_values)
    if not number:
        axes.annotate("no p-values", (0.5, 0.5), xycoords="axes fraction", ha="center", color=style.QUIET)
        return
    spread = np.unique(np.geomspace(1, number, POINTS).astype(int))
    rank = np.union1d(np.arange(1, min(number, ALL_OF_SMALLEST) + 1), spread)
    expected = -np.log10((rank - 0.5) / number)
    low, high = (-np.log10(beta.ppf(end, rank, number - rank + 1)) for end in (0.975, 0.025))
    axes.fill_between(expected, low, high, color=RANGE_COLOUR, linewidth=0, label="95% of independent neurons")
    axes.plot(expected[[0, -1]], expected[[0, -1]], color="black", linewidth=0.9, label="chance")
    found = -np.log10(np.maximum(p_values[rank - 1], 1e-300))
    axes.plot(expected, found, "o", markersize=3, color=style.PALETTE[0], markeredgewidth=0, label="neurons")
    axes.margins(0.03)


@style.styled
def counts(null: pd.DataFrame, overlap: pd.DataFrame) -> Figure:
    """Draw the counts of neurons beside their distributions under permuted outcomes.

    Parameters
    ----------
    null
        As in `artifacts.schemas.NEURON_NULL`; the first scheme of the table is drawn.
    overlap
        As in `artifacts.schemas.NEURON_OVERLAP`.

    Returns
    -------
    Figure
        One row of panels a measure: bias, text quality, both. Line: the count found, with its p-value.
    """
    figure = _null_panels(
        null,
        overlap,
        [("bias", "bias", "p_bias"), ("quality", "text quality", "p_quality"), ("both", "both", "p_both")],
    )
    for axes in figure.axes[-3:]:
        axes.set_xlabel("Neurons below the threshold")
    style.legend_below(figure, *figure.axes)
    return figure


@style.styled
def overlaps(null: pd.DataFrame, overlap: pd.DataFrame) -> Figure:
    """Draw the agreement of bias and text quality over neurons beside its distributions under permuted outcomes.

    Parameters
    ----------
    null, overlap
        As for `counts`.

    Returns
    -------
    Figure
        One row of panels a measure: the overlap of the two sets, each as large as found; the correlation of the ranks
        of |t|; the neurons whose slopes have one sign. Of the three ways to permute, that which the value found sits
        in best is drawn, and named below the p-value. The verdict on the overlap stands below each row.
    """
    figure = _null_panels(
        null,
        overlap,
        [
            ("matched", "overlap", "p_matched"),
            ("rank_agreement", "rank correlation of |t|", "p_rank_agreement"),
            ("same_sign", "slopes of one sign", "p_same_sign"),
        ],
    )
    for axes, (_, row) in zip(np.reshape(figure.axes, (-1, 3))[:, 0], _whole(overlap).iterrows(), strict=True):
        if pd.notna(row["expected_by_layer"]):
            axes.axvline(row["expected_by_layer"], color=style.PALETTE[2], linestyle=":", label="independent sets")
        axes.set_xlabel(row["verdict"], fontstyle="italic")
    style.legend_below(figure, *figure.axes)
    return figure


def _whole(overlap: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first scheme over all layers, one a measure."""
    return overlap[(overlap["scheme"] == overlap["scheme"].iloc[0]) & overlap["layer"].isna()]


def _null_panels(null: pd.DataFrame, overlap: pd.DataFrame, columns: Sequence[tuple[str, str, str]]) -> Figure:
    """Draw one row of distributions a measure; columns are the null's column, a title, and the p-value's column."""
    null = null[null["scheme"] == null["scheme"].iloc[0]]
    rows = _whole(overlap)
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
            _null_panel(axes, values, row[p_name], MOVED_WORDS.get(moved, "") if isinstance(moved, str) else "")
            axes.tick_params(axis="y", labelleft=False, length=0)
            axes.grid(False)
        line[0].set_ylabel("Permutations")
    return figure


def _null_panel(axes: Axes, values: np.ndarray, p_value: float | None, moved: str) -> None:
    """Draw one distribution, its 95% range and the value found (the first), and say what was moved."""
    if not np.isfinite(values).all():
        axes.annotate("not known", (0.5, 0.5), xycoords="axes fraction", ha="center", color=style.QUIET)
        return
    low, high = np.quantile(values, [0.025, 0.975])
    axes.axvspan(low, high, color=RANGE_COLOUR, linewidth=0, label="95% of permutations")
    whole = bool((values == np.round(values)).all())
    # Bars of whole numbers hold equally many of them, else they would stand like a comb.
    step = max(1, round((values.max() - values.min()) / 35))
    bins = np.arange(values.min() - 0.5, values.max() + step + 0.5, step) if whole else 35
    axes.hist(values, bins=bins, color=NULL_COLOUR)  # the found one is among them
    axes.axvline(values[0], color=style.PALETTE[1], linewidth=2, label="found")
    number = f"{values[0]:,.0f}" if whole else f"{values[0]:.3f}"
    note = f"{number}\np = {p_value:.3g}" if p_value is not None and np.isfinite(p_value) else number
    note += f"\n{moved}" if moved else ""
    axes.set_ylim(0, axes.get_ylim()[1] * (1.55 if moved else 1.35))
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    # On a ground of its own, because the line found may stand behind it.
    ground = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    axes.annotate(
        note, (0.97, 0.96), xycoords="axes fraction", ha="right", va="top", fontsize=8.5, color="#333333", bbox=ground
    )  # fmt: skip


@style.styled
def layer_map(regression: pd.DataFrame, overlap: pd.DataFrame, alpha: float = 0.05) -> Figure:
    """Draw where the significant neurons are: layers from above, neurons from left to right.

    Parameters
    ----------
    regression
        As in `artifacts.schemas.NEURON_REGRESSION`.
    overlap
        As in `artifacts.schemas.NEURON_OVERLAP`.
    alpha
        Level below which a neuron is marked.

    Returns
    -------
    Figure
        One panel a measure; beside it each layer's counts, with the 95% range of permuted outcomes as a line.
    """
    measures = list(dict.fromkeys(regression["measure"]))
    layers = sorted(regression["layer"].unique())
    figure = style.new_figure(height=0.7 + len(measures) * (0.7 + max(1.3, 0.19 * len(layers))))
    panels = figure.subplots(len(measures), 2, squeeze=False, sharey="row", width_ratios=[2.6, 1])
    ticks = list(range(0, len(layers), 1 if len(layers) <= 12 else 4))
    for place, (measure, (image_axes, bar_axes)) in enumerate(zip(measures, panels, strict=True)):
        rows = regression[regression["measure"] == measure]
        image = _kinds(rows, layers, alpha)
        image_axes.imshow(
            image, aspect="auto", interpolation="nearest", vmin=0, vmax=3, cmap=ListedColormap(list(KIND_COLOURS)),
            extent=(-0.5, image.shape[1] - 0.5, len(layers) - 0.5, -0.5),
        )  # fmt: skip
        image_axes.grid(False)
        image_axes.set_title(f"{style.letter(place, len(measures))}{words(measure)}")
        image_axes.set_yticks(ticks, [str(layers[tick]) for tick in ticks])
        image_axes.set_ylabel("Layer")
        _layer_bars(bar_axes, overlap[overlap["measure"] == measure], layers)
    lines = len(image) // len(layers)
    panels[-1, 0].set_xlabel("Neuron of the layer" + (f", {lines} lines a layer" if lines > 1 else ""))
    panels[-1, 1].set_xlabel("Neurons")
    for kind, colour in zip(KINDS[1:], KIND_COLOURS[1:], strict=True):
        panels[0, 0].plot([], [], "s", color=colour, label=f"{kind}, p < {alpha:g}")
    style.legend_below(figure, panels[0, 0], panels[0, 1])
    return figure


def _kinds(rows: pd.DataFrame, layers: Sequence[int], alpha: float) -> np.ndarray:
    """Number each neuron's kind, [layers x lines, columns], NaN where the last line of a layer is not full."""
    wide = rows.pivot(index=["layer", "neuron"], columns="outcome", values="p_value").astype(float) < alpha
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
    """Draw each layer's counts for bias and for text quality, and what permutations give."""
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
    axes.tick_params(axis="y", labelleft=False, length=0)


def write_quantiles(regression_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/regression.parquet` and write `quantiles` to each of `outputs` (.png, .svg, .pdf)."""
    table = read_table(regression_file, NEURON_REGRESSION, ["measure", "outcome", "p_value"]).to_pandas()
    style.save_figure(quantiles(table), outputs)


def write_counts(null_file: Path | str, overlap_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/null.parquet` and `overlap.parquet` and write `counts` to each of `outputs`."""
    tables = read_table(null_file, NEURON_NULL).to_pandas(), read_table(overlap_file, NEURON_OVERLAP).to_pandas()
    style.save_figure(counts(*tables), outputs)


def write_overlaps(null_file: Path | str, overlap_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/null.parquet` and `overlap.parquet` and write `overlaps` to each of `outputs`."""
    tables = read_table(null_file, NEURON_NULL).to_pandas(), read_table(overlap_file, NEURON_OVERLAP).to_pandas()
    style.save_figure(overlaps(*tables), outputs)


def write_layer_map(
    regression_file: Path | str, overlap_file: Path | str, outputs: Sequence[Path | str], *, alpha: float = 0.05
) -> None:
    """Read `neurons/regression.parquet` and `overlap.parquet` and write `layer_map` to each of `outputs`."""
    columns = ["layer", "neuron", "measure", "outcome", "p_value"]
    regression = read_table(regression_file, NEURON_REGRESSION, columns).to_pandas()
    overlap = read_table(overlap_file, NEURON_OVERLAP).to_pandas()
    style.save_figure(layer_map(regression, overlap, alpha), outputs)
