"""The panel of the neuron study: outcomes and neurons of every model version, in one order.

A version is a generation of a round. Rounds that start alike share their generation 0: it stands in each of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import NEURON_PANEL, NEURONS, metrics

BIAS_MEASURES = ("share", "mean_probability")
QUALITY_MEASURES = ("class", "weighted")
WEIGHT_SUMMARIES = ("mean", "l2")
ACTIVATION_PLACES = ("ffn", "block")

#: Numbers of one column held at once, 64 MB: what bounds memory whatever the versions and neurons.
AT_ONCE = 2**23


@dataclass(frozen=True)
class Outcomes:
    """What the versions' articles are like; NaN where there was nothing to measure."""

    rounds: tuple[str, ...]
    """[versions]."""
    generations: tuple[int, ...]
    """[versions]."""
    values: dict[str, np.ndarray]
    """[versions] each: share and mean_probability of the label followed, quality_class and quality_weighted."""

    def pair(self, bias_measure: str, quality_measure: str) -> tuple[np.ndarray, np.ndarray]:
        """Give bias and text quality, each [versions]."""
        return self.values[bias_measure], self.values[f"quality_{quality_measure}"]


@dataclass(frozen=True)
class Layers:
    """Some layers' neurons in all versions."""

    layer: np.ndarray
    """[neurons]."""
    neuron: np.ndarray
    """[neurons]."""
    values: dict[str, np.ndarray]
    """For each column [versions, neurons], float64."""

    def each(self) -> Iterator[tuple[int, slice]]:
        """Yield each layer with the place of its neurons."""
        starts = [0, *(np.flatnonzero(np.diff(self.layer)) + 1).tolist(), len(self.layer)]
        for start, end in pairwise(starts):
            if end > start:
                yield int(self.layer[start]), slice(start, end)


def assemble_panel(
    metrics_file: Path,
    out: Path,
    *,
    versions: Sequence[tuple[str, int]],
    labels: Sequence[str],
    bias_label: str | None = None,
) -> None:
    """Write the outcomes of each version (schema `NEURON_PANEL`).

    Parameters
    ----------
    metrics_file
        The metrics table.
    out
        The table to write.
    versions
        Round and generation of each version, in the order wanted.
    labels
        The label set.
    bias_label
        The label followed in all rounds; by default the tracked label of each round.

    Raises
    ------
    StudyError
        If a version is missing, or a label is not of the label set.
    """
    if bias_label is not None and bias_label not in labels:
        raise StudyError(f"Bias cannot follow the label {bias_label!r}: the labels are {', '.join(labels)}.")
    table = read_table(metrics_file, metrics(labels))
    found = {(row["round"], row["generation"]): row for row in table.to_pylist()}
    rows = []
    for round_name, generation in versions:
        row = found.get((round_name, generation))
        if row is None:
            raise StudyError(
                f"{metrics_file} has no row for generation {generation} of round {round_name!r}: "
                "delete it and run snakemake again."
            )
        label = bias_label or row["tracked_label"]
        if label not in labels:
            raise StudyError(
                f"{metrics_file}: round {round_name!r} tracks the label {label!r}, "
                f"which is not one of {', '.join(labels)}."
            )
        outcomes = {measure: row[f"{measure}_{label}"] for measure in BIAS_MEASURES}
        outcomes |= {"quality_class": row["text_quality_index"], "quality_weighted": row["text_quality_index_weighted"]}
        rows.append({"round": round_name, "generation": generation, "label": label, **outcomes})
    write_table(pa.Table.from_pylist(rows, schema=NEURON_PANEL), out, NEURON_PANEL)


def read_outcomes(path: Path, files: int) -> Outcomes:
    """Read the panel that `assemble_panel` wrote.

    Parameters
    ----------
    path
        The panel.
    files
        How many versions it must have.

    Raises
    ------
    StudyError
        If the panel is damaged or has another number of versions.
    """
    table = read_table(path, NEURON_PANEL)
    if table.num_rows != files:
        raise StudyError(
            f"{path} has {table.num_rows} versions and the study {files}: delete it and run snakemake again."
        )
    names = (*BIAS_MEASURES, *(f"quality_{measure}" for measure in QUALITY_MEASURES))
    return Outcomes(
        rounds=tuple(table.column("round").to_pylist()),
        generations=tuple(table.column("generation").to_pylist()),
        values={name: table.column(name).to_numpy().astype(np.float64) for name in names},
    )


def neuron_keys(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Read layer and neuron of every neuron, and check that all versions have the same.

    Returns
    -------
    tuple of np.ndarray
        Layer and neuron, each [neurons].

    Raises
    ------
    StudyError
        If a file is missing, damaged, empty or has not the neurons of the first.
    """
    keys: tuple[np.ndarray, np.ndarray] | None = None
    for path in dict.fromkeys(paths):
        table = read_table(path, NEURONS, columns=["layer", "neuron"])
        found = table.column("layer").to_numpy(), table.column("neuron").to_numpy()
        if keys is None:
            keys = found
        elif not all(map(np.array_equal, keys, found)):
            raise StudyError(
                f"{path} has not the layers and neurons of {paths[0]}: all versions must come from one architecture; "
                "delete the one that is wrong and run snakemake again."
            )
    if keys is None:
        raise ValueError("no neurons tables to read")
    if not len(keys[0]):
        raise StudyError(f"{paths[0]} has no neurons: delete it and run snakemake again.")
    return keys


def stream_layers(paths: Sequence[Path], columns: Sequence[str], at_once: int = AT_ONCE) -> Iterator[Layers]:
    """Read columns of the neurons tables, as many layers at a time as memory is meant for.

    Parameters
    ----------
    paths
        One table a version; a file may stand for several.
    columns
        Names of columns of `NEURONS`.
    at_once
        Versions times neurons held of each column; a layer is never cut.

    Yields
    ------
    Layers
        Whole layers, in the tables' order.

    Raises
    ------
    StudyError
        As `neuron_keys`.
    """
    layer, neuron = neuron_keys(paths)
    bounds = [0, *(np.flatnonzero(np.diff(layer)) + 1).tolist(), len(layer)]
    start = 0
    while start < len(layer):
        fitting = [end for end in bounds if end > start and (end - start) * len(paths) <= at_once]
        end = max(fitting, default=min(end for end in bounds if end > start))
        values = {name: np.empty((len(paths), end - start)) for name in columns}
        for version, path in enumerate(paths):
            table = read_table(path, NEURONS, columns=list(columns))
            for name in columns:
                values[name][version] = table.column(name).to_numpy()[start:end]
        yield Layers(layer[start:end], neuron[start:end], values)
        start = end


def measure_columns(weight: str, activation: str) -> dict[str, str]:
    """Give the neurons column of each measure.

    Raises
    ------
    StudyError
        If a choice is not known.
    """
    if weight not in WEIGHT_SUMMARIES:
        raise StudyError(f"A neuron's weights are summed up by {' or '.join(WEIGHT_SUMMARIES)}, not by {weight!r}.")
    if activation not in ACTIVATION_PLACES:
        raise StudyError(
            f"A neuron's activation is the output of {' or '.join(ACTIVATION_PLACES)}, not of {activation!r}."
        )
    return {"weight": f"weight_{weight}", "activation": f"activation_{activation}"}
