"""The panel of the neuron study: outcomes and neurons of every model version, in one order.

A version is a generation of a round. Rounds that start alike share their generation 0: it stands in each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import NEURONS, metrics


@dataclass(frozen=True)
class Outcomes:
    """What the versions' articles are like; NaN where there was nothing to measure."""

    rounds: tuple[str, ...]
    """[versions]."""
    generations: tuple[int, ...]
    """[versions]."""
    bias: np.ndarray
    """[versions], share or mean probability of the label followed, a fraction."""
    quality: np.ndarray
    """[versions], text quality index, 0 to 3."""


@dataclass(frozen=True)
class Panel:
    """Columns of the neurons tables of all versions."""

    layer: np.ndarray
    """[neurons]."""
    neuron: np.ndarray
    """[neurons]."""
    values: dict[str, np.ndarray]
    """For each column [versions, neurons], float64."""


def read_outcomes(
    path: Path,
    versions: Sequence[tuple[str, int]],
    *,
    labels: Sequence[str],
    bias_measure: str = "share",
    bias_label: str | None = None,
    quality_measure: str = "text_quality_index",
) -> Outcomes:
    """Read the outcomes of each version from the metrics table.

    Parameters
    ----------
    path
        The metrics table.
    versions
        Round and generation of each version, in the order wanted.
    labels
        The label set.
    bias_measure
        "share" of articles whose most likely label is the one followed, or its "mean_probability".
    bias_label
        The label followed in all rounds; by default the tracked label of each round.
    quality_measure
        "text_quality_index" or "text_quality_index_weighted".

    Raises
    ------
    StudyError
        If a version is missing, or a label is not of the label set.
    """
    if bias_measure not in ("share", "mean_probability"):
        raise StudyError(f"Bias is measured by share or mean_probability, not by {bias_measure!r}.")
    if bias_label is not None and bias_label not in labels:
        raise StudyError(f"Bias cannot follow the label {bias_label!r}: the labels are {', '.join(labels)}.")
    columns = ["round", "generation", "tracked_label", quality_measure]
    table = read_table(path, metrics(labels), columns=[*columns, *(f"{bias_measure}_{label}" for label in labels)])
    rows = {(row["round"], row["generation"]): row for row in table.to_pylist()}
    bias, quality = [], []
    for round_name, generation in versions:
        row = rows.get((round_name, generation))
        if row is None:
            raise StudyError(
                f"{path} has no row for generation {generation} of round {round_name!r}: "
                "delete it and run snakemake again."
            )
        label = bias_label or row["tracked_label"]
        if label not in labels:
            raise StudyError(
                f"{path}: round {round_name!r} tracks the label {label!r}, which is not one of {', '.join(labels)}."
            )
        bias.append(row[f"{bias_measure}_{label}"])
        quality.append(row[quality_measure])
    return Outcomes(
        rounds=tuple(round_name for round_name, _ in versions),
        generations=tuple(generation for _, generation in versions),
        bias=np.array(bias, dtype=np.float64),
        quality=np.array(quality, dtype=np.float64),
    )


def read_panel(paths: Sequence[Path], columns: Sequence[str]) -> Panel:
    """Read columns of the neurons tables, one file after another.

    Parameters
    ----------
    paths
        One table a version; a file may stand for several.
    columns
        Names of columns of `NEURONS`.

    Raises
    ------
    StudyError
        If a file is missing, damaged or has not the neurons of the first.
    """
    layer = neuron = None
    values: dict[str, np.ndarray] = {}
    for version, path in enumerate(paths):
        table = read_table(path, NEURONS, columns=["layer", "neuron", *columns])
        found_layer, found_neuron = _array(table, "layer"), _array(table, "neuron")
        if layer is None or neuron is None:
            layer, neuron = found_layer, found_neuron
            values = {name: np.empty((len(paths), len(layer))) for name in columns}
        elif not (np.array_equal(layer, found_layer) and np.array_equal(neuron, found_neuron)):
            raise StudyError(
                f"{path} has not the layers and neurons of {paths[0]}: all versions must come from one architecture; "
                "delete the one that is wrong and run snakemake again."
            )
        for name in columns:
            values[name][version] = _array(table, name)
    if layer is None or neuron is None:
        raise ValueError("no neurons tables to read")
    return Panel(layer=layer, neuron=neuron, values=values)


def _array(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy()
