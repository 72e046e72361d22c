"""The panel of the neuron analysis: outcomes and neurons of all model versions, in the same order.

A version is a generation of a replicate of a round. If rounds share their generation 0, it is in the panel once for
each of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.placement import replicate_name
from bias_amplification.artifacts.schemas import NEURON_PANEL, NEURONS, metrics
from bias_amplification.neurons.designs import Versions
from bias_amplification.study.sections import BiasMeasure, Neurons, Quality, allowed_values

#: The two outcomes, in the order of every pair of them.
OUTCOMES = ("bias", "quality")

BIAS_MEASURES = get_args(BiasMeasure)
QUALITY_MEASURES = allowed_values(Quality, "score")
WEIGHT_SUMMARIES = allowed_values(Neurons, "weight")
ACTIVATION_PLACES = allowed_values(Neurons, "activation")

#: Numbers of one column in memory at once: 64 MB, whatever the numbers of versions and neurons.
AT_ONCE = 2**23


@dataclass(frozen=True)
class Outcomes:
    """Bias and text quality of each version's articles; NaN if there was nothing to measure."""

    versions: Versions
    """Chain and generation of each version."""
    values: Mapping[str, np.ndarray]
    """[versions] each: share and mean_probability of the tracked label, quality_class and quality_weighted."""

    def pair(self, bias_measure: str, quality_measure: str) -> tuple[np.ndarray, np.ndarray]:
        """Return bias and text quality, each [versions]."""
        return self.values[bias_measure], self.values[f"quality_{quality_measure}"]


@dataclass(frozen=True)
class Batch:
    """The neurons of some consecutive layers in all versions."""

    layer: np.ndarray
    """[neurons]."""
    neuron: np.ndarray
    """[neurons]."""
    values: Mapping[str, np.ndarray]
    """For each column [versions, neurons], float64."""


@dataclass(frozen=True)
class Layer:
    """The neurons of one layer in all versions."""

    index: int
    """The layer's place among the model's layers, from 0."""
    places: slice
    """The places of its neurons among the model's neurons."""
    values: Mapping[str, np.ndarray]
    """For each column [versions, neurons of the layer], float64."""


def assemble_panel(
    metrics_file: Path, out: Path, versions: Sequence[tuple[str, int, int]], labels: Sequence[str], settings: Neurons
) -> None:
    """Write the outcomes of each version (schema `NEURON_PANEL`).

    Parameters
    ----------
    metrics_file
        The metrics table.
    out
        The table to write.
    versions
        Round, replicate and generation of each version, in the panel's order.
    labels
        The label set.
    settings
        `tracked_label`: the label whose share is the bias in all rounds; None: each round's tracked label.

    Raises
    ------
    StudyError
        If the metrics lack a version, or track a label outside the label set.
    """
    table = read_table(metrics_file, metrics(labels))
    found = {(row["round"], row["replicate"], row["generation"]): row for row in table.to_pylist()}
    rows = []
    for round_name, replicate, generation in versions:
        row = found.get((round_name, replicate, generation))
        if row is None:
            raise StudyError(
                f"{metrics_file} has no row for generation {generation} of round {round_name!r}, replicate "
                f"{replicate}: delete it and run snakemake again."
            )
        label = settings.tracked_label or row["tracked_label"]
        if label not in labels:
            raise StudyError(
                f"{metrics_file}: the tracked label of round {round_name!r} is {label!r}, which is not one of "
                f"{', '.join(labels)}: correct neurons.tracked_label, or delete the file and run snakemake again."
            )
        outcomes = {measure: row[f"{measure}_{label}"] for measure in BIAS_MEASURES}
        outcomes |= {"quality_class": row["text_quality_index"], "quality_weighted": row["text_quality_index_weighted"]}
        key = {"round": round_name, "replicate": replicate, "generation": generation, "seed_set": row["seed_set"]}
        rows.append(key | {"label": label, **outcomes})
    write_table(pa.Table.from_pylist(rows, schema=NEURON_PANEL), out, NEURON_PANEL)


