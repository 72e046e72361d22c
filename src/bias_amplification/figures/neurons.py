"""Results of the analysis of neurons: correlations (Figure 4), p-values, and the sets of section 4.4."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.figures import style
from bias_amplification.figures.neuron_validity import mark_single_tests, read_invalid
from bias_amplification.neurons.calibrate import ANY_NEURON
from bias_amplification.study.sections import Neurons

#: Words for the short names in tables.
WORDS = {"bias": "bias", "quality": "text quality", "weight": "weights", "activation": "activations"}
P_VALUE_BINS = 20
#: Layers of a heat map that have a tick, at most.
LAYER_TICKS = 12


def words(name: str) -> str:
    """Return the words for a measure or an outcome."""
    return WORDS.get(name, name.replace("_", " "))


def layer_heatmap(axes: Axes, image: np.ndarray, layers: Sequence[int], lines: int = 1, **look) -> None:
    """Draw a heat map in which each layer takes `lines` rows of `image`; NaN stays blank.

    The cells are pixels instead of shapes, which keeps vector files small.
    """
    seaborn.heatmap(image, ax=axes, cbar=False, rasterized=True, xticklabels=False, yticklabels=False, **look)
    places = range(0, len(layers), -(-len(layers) // LAYER_TICKS))
    axes.set_yticks([lines * (place + 0.5) for place in places], [str(layers[place]) for place in places])


@style.styled
def correlations(table: pd.DataFrame, measure: str) -> Figure:
    """Draw the correlation of the neurons with bias and with quality over all versions: the paper's Figure 4.

    Parameters
    ----------
    table
        One row per neuron, measure and outcome: `layer`, `neuron`, `measure`, `outcome`, `pearson` (null if a
        neuron never changed).
    measure
        "weight" or "activation".

    Returns
    -------
    Figure
        One column of panels per outcome. Above: a histogram over all neurons. Below: one row per layer, its neurons
        sorted by their correlation; the colour changes at the share of neurons with a negative correlation.

    Raises
    ------
    StudyError
        If the table has no such measure.
    """
    if measure not in set(table["measure"]):
        raise StudyError(
            f"the table of correlations has no measure {measure} (it has {', '.join(table['measure'].unique())}): "
            "correct the measure in the figure's entry of the catalogue."
        )
    table = table[table["measure"] == measure]
    outcomes = list(dict.fromkeys(table["outcome"]))
    layers = sorted(table["layer"].unique())
    heights = [1.6, max(1.0, 0.17 * len(layers))]
    figure = style.new_figure(height=2.3 + max(1.2, heights[1]))
    panels = figure.subplots(2, len(outcomes), squeeze=False, sharey="row", height_ratios=heights)
    for position, outcome in enumerate(outcomes):
        upper, lower = panels[:, position]
        rows = table[table["outcome"] == outcome]
        colour = style.PALETTE[position]
        seaborn.histplot(rows["pearson"].astype(float), bins=40, binrange=(-1, 1), color=colour, ax=upper)
        upper.axvline(0, color="black", linewidth=0.8)
        upper.set_title(f"{style.letter(position, len(outcomes))}{words(measure)} and {words(outcome)}")
        upper.set(xlabel="Pearson correlation", ylabel="")
        image = _sorted_by_layer(rows, layers)
        layer_heatmap(lower, image, layers, cmap=style.DIVERGING, vmin=-1, vmax=1)
        lower.xaxis.set_major_locator(MultipleLocator(image.shape[1] / 5))
        lower.xaxis.set_major_formatter(PercentFormatter(image.shape[1], decimals=0, symbol=""))
        lower.set_xlabel("Neurons of a layer, sorted (%)")
    panels[0, 0].set_ylabel("Neurons")
    panels[1, 0].set_ylabel("Layer")
    figure.colorbar(
        lower.collections[0], ax=list(panels[1]), label="Pearson\ncorrelation", ticks=[-1, 0, 1], pad=0.015, aspect=9
    )
    return figure


def _sorted_by_layer(rows: pd.DataFrame, layers: Sequence[int]) -> np.ndarray:
    """Return each layer's correlations in ascending order, shape [layers, neurons]; NaN at the end of a row."""
    width = int(rows.groupby("layer").size().max())
    image = np.full((len(layers), width), np.nan)
    for place, layer in enumerate(layers):
        values = np.sort(rows.loc[rows["layer"] == layer, "pearson"].to_numpy(dtype=float))
        image[place, : len(values)] = values
    return image


