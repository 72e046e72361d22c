"""How often each test rejects when nothing is there, and what it finds when something is: simulated studies.

A simulated study has this one's rounds and generations. Three worlds without an effect:

- "random_walks": every neuron and the outcome is a random walk of its own in each round, with normal steps, from a
  start that the rounds share.
- "decaying_steps": the same, and the step into generation g has the standard deviation 1 / g.
- "run_correlation": the outcome as in "random_walks"; the neurons' steps are random normal mixtures of the run's own,
  which are correlated from neuron to neuron as the run's are, and independent in time.

With an effect, a tenth of the neurons follow the outcome's changes with a given correlation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_CALIBRATION
from bias_amplification.neurons.designs import RegressionSettings, make_rows
from bias_amplification.neurons.panel import measure_columns, read_outcomes, stream_layers
from bias_amplification.neurons.permute import Null, fill_layer, permutation_p_value, permute_outcomes
from bias_amplification.neurons.regress import ROUNDING, regress
from bias_amplification.neurons.sets import adjust

WORLDS = ("random_walks", "decaying_steps", "run_correlation")
PLANTED = 0.1


def calibrate(
    panel: Path,
    neurons: Sequence[Path],
    out: Path,
    *,
    test: Mapping[str, Any],
    moves: Sequence[Sequence[str]],
    studies: int,
    neurons_a_study: int,
    effects: Sequence[float],
    seed: int,
    alpha: float = 0.05,
    weight: str = "mean",
) -> None:
    """Write how often the tests reject in simulated studies (schema `NEURON_CALIBRATION`).

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`: they give rounds, generations and the neurons' correlation.
    out
        The table to write.
    test
        The arguments of `designs.RegressionSettings` of the run's own test, which is planted with effects.
    moves
        Moves of each permutation test of the counts.
    studies, neurons_a_study
        Size of the simulation.
    effects
        Correlations between the changes of a planted neuron and of the outcome.
    seed
        Fixes the draws.
    alpha
        Level of the tests.
    weight
        The column that the run's correlation is taken from.
    """
    outcomes = read_outcomes(panel, len(neurons))
    shape = outcomes.rounds, outcomes.generations
    generator = np.random.default_rng(seed)
    own = RegressionSettings(**test)
    steps = run_steps(neurons, measure_columns(weight, "ffn")["weight"], shape, neurons_a_study, generator)
    rows: list[dict[str, Any]] = []
    for world in WORLDS:
        if world == "run_correlation" and not steps.shape[1]:
            continue
        x, y = simulate(world, shape, studies, neurons_a_study, steps, generator)
        for settings in options(own):
            design = make_rows(*shape, settings.difference)
            repeated = np.repeat(y, x.shape[2], axis=1)
            p_values = regress(x.reshape(len(x), -1), repeated, design, settings).p_value.reshape(studies, -1)
            rows.append(_described(world, "neuron", settings, alpha, p_values))
        for scheme in moves:
            rows.append(_counts_row(world, scheme, own, shape, x, y, seed, alpha))
        for effect in effects:
            rows += _power_rows(world, effect, own, shape, x, y, alpha)
    write_table(pa.Table.from_pylist(rows, schema=NEURON_CALIBRATION), out, NEURON_CALIBRATION)


def options(own: RegressionSettings) -> Iterator[RegressionSettings]:
    """Yield the tests to compare, the run's own among them, each once."""
    listed = [
        RegressionSettings(difference, lags, reference, small_sample)
        for difference in ("levels", "across", "within")
        for lags in (1, "plugin", "newey_west", "andrews")
        for reference, small_sample in (("normal", False), ("normal", True), ("t", False), ("t", True))
    ]
    listed += [replace(RegressionSettings(), difference=name, fixed_effects=True) for name in ("across", "within")]
    yield from dict.fromkeys([*listed, own])


def run_steps(
    paths: Sequence[Path],
    column: str,
    shape: tuple[Sequence[str], Sequence[int]],
    number: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Read the steps within rounds of some of the run's neurons, drawn over all layers.

    Returns
    -------
    np.ndarray
        [rows, neurons], centred and of length 1; neurons that never change are not among them.
    """
    rows = make_rows(*shape, "within")
    parts = []
    for layers in stream_layers(paths, [column]):
        values = layers.values[column]
        steps = rows.of(values)
        steps = steps - steps.mean(axis=0)
        changing = np.isfinite(steps).all(axis=0) & (
            np.abs(steps).max(axis=0, initial=0.0) > ROUNDING * np.abs(values).max(axis=0)
        )
        parts.append(steps[:, changing] / np.linalg.norm(steps[:, changing], axis=0))
    steps = np.concatenate(parts, axis=1)
    chosen = generator.permutation(steps.shape[1])[:number]
    return steps[:, np.sort(chosen)]


def simulate(
    world: str,
    shape: tuple[Sequence[str], Sequence[int]],
    studies: int,
    neurons: int,
    steps: np.ndarray,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate studies without an effect.

    Parameters
    ----------
    world
        Of `WORLDS`.
    shape
        Round and generation of each version.
    studies, neurons
        How many; the neurons of "run_correlation" are as many as `steps` has.
    steps
        As `run_steps` gives them.
    generator
        Where the draws come from.

    Returns
    -------
    neurons : np.ndarray
        [versions, studies, neurons].
    outcome : np.ndarray
        [versions, studies].
    """
    versions = len(shape[0])
    if world == "run_correlation":
        mixing = generator.normal(size=(versions * studies, len(steps)))
        x = (mixing @ steps).reshape(versions, studies, -1)
    else:
        x = generator.normal(size=(versions, studies, neurons))
    y = generator.normal(size=(versions, studies))
    if world == "decaying_steps":
        scale = 1 / np.maximum(np.asarray(shape[1], dtype=np.float64), 1)
        x, y = x * scale[:, None, None], y * scale[:, None]
    return _walk(x, shape[0]), _walk(y, shape[0])


def _walk(steps: np.ndarray, rounds: Sequence[str]) -> np.ndarray:
    """Add up the steps of each round; all start at the same place, as rounds do that share a base model."""
    names = np.asarray(rounds)
    walks = np.empty_like(steps)
    for name in dict.fromkeys(rounds):
        mine = np.flatnonzero(names == name)
        walks[mine[0]] = 0
        walks[mine[1:]] = np.cumsum(steps[mine[1:]], axis=0)
    return walks


def _described(
    world: str, test: str, settings: RegressionSettings, alpha: float, p_values: np.ndarray, effect: float = 0.0
) -> dict[str, Any]:
    """Make a row from p-values [studies, neurons] of neurons without an effect."""
    share = np.nanmean(np.where(np.isfinite(p_values), p_values < alpha, np.nan), axis=1)
    low, high = np.quantile(share, [0.025, 0.975])
    error = float(share.std(ddof=1) / np.sqrt(len(share))) if len(share) > 1 else 0.0
    return {
        "world": world,
        "test": test,
        **asdict(settings),
        "lags": str(settings.lags),
        "effect": effect,
        "studies": len(share),
        "rejected": float(share.mean()),
        "standard_error": error,
        "rejected_low": float(low),
        "rejected_high": float(high),
    }


def _counts_row(
    world: str,
    moves: Sequence[str],
    settings: RegressionSettings,
    shape: tuple[Sequence[str], Sequence[int]],
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    alpha: float,
) -> dict[str, Any]:
    """Say how often the permutation test of the number of neurons rejects; 199 permutations suffice for that."""
    rows, number = make_rows(*shape, settings.difference), x.shape[2]
    rejected = []
    for study in range(min(300, x.shape[1])):
        (permuted,), _ = permute_outcomes([y[:, study]], *shape, moves, 199, seed + study)
        null = Null.empty(1, len(permuted), number)
        # A second outcome that does not move is not tested.
        pair = [permuted, np.zeros_like(permuted)]
        fill_layer(null, 0, slice(0, number), x[:, study], pair, rows, settings, alpha)
        rejected.append(permutation_p_value(null.counts[0, 0]) <= alpha)
    share = float(np.mean(rejected))
    row = _described(world, f"counts, {'+'.join(moves)}", settings, alpha, np.zeros((len(rejected), 1)))
    error = float(np.sqrt(share * (1 - share) / len(rejected)))
    return row | {"rejected": share, "standard_error": error, "rejected_low": None, "rejected_high": None}


def _power_rows(
    world: str,
    effect: float,
    settings: RegressionSettings,
    shape: tuple[Sequence[str], Sequence[int]],
    x: np.ndarray,
    y: np.ndarray,
    alpha: float,
) -> Iterator[dict[str, Any]]:
    """Plant effects in a tenth of the neurons and say what each criterion finds."""
    names = np.asarray(shape[0])
    planted = max(1, int(PLANTED * x.shape[2]))
    x, y = x.copy(), y
    for name in dict.fromkeys(shape[0]):
        mine = np.flatnonzero(names == name)
        step, follow = np.diff(x[mine, :, :planted], axis=0), np.diff(y[mine], axis=0)
        size = step.std(axis=(0, 1)) / follow.std()
        mixed = np.sqrt(1 - effect**2) * step + effect * follow[:, :, None] * size
        x[mine[1:], :, :planted] = x[mine[:1], :, :planted] + np.cumsum(mixed, axis=0)
    repeated = np.repeat(y, x.shape[2], axis=1)
    rows = make_rows(*shape, settings.difference)
    p_values = regress(x.reshape(len(x), -1), repeated, rows, settings).p_value.reshape(y.shape[1], -1)
    criteria = {"neuron": p_values}
    for method in ("benjamini_hochberg", "benjamini_yekutieli", "bonferroni"):
        criteria[method] = np.array([adjust(line, method) for line in p_values])
    for name, values in criteria.items():
        found = values < alpha
        row = _described(world, name, settings, alpha, values[:, planted:], effect)
        false = found[:, planted:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        yield row | {"power": float(found[:, :planted].mean()), "false_discovery": float(false.mean())}