def read_outcomes(path: Path, files: int) -> Outcomes:
    """Read the panel that `assemble_panel` wrote.

    Parameters
    ----------
    path
        The panel.
    files
        The number of versions that it must have.

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
    # Replicates are independent studies of one strategy, so that each is a series of its own.
    columns = {name: tuple(table.column(name).to_pylist()) for name in NEURON_PANEL.names[:4]}
    chains = tuple(map(replicate_name, columns["round"], columns["replicate"]))
    versions = Versions(chains, columns["generation"], columns["round"], columns["replicate"], columns["seed_set"])
    names = (*BIAS_MEASURES, *(f"quality_{measure}" for measure in QUALITY_MEASURES))
    return Outcomes(versions, {name: table.column(name).to_numpy().astype(np.float64) for name in names})


def read_keys(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Read layer and number of every neuron, and check that they are the same in all versions.

    Returns
    -------
    tuple of np.ndarray
        Layer, and neuron within the layer, each [neurons].

    Raises
    ------
    StudyError
        If a file is missing, damaged or empty, or its neurons differ from the first file's.
    """
    keys: tuple[np.ndarray, np.ndarray] | None = None
    for path in dict.fromkeys(paths):
        table = read_table(path, NEURONS, columns=["layer", "neuron"])
        found = table.column("layer").to_numpy(), table.column("neuron").to_numpy()
        if keys is None:
            keys = found
        elif not all(map(np.array_equal, keys, found)):
            raise StudyError(
                f"{path} has other layers or neurons than {paths[0]}: all versions must have the same architecture; "
                "delete the file that is wrong and run snakemake again."
            )
    if keys is None:
        raise ValueError("there are no neurons tables to read")
    if not len(keys[0]):
        raise StudyError(f"{paths[0]} has no neurons: delete it and run snakemake again.")
    return keys


def layer_slices(layer: np.ndarray) -> list[slice]:
    """Return the places of each layer's neurons, from the layer of each neuron [neurons]."""
    bounds = [0, *(np.flatnonzero(np.diff(layer)) + 1).tolist(), len(layer)]
    return [slice(start, end) for start, end in pairwise(bounds) if end > start]


def layer_numbers(layer: np.ndarray) -> list[int]:
    """Return the number of each layer, [layers], from the layer of each neuron, [neurons]."""
    return [int(layer[place.start]) for place in layer_slices(layer)]


def stream_batches(paths: Sequence[Path], columns: Sequence[str], at_once: int = AT_ONCE) -> Iterator[Batch]:
    """Read columns of the neurons tables, a few layers at a time, so that memory is bounded.

    Parameters
    ----------
    paths
        One table for each version; the same file may be given for several.
    columns
        Names of columns of `NEURONS`.
    at_once
        Maximum of versions times neurons in memory for each column. A layer is never split, however large.

    Yields
    ------
    Batch
        Whole layers, in the tables' order.

    Raises
    ------
    StudyError
        As `read_keys`.
    """
    layer, neuron = read_keys(paths)
    ends = [place.stop for place in layer_slices(layer)]
    start = 0
    while start < len(layer):
        fitting = [end for end in ends if end > start and (end - start) * len(paths) <= at_once]
        end = max(fitting, default=min(end for end in ends if end > start))
        values = {name: np.empty((len(paths), end - start)) for name in columns}
        for version, path in enumerate(paths):
            table = read_table(path, NEURONS, columns=list(columns))
            for name in columns:
                values[name][version] = table.column(name).to_numpy()[start:end]
        yield Batch(layer[start:end], neuron[start:end], values)
        start = end


def each_layer(batches: Iterator[Batch]) -> Iterator[Layer]:
    """Yield the layers of batches, one by one."""
    index = start = 0
    for batch in batches:
        for place in layer_slices(batch.layer):
            values = {name: column[:, place] for name, column in batch.values.items()}
            yield Layer(index, slice(start + place.start, start + place.stop), values)
            index += 1
        start += len(batch.layer)


def measure_columns(settings: Neurons) -> dict[str, str]:
    """Return the neurons column of each measure, weight and activation."""
    return {"weight": f"weight_{settings.weight}", "activation": f"activation_{settings.activation}"}


def nullable(values: np.ndarray) -> pa.Array:
    """Turn numbers into a column, with null for NaN."""
    values = np.asarray(values, dtype=np.float64)
    return pa.array(values, mask=np.isnan(values), type=pa.float64())
