"""The estimated overlap of the neurons of bias and of text quality, by the number of neurons in a set."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.figures import style
from bias_amplification.figures.neuron_validity import (
    ALL_VALID,
    Invalid,
    of_first_scheme,
    overlap_claims,
    rates_in_words,
    read_invalid,
)
from bias_amplification.figures.neurons import words
from bias_amplification.neurons.overlap_words import overlap_in_words

#: Characters of a line below the panels.
LINE = 125


@style.styled
def overlap_curve(curve: pd.DataFrame, invalid: Invalid = ALL_VALID) -> Figure:
    """Draw the overlap that was found, what halves have in common, and the estimated overlap.

    Parameters
    ----------
    curve
        As in `artifacts.schemas.NEURON_OVERLAP_CURVE`.
    invalid
        From `neuron_validity.not_valid_here`; the panel of the estimates is marked if what it claims is among these.

    Returns
    -------
    Figure
        One row of panels per measure, over the size of the sets, with `overlap_in_words` below. Left: the share that
        was found, with its range under permutation. Middle: the shares of halves, with the ranges of the
        ceilings. Right: the estimated share with its interval; grey if every share fits.
    """
    measures = list(dict.fromkeys(curve["measure"]))
    text = {measure: textwrap.fill(said, LINE) for measure, said in overlap_in_words(curve).items()}
    lines = max(said.count("\n") + 1 for said in text.values())
    wrong = rates_in_words(overlap_claims(of_first_scheme(invalid)))
    by = next(iter(curve["by"].dropna()), "rounds")
    figure = style.new_figure(height=0.5 + len(measures) * (2.3 + 0.15 * lines))
    for part, measure in zip(figure.subfigures(len(measures), squeeze=False)[:, 0], measures, strict=True):
        panels = part.subplots(1, 3, sharey=True)
        rows = curve[(curve["measure"] == measure) & curve["size"].notna()].astype({"size": float})
        for axes, draw, title in zip(
            panels, (_found, _halves, _estimated), ("all rounds", f"halves of the {by}", "estimate"), strict=True
        ):
            lead = f"{words(measure)}: " if draw is _found else ""
            axes.set_title(f"{lead}{title}")
            axes.set(ylim=(-0.03, 1.03), xlabel="Neurons in a set")
            axes.yaxis.set_major_formatter(FuncFormatter(style.per_cent))
            if len(rows):
                draw(axes, rows)
                axes.set_xscale("log")
                axes.set_xticks(rows["size"], [f"{size:,.0f}" for size in rows["size"]])
                axes.xaxis.set_minor_locator(NullLocator())
            else:
                style.note(axes, "nothing tested")
        panels[0].set_ylabel("Neurons in common (%)")
        if wrong:
            style.note(panels[2], "not valid here:\n" + wrong.replace(", ", "\n"))
        part.supxlabel(text[measure], fontsize="small", x=0.02, ha="left")
    style.legend_below(figure, *figure.axes[:3])
    return figure


def _found(axes: Axes, rows: pd.DataFrame) -> None:
    axes.fill_between(
        rows["size"], rows["share_low"], rows["share_high"], color=style.CHANCE_RANGE, label="95% of permutations"
    )
    axes.plot(rows["size"], rows["share"], "o-", color=style.PALETTE[6], label="bias and text quality")
    _unrelated(axes, rows)


def _halves(axes: Axes, rows: pd.DataFrame) -> None:
    for outcome, colour in (("bias", style.PALETTE[0]), ("quality", style.PALETTE[4])):
        name = f"ceiling_{outcome}"
        axes.fill_between(
            rows["size"], rows[f"{name}_low"], rows[f"{name}_high"], color=colour, alpha=0.15, linewidth=0
        )
        axes.plot(rows["size"], rows[name], "s--", color=colour, label=f"{words(outcome)} with itself")
    axes.plot(rows["size"], rows["halves"], "o-", color=style.PALETTE[6])
    _unrelated(axes, rows)


def _estimated(axes: Axes, rows: pd.DataFrame) -> None:
    every = (rows["estimate_low"] <= 0) & (rows["estimate_high"] >= 1)
    for kind, colour, label in (
        (~every, style.PALETTE[1], "estimate, 95% interval"),
        (every, style.CHANCE, "every share fits"),
    ):
        part = rows[kind]
        if len(part):
            axes.vlines(
                part["size"], part["estimate_low"], part["estimate_high"], color=colour, linewidth=2.2, label=label
            )
            axes.plot(part["size"], part["estimate"], "o", color=colour)
    _unrelated(axes, rows)


def _unrelated(axes: Axes, rows: pd.DataFrame) -> None:
    axes.plot(rows["size"], rows["chance"], color=style.PALETTE[2], linestyle=":", label="unrelated sets")


def write_overlap_curve(curve_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/overlap_curve.parquet` and write `overlap_curve` to each of `out` (.png, .svg, .pdf)."""
    curve = read_table(curve_file, NEURON_OVERLAP_CURVE).to_pandas()
    style.save_figure(overlap_curve(curve, read_invalid(calibration_file, world_file)), out)
