"""Simulated studies: how often each test rejects without an effect, and what it finds with one.

A simulated study has the rounds and generations of the real one. Three worlds have no effect:

- "random_walks": in each round, every neuron and the outcome are independent random walks with normal steps, from a
  start that the rounds share.
- "decaying_steps": the same, with steps of standard deviation 1 / g into generation g.
- "run_correlation": the outcome as in "random_walks". The neurons' steps are random normal mixtures of the run's steps,
  so neurons are correlated with one another as in the run, and independent over time.

To measure power, a tenth of the neurons are made to follow the outcome's changes with a given correlation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_CALIBRATION
from bias_amplification.neurons.designs import DATA_DRIVEN, Versions, make_rows
from bias_amplification.neurons.null_distribution import Null, fill_layer, permutation_p_value
from bias_amplification.neurons.panel import read_outcomes, stream_batches
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.neurons.regress import ROUNDING, regress
from bias_amplification.neurons.sets import CORRECTIONS, significant
from bias_amplification.study.sections import Calibration, Neurons

WORLDS = ("random_walks", "decaying_steps", "run_correlation")

#: Share of the neurons that follow the outcome when power is measured.
PLANTED = 0.1

#: Studies and permutations of each test of the number of neurons. More would change the rate by less than its error.
COUNTED_STUDIES, COUNTED_PERMUTATIONS = 300, 199


@dataclass(frozen=True)
class Simulation:
    """Simulated studies of one world."""

    world: str
    versions: Versions
    x: np.ndarray
    """Neurons [versions, studies, neurons]."""
    y: np.ndarray
    """Outcome [versions, studies]."""

    def p_values(self, settings: Neurons) -> np.ndarray:
        """Test every neuron of every study: [studies, neurons]."""
        versions, studies, neurons = self.x.shape
        rows = make_rows(self.versions, settings.difference)
        slopes = regress(self.x.reshape(versions, -1), np.repeat(self.y, neurons, axis=1), rows, settings)
        return slopes.p_value.reshape(studies, -1)


def calibrate_neurons(panel: Path, neurons: Sequence[Path], out: Path, settings: Neurons, seed: int) -> None:
    """Write how often the tests reject in simulated studies (schema `NEURON_CALIBRATION`).

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`. Rounds, generations and the neurons' correlation are taken from them.
    out
        The table to write.
    settings
        The study's own test and alpha; `weight`, the column whose correlation is used; `permutations.schemes`, each a
        test of the number of neurons; and `calibration`, the size of the simulation.
    seed
        Seed of the draws.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    versions = read_outcomes(panel, len(neurons)).versions
    generator = np.random.default_rng(seed)
    column = f"weight_{settings.weight}"
    steps = run_steps(neurons, column, versions, settings.calibration.neurons, generator)
    rows: list[dict[str, Any]] = []
    for world in WORLDS:
        if world == "run_correlation" and not steps.shape[1]:
            continue
        simulation = simulate(world, versions, settings.calibration, steps, generator)
        rows += [_neuron_row(simulation, test) for test in list_tests(settings)]
        rows += [_counts_row(simulation, moves, settings, seed) for moves in settings.permutations.schemes]
        for effect in settings.calibration.effects:
            rows += _power_rows(simulation, effect, settings)
    write_table(pa.Table.from_pylist(rows, schema=NEURON_CALIBRATION), out, NEURON_CALIBRATION)


class NeuronTest(NamedTuple):
    """A test of one neuron: the keys of the config's section `neurons` that define it."""

    difference: str
    lags: int | str
    reference: str
    small_sample: bool
    fixed_effects: bool = False


def list_tests(own: Neurons) -> list[Neurons]:
    """List the settings of the tests to compare, the study's own among them, each once."""
    tests = [
        NeuronTest(difference, lags, reference, small_sample)
        for difference in ("levels", "across", "within")
        for lags in (1, "plugin", *DATA_DRIVEN)
        for reference in ("normal", "t")
        for small_sample in (False, True)
    ]
    tests += [NeuronTest(difference, 1, "t", True, fixed_effects=True) for difference in ("across", "within")]
    tests.append(NeuronTest(**{key: getattr(own, key) for key in Neurons.TEST_KEYS}))
    return [own.model_copy(update=test._asdict()) for test in dict.fromkeys(tests)]


def run_steps(
    paths: Sequence[Path], column: str, versions: Versions, number: int, generator: np.random.Generator
) -> np.ndarray:
    """Read the steps within rounds of some of the run's neurons, drawn from all layers.

    Parameters
    ----------
    paths
        neurons.parquet of each version.
    column
        The column whose steps are read.
    versions
        Round and generation of each of `paths`.
    number
        Largest number of neurons.
    generator
        Source of the draw of neurons.

    Returns
    -------
    np.ndarray
        [rows, neurons], centred and of length 1, without neurons that never change.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    rows = make_rows(versions, "within")
    parts = []
    for batch in stream_batches(paths, [column]):
        values = batch.values[column]
        steps = rows.take(values)
        steps = steps - steps.mean(axis=0)
        changing = np.isfinite(steps).all(axis=0) & (
            np.abs(steps).max(axis=0, initial=0.0) > ROUNDING * np.abs(values).max(axis=0)
        )
        parts.append(steps[:, changing] / np.linalg.norm(steps[:, changing], axis=0))
    steps = np.concatenate(parts, axis=1)
    chosen = generator.permutation(steps.shape[1])[:number]
    return steps[:, np.sort(chosen)]


def simulate(
    world: str, versions: Versions, size: Calibration, steps: np.ndarray, generator: np.random.Generator
) -> Simulation:
    """Simulate studies without an effect.

    Parameters
    ----------
    world
        One of `WORLDS`.
    versions
        Round and generation of each version.
    size
        `studies`, and `neurons` of each study; a study of "run_correlation" has as many neurons as `steps`.
    steps
        The result of `run_steps`.
    generator
        Source of the draws.
    """
    many = len(versions.rounds)
    if world == "run_correlation":
        mixing = generator.normal(size=(many * size.studies, len(steps)))
        x = (mixing @ steps).reshape(many, size.studies, -1)
    else:
        x = generator.normal(size=(many, size.studies, size.neurons))
    y = generator.normal(size=(many, size.studies))
    if world == "decaying_steps":
        scale = 1 / np.maximum(np.asarray(versions.generations, dtype=np.float64), 1)
        x, y = x * scale[:, None, None], y * scale[:, None]
    return Simulation(world, versions, _walk(x, versions.rounds), _walk(y, versions.rounds))


def _walk(steps: np.ndarray, rounds: Sequence[str]) -> np.ndarray:
    """Sum the steps of each round; all rounds start at 0, as rounds share their base model."""
    names = np.asarray(rounds)
    walks = np.empty_like(steps)
    for name in dict.fromkeys(rounds):
        mine = np.flatnonzero(names == name)
        walks[mine[0]] = 0
        walks[mine[1:]] = np.cumsum(steps[mine[1:]], axis=0)
    return walks


def _describe(world: str, test: str, settings: Neurons, effect: float = 0.0) -> dict[str, Any]:
    """Return the columns of a row that say what was simulated and tested."""
    keys = {name: getattr(settings, name) for name in Neurons.TEST_KEYS}
    return {"world": world, "test": test, **keys, "lags": str(settings.lags), "effect": effect}


def _rates(p_values: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Compute how often neurons without an effect are found; both arrays are [studies, neurons]."""
    share = np.nanmean(np.where(np.isfinite(p_values), found, np.nan), axis=1)
    low, high = np.quantile(share, [0.025, 0.975])
    return {
        "studies": len(share),
        "rejected": float(share.mean()),
        "standard_error": float(share.std(ddof=1) / np.sqrt(len(share))) if len(share) > 1 else 0.0,
        "rejected_low": float(low),
        "rejected_high": float(high),
    }


def _neuron_row(simulation: Simulation, test: Neurons) -> dict[str, Any]:
    """Compute how often a test of one neuron rejects."""
    p_values = simulation.p_values(test)
    return _describe(simulation.world, "neuron", test) | _rates(p_values, significant(p_values, test.alpha))


def _counts_row(simulation: Simulation, moves: Sequence[str], settings: Neurons, seed: int) -> dict[str, Any]:
    """Compute how often the permutation test of the number of neurons rejects."""
    rows, number = make_rows(simulation.versions, settings.difference), simulation.x.shape[2]
    rejected = []
    for study in range(min(COUNTED_STUDIES, simulation.x.shape[1])):
        outcome = simulation.y[:, study]
        (permuted,), _ = permute_changes([outcome], simulation.versions, moves, COUNTED_PERMUTATIONS, seed + study)
        null = Null.empty(1, len(permuted), number)
        # A second outcome that is constant is not tested.
        pair = [permuted, np.zeros_like(permuted)]
        fill_layer(null, 0, slice(0, number), simulation.x[:, study], pair, rows, settings)
        rejected.append(permutation_p_value(null.counts[0, 0]) <= settings.alpha)
    share, studies = float(np.mean(rejected)), len(rejected)
    error = float(np.sqrt(share * (1 - share) / studies))
    about = _describe(simulation.world, f"counts, {'+'.join(moves)}", settings)
    return about | {"studies": studies, "rejected": share, "standard_error": error}


def _power_rows(simulation: Simulation, effect: float, settings: Neurons) -> Iterator[dict[str, Any]]:
    """Plant effects in a tenth of the neurons and compute what each criterion finds."""
    planted = max(1, int(PLANTED * simulation.x.shape[2]))
    p_values = _plant(simulation, effect, planted).p_values(settings)
    for correction in (None, *CORRECTIONS):
        found = np.array([significant(line, settings.alpha, correction) for line in p_values])
        false = found[:, planted:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        row = _describe(simulation.world, correction or "neuron", settings, effect)
        row |= _rates(p_values[:, planted:], found[:, planted:])
        yield row | {"power": float(found[:, :planted].mean()), "false_discovery": float(false.mean())}


def _plant(simulation: Simulation, effect: float, planted: int) -> Simulation:
    """Let the changes of the first neurons correlate with the outcome's, at the correlation `effect`."""
    x, y = simulation.x.copy(), simulation.y
    names = np.asarray(simulation.versions.rounds)
    for name in dict.fromkeys(simulation.versions.rounds):
        mine = np.flatnonzero(names == name)
        step, follow = np.diff(x[mine, :, :planted], axis=0), np.diff(y[mine], axis=0)
        size = step.std(axis=(0, 1)) / follow.std()
        mixed = np.sqrt(1 - effect**2) * step + effect * follow[:, :, None] * size
        x[mine[1:], :, :planted] = x[mine[:1], :, :planted] + np.cumsum(mixed, axis=0)
    return Simulation(simulation.world, simulation.versions, x, y)