@style.styled
def p_values(table: pd.DataFrame, alpha: float) -> Figure:
    """Draw the p-values of the regressions, one panel for each measure and outcome.

    Parameters
    ----------
    table
        One row per neuron, measure and outcome: `measure`, `outcome`, `p_value` (0 to 1; null if there was no
        regression).
    alpha
        Significance level. The neurons with p of at most alpha are coloured.

    Returns
    -------
    Figure
        Histograms of 20 bins. The dashed line is the height of every bar if no neuron is associated with the outcome.
    """
    measures, outcomes = (list(dict.fromkeys(table[name])) for name in ("measure", "outcome"))
    figure = style.new_figure(height=0.5 + 2.0 * len(measures))
    panels = figure.subplots(len(measures), len(outcomes), squeeze=False, sharex=True, sharey=True)
    colours = {True: style.PALETTE[1], False: style.CHANCE}
    for place, (measure, outcome) in enumerate((m, o) for m in measures for o in outcomes):
        axes = panels[divmod(place, len(outcomes))]
        rows = table[(table["measure"] == measure) & (table["outcome"] == outcome)]
        values = rows["p_value"].dropna().astype(float)
        found = values <= alpha
        if len(values):
            seaborn.histplot(
                x=values, hue=found, hue_order=[False, True], palette=colours, multiple="stack", bins=P_VALUE_BINS,
                binrange=(0, 1), alpha=1, legend=False, ax=axes,
            )  # fmt: skip
        axes.axhline(len(values) / P_VALUE_BINS, color="black", linestyle="--", linewidth=1.1)
        axes.set_title(f"{style.letter(place, panels.size)}{words(measure)} and {words(outcome)}")
        expected = alpha * len(values)
        style.note(axes, f"{found.sum():,} of {len(values):,} with p ≤ {alpha:g}\n({expected:,.0f} by chance)")
        axes.set(xlabel="p-value", ylabel="Neurons", xlim=(-0.02, 1.02))
        axes.label_outer()
    return figure


@style.styled
def neuron_sets(table: pd.DataFrame) -> Figure:
    """Draw how many neurons are associated with bias, with quality and with both: section 4.4 of the paper.

    Parameters
    ----------
    table
        One row per measure, as in `artifacts.schemas.NEURON_SETS`.

    Returns
    -------
    Figure
        One panel per measure. A black mark in a bar is the count after correction for the number of tests. The open
        bar is the overlap that independent sets would have.
    """
    figure = style.new_figure(height=0.75 + 1.55 * len(table))
    panels = figure.subplots(len(table), 1, squeeze=False, sharex=True)[:, 0]
    for position, (axes, (_, row)) in enumerate(zip(panels, table.iterrows(), strict=True)):
        _set_bars(axes, row)
        counts = f"{row['neurons']:,} neurons, {row['tested']:,} tested"
        axes.set_title(f"{style.letter(position, len(table))}{words(row['measure'])}, {counts}")
    # The notes beside the bars need space on the right.
    panels[-1].set_xlim(0, max(1.0, 1.55 * float(table[["bias", "quality"]].max(axis=None))))
    panels[-1].set_xlabel("Neurons")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    style.legend_below(figure, panels[0])
    return figure


def _set_bars(axes: Axes, row: pd.Series) -> None:
    """Draw the counts of one measure, from above: bias, quality, both, both by chance."""
    texts = ["bias", "text quality", "both", "both, if independent"]
    expected = float(row["expected_both"]) if pd.notna(row["expected_both"]) else 0.0
    counts = [float(row["bias"]), float(row["quality"]), float(row["both"]), expected]
    colours = style.PALETTE[:3]
    bars = axes.barh(texts, counts, height=0.68, color=[*colours, "none"], linewidth=1.2)
    bars[-1].set_edgecolor(colours[-1])
    corrected = [int(row[f"{name}_bh"]) for name in ("bias", "quality", "both")]
    axes.scatter(
        corrected, texts[:3], marker="|", s=190, color="black", linewidth=2, zorder=3, clip_on=False,
        label="after correction for the number of tests (Benjamini-Hochberg)",
    )  # fmt: skip
    for place, (count, text) in enumerate(zip(counts, _notes(row, corrected), strict=True)):
        axes.annotate(text, (count, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.invert_yaxis()
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def _notes(row: pd.Series, corrected: Sequence[int]) -> list[str]:
    """Return the texts beside the four bars of one measure."""
    notes = [
        f"{row[name]:,.0f} ({100 * row[name] / max(row[f'tested_{name}'], 1):.1f}%), corrected {after:,}"
        for name, after in zip(("bias", "quality"), corrected, strict=False)
    ]
    both = f"{row['both']:,.0f}, corrected {corrected[2]:,}"
    return [*notes, both, f"{row['expected_both']:,.1f}" if pd.notna(row["expected_both"]) else "not known"]


def write_correlations(correlations_file: Path, out: Sequence[Path], *, measure: str) -> None:
    """Read `neurons/correlations.parquet` and write `correlations` to each of `out` (.png, .svg, .pdf)."""
    table = read_table(correlations_file, NEURON_CORRELATIONS).to_pandas()
    style.save_figure(correlations(table, measure), out)


def write_p_values(
    regression_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path], *, neurons: Neurons
) -> None:
    """Read `neurons/regression.parquet` and write `p_values` to each of `out` (.png, .svg, .pdf)."""
    table = read_table(regression_file, NEURON_REGRESSION, ["measure", "outcome", "p_value"]).to_pandas()
    figure = p_values(table, neurons.alpha)
    style.save_figure(mark_single_tests(figure, read_invalid(calibration_file, world_file)), out)


def write_neuron_sets(sets_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/sets.parquet` and write `neuron_sets` to each of `out` (.png, .svg, .pdf)."""
    figure = neuron_sets(read_table(sets_file, NEURON_SETS).to_pandas())
    corrected = (ANY_NEURON["benjamini_hochberg"],)
    style.save_figure(mark_single_tests(figure, read_invalid(calibration_file, world_file), corrected), out)
