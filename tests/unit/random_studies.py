"""Random studies: outcomes and neurons of rounds and generations, in memory or in files."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_PANEL, NEURONS
from bias_amplification.neurons.designs import Versions

#: Layers of a study in files.
LAYERS = 2


class RandomStudy(NamedTuple):
    """Random walks in each round."""

    versions: Versions
    x: np.ndarray
    """Neurons [versions, neurons]."""
    y: np.ndarray
    """Outcomes [2, versions]."""


class StudyFiles(NamedTuple):
    """A study in files, and what the files hold."""

    panel: Path
    neurons: list[Path]
    outcomes: Mapping[str, np.ndarray]
    """[versions] of each outcome column of the panel."""
    values: np.ndarray
    """[versions, neurons, columns of `NEURONS` after layer and neuron]."""


def list_versions(rounds: int, generations: int) -> Versions:
    """Name the versions of a study."""
    names = tuple(f"round {index}" for index in range(rounds) for _ in range(generations))
    return Versions(names, (*range(generations),) * rounds)


def random_study(seed: int = 0, rounds: int = 4, generations: int = 7, neurons: int = 12) -> RandomStudy:
    """Draw random walks, so that errors of levels are serially correlated."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rounds, generations, neurons)).cumsum(axis=1).reshape(-1, neurons)
    y = generator.normal(size=(2, rounds, generations)).cumsum(axis=2).reshape(2, -1)
    return RandomStudy(list_versions(rounds, generations), x, y)


def write_study(
    folder: Path, *, rounds: int = 4, generations: int = 7, width: int = 30, following: int = 0, seed: int = 2
) -> StudyFiles:
    """Write the panel and the neurons of random walks that start from one shared generation 0.

    The neuron 3 of layer 0 never changes; the weights of the first `following` neurons of layer 1 follow the share.
    """
    generator = np.random.default_rng(seed)
    shape = (rounds, generations)
    outcomes = generator.normal(size=(4, *shape)).cumsum(axis=2).reshape(4, -1)
    steps = generator.normal(size=(*shape, LAYERS * width, 4))
    steps[:, 0] = steps[0, 0]
    values = steps.cumsum(axis=1).reshape(-1, LAYERS * width, 4)
    chosen = slice(width, width + following)
    values[:, chosen, 0] = outcomes[0][:, None] + 0.3 * values[:, chosen, 0]
    values[:, 3] = 0.25
    versions = list_versions(rounds, generations)
    named = dict(zip(NEURON_PANEL.names[5:], outcomes, strict=True))
    write_panel(folder / "panel.parquet", versions, named)
    paths = [folder / f"{version}.parquet" for version in range(len(values))]
    if not following:  # then the rounds' first generations are the same
        paths[::generations] = [paths[0]] * rounds
    for path, version in zip(paths, values, strict=True):
        write_neurons(path, version)
    return StudyFiles(folder / "panel.parquet", paths, named, values)


def write_panel(path: Path, versions: Versions, outcomes: Mapping[str, np.ndarray]) -> None:
    """Write a panel; NaN becomes null."""
    count = len(versions.rounds)
    columns = {"round": versions.rounds, "replicate": [1] * count, "generation": versions.generations}
    columns |= {"seed_set": ["even"] * count, "label": ["red"] * count}
    columns |= {name: pa.array(values, from_pandas=True) for name, values in outcomes.items()}
    write_table(pa.table(columns), path, NEURON_PANEL)


def write_neurons(path: Path, values: np.ndarray, layers: int = LAYERS) -> None:
    """Write the neurons [neurons, columns] of a version."""
    width = len(values) // layers
    columns = {"layer": np.repeat(np.arange(layers, dtype=np.int16), width)}
    columns["neuron"] = np.tile(np.arange(width, dtype=np.int32), layers)
    columns |= dict(zip(NEURONS.names[2:], values.T, strict=True))
    write_table(pa.table(columns), path, NEURONS)
