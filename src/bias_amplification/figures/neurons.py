"""What the neurons' analysis found: correlations (Figure 4), p-values, and the sets of section 4.4."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.figures import style

#: How readers are told what a table's short names stand for.
WORDS = {"bias": "bias", "quality": "text quality", "weight": "weights", "activation": "activations"}
P_VALUE_BINS = 20


def words(name: str) -> str:
    """Return a measure's or an outcome's name for readers."""
    return WORDS.get(name, name.replace("_", " "))


@style.styled
def correlations(table: pd.DataFrame, measure: str = "weight", outcomes: Sequence[str] | None = None) -> Figure:
    """Draw how the neurons' values go with bias and with quality over all versions: the paper's Figure 4.

    Parameters
    ----------
    table
        One row a neuron, measure and outcome: `layer`, `neuron`, `measure`, `outcome`, `pearson` (null where a
        neuron never changed).
    measure
        The rows to draw.
    outcomes
        One column of panels each; by default those of the table, in its order.

    Returns
    -------
    Figure
        Above, a histogram over all neurons. Below, one line a layer, its neurons sorted by their correlation, so
        that the place where the colour changes is the share of neurons with a negative one.

    Raises
    ------
    StudyError
        If the table has no such measure.
    """
    if measure not in set(table["measure"]):
        raise StudyError(
            f"the table of correlations has no measure {measure} (it has {', '.join(table['measure'].unique())}): "
            "mend the figure's measure."
        )
    table = table[table["measure"] == measure]
    outcomes = list(dict.fromkeys(table["outcome"])) if outcomes is None else list(outcomes)
    layers = sorted(table["layer"].unique())
    figure = style.new_figure(height=2.3 + max(1.2, 0.17 * len(layers)))
    panels = figure.subplots(
        2, len(outcomes), squeeze=False, sharey="row", height_ratios=[1.6, max(1.0, 0.17 * len(layers))]
    )
    edges = np.linspace(-1, 1, 41)
    colours = Normalize(-1, 1)
    image = None
    for position, outcome in enumerate(outcomes):
        rows = table[table["outcome"] == outcome]
        known = rows["pearson"].dropna().to_numpy(dtype=float)
        upper, lower = panels[0, position], panels[1, position]
        upper.hist(known, bins=edges, color=style.PALETTE[position], alpha=0.85)
        upper.axvline(0, color="black", linewidth=0.8)
        upper.set_title(f"{style.letter(position, len(outcomes))}{words(measure)} and {words(outcome)}")
        upper.set_xlabel("Pearson correlation")
        image = _layer_map(lower, rows, layers, colours)
        lower.set_xlabel("Neurons of a layer, sorted (%)")
    panels[0, 0].set_ylabel("Neurons")
    panels[1, 0].set_ylabel("Layer")
    figure.colorbar(image, ax=list(panels[1]), label="Pearson\ncorrelation", ticks=[-1, 0, 1], pad=0.015, aspect=9)
    return figure


def _layer_map(axes: Axes, rows: pd.DataFrame, layers: Sequence[int], colours: Normalize) -> AxesImage:
    """Draw each layer's correlations, sorted, as one line of colours; neurons that never changed stay blank."""
    width = int(rows.groupby("layer").size().max())
    image = np.full((len(layers), width), np.nan)
    for place, layer in enumerate(layers):
        values = np.sort(rows.loc[rows["layer"] == layer, "pearson"].to_numpy(dtype=float))  # nan goes last
        image[place, : len(values)] = values
    axes.grid(False)
    axes.set_yticks(*_layer_ticks(layers))
    # Pixels, not shapes: an image stays small in a vector file.
    return axes.imshow(
        image, aspect="auto", cmap=style.DIVERGING, norm=colours, interpolation="nearest",
        extent=(0, 100, len(layers) - 0.5, -0.5),
    )  # fmt: skip


def _layer_ticks(layers: Sequence[int]) -> tuple[list[int], list[str]]:
    """Return ticks and their texts for every layer, or for some where there are many."""
    step = 1 if len(layers) <= 6 else 2 if len(layers) <= 16 else 6
    places = list(range(0, len(layers), step))
    return places, [str(layers[place]) for place in places]


@style.styled
def p_values(table: pd.DataFrame, alpha: float = 0.05) -> Figure:
    """Draw the p-values of the regressions, one panel for each measure and outcome.

    Parameters
    ----------
    table
        One row a neuron, measure and outcome: `measure`, `outcome`, `p_value` (0 to 1; null where there was no
        regression).
    alpha
        Threshold below which a neuron counts; that part is coloured.

    Returns
    -------
    Figure
        Histograms of 20 bins. The dashed line is the height of each bar if no neuron went with the outcome.
    """
    measures, outcomes = (list(dict.fromkeys(table[name])) for name in ("measure", "outcome"))
    figure = style.new_figure(height=0.5 + 2.0 * len(measures))
    panels = figure.subplots(len(measures), len(outcomes), squeeze=False, sharex=True, sharey=True)
    edges = np.linspace(0, 1, P_VALUE_BINS + 1)
    for place, (measure, outcome) in enumerate((m, o) for m in measures for o in outcomes):
        axes = panels[divmod(place, len(outcomes))]
        rows = table[(table["measure"] == measure) & (table["outcome"] == outcome)]
        values = rows["p_value"].dropna().to_numpy(dtype=float)
        counts, _ = np.histogram(values, edges)
        below = int((values < alpha).sum())
        colours = [style.PALETTE[1] if edge < alpha - 1e-9 else "#9fb3c8" for edge in edges[:-1]]
        axes.bar(
            edges[:-1], counts, width=np.diff(edges), align="edge", color=colours, edgecolor="white", linewidth=0.5
        )
        axes.axhline(len(values) / P_VALUE_BINS, color="black", linestyle="--", linewidth=1.1)
        axes.set_title(f"{style.letter(place, panels.size)}{words(measure)} and {words(outcome)}")
        axes.annotate(
            f"{below:,} of {len(values):,} below {alpha:g}\n({alpha * len(values):,.0f} by chance)",
            (0.97, 0.95), xycoords="axes fraction", ha="right", va="top", color="#333333", fontsize=8.5,
        )  # fmt: skip
        axes.margins(x=0.01)
    for axes in panels[-1]:
        axes.set_xlabel("p-value")
    for axes in panels[:, 0]:
        axes.set_ylabel("Neurons")
    return figure


@style.styled
def neuron_sets(table: pd.DataFrame, names: Mapping[str, str] | None = None) -> Figure:
    """Draw how many neurons go with bias, with quality and with both: section 4.4 of the paper.

    Parameters
    ----------
    table
        One row a measure, as in `artifacts.schemas.NEURON_SETS`: neurons found at the level of the test and, `_bh`,
        at the same false discovery rate; those tested; the overlap expected of independent sets, and the probability
        of at least the overlap found.
    names
        The measures' names for readers.

    Returns
    -------
    Figure
        One panel a measure; a black mark in a bar is the count after correction, and the overlap stands beside the
        one that chance would give.
    """
    figure = style.new_figure(height=0.75 + 1.55 * len(table))
    panels = figure.subplots(len(table), 1, squeeze=False, sharex=True)[:, 0]
    # Room on the right for the numbers.
    room = max(1.0, 1.55 * float(table[["bias", "quality"]].max(axis=None)))
    for position, (axes, (_, row)) in enumerate(zip(panels, table.iterrows(), strict=True)):
        _set_bars(axes, row)
        name = (names or {}).get(row["measure"], words(row["measure"]))
        axes.set_title(
            f"{style.letter(position, len(table))}{name}, {row['neurons']:,} neurons, {row['tested']:,} tested"
        )
        axes.set_xlim(0, room)
    panels[-1].set_xlabel("Neurons")
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    style.legend_below(figure, panels[0])
    return figure


def _set_bars(axes: Axes, row: pd.Series) -> None:
    """Draw one measure's counts, from above: bias, quality, both, both by chance."""
    texts = ["bias", "text quality", "both", "both, if independent"]
    expected = float(row["expected_both"]) if pd.notna(row["expected_both"]) else 0.0
    counts = [float(row["bias"]), float(row["quality"]), float(row["both"]), expected]
    axes.barh(
        texts,
        counts,
        height=0.68,
        color=[*style.PALETTE[:3], "none"],
        edgecolor=[*style.PALETTE[:3], style.PALETTE[2]],
        linewidth=1.2,
    )
    corrected = [int(row[f"{name}_bh"]) for name in ("bias", "quality", "both")]
    axes.scatter(
        corrected, texts[:3], marker="|", s=190, color="black", linewidth=2, zorder=3, clip_on=False,
        label="after correction for the number of tests (Benjamini-Hochberg)",
    )  # fmt: skip
    tested = [row["tested_bias"], row["tested_quality"], row["tested"]]
    notes = [
        f"{count:,.0f} ({100 * count / max(of, 1):.1f}%), corrected {after:,}"
        for count, of, after in zip(counts, tested, corrected, strict=False)
    ]
    notes[2] = f"{counts[2]:,.0f}, corrected {corrected[2]:,}"
    if pd.notna(row["p_overlap"]):
        notes[2] += f"; P(at least {counts[2]:,.0f} by chance) {_probability(row['p_overlap'])}"
    notes.append(f"{expected:,.1f}" if pd.notna(row["expected_both"]) else "not known")
    for place, (count, note) in enumerate(zip(counts, notes, strict=True)):
        axes.annotate(note, (count, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.invert_yaxis()
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def _probability(value: float) -> str:
    """Write a probability with three decimals, or say that it is smaller."""
    return "< .001" if value < 0.001 else "= " + f"{value:.3f}".removeprefix("0")


def write_correlations(
    correlations_file: Path | str,
    outputs: Sequence[Path | str],
    *,
    measure: str = "weight",
    outcomes: Sequence[str] | None = None,
) -> None:
    """Read `neurons/correlations.parquet` and write `correlations` to each of `outputs` (.png, .svg, .pdf)."""
    table = read_table(correlations_file, NEURON_CORRELATIONS).to_pandas()
    style.save_figure(correlations(table, measure, outcomes), outputs)


def write_p_values(regression_file: Path | str, outputs: Sequence[Path | str], *, alpha: float = 0.05) -> None:
    """Read `neurons/regression.parquet` and write `p_values` to each of `outputs` (.png, .svg, .pdf)."""
    table = read_table(regression_file, NEURON_REGRESSION, ["measure", "outcome", "p_value"]).to_pandas()
    style.save_figure(p_values(table, alpha), outputs)


def write_neuron_sets(sets_file: Path | str, outputs: Sequence[Path | str]) -> None:
    """Read `neurons/sets.parquet` and write `neuron_sets` to each of `outputs` (.png, .svg, .pdf)."""
    table = read_table(sets_file, NEURON_SETS).to_pandas()
    style.save_figure(neuron_sets(table), outputs)
