"""Simulated studies in which no neuron goes with an outcome, or only those that are made to.

A simulated study has the rounds and generations of the real one. Its neurons and both outcomes are random walks with
normal steps, drawn independently of one another, in a world of `WORLDS`. What differs between worlds is what the steps
of neurons and outcomes have in common with those of other rounds and generations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Versions

#: The worlds, and what is true in them of the steps of neurons and of outcomes alike.
WORLDS = {
    "random_walks": "all steps are independent and alike",
    "decaying_steps": "steps into generation g have the standard deviation 1 / g",
    "shared_25": "a quarter of the variance of a generation's steps is common to all rounds",
    "shared_50": "half of the variance of a generation's steps is common to all rounds",
    "shared_75": "three quarters of the variance of a generation's steps are common to all rounds",
    "round_scales": "rounds have standard deviations of their own, log-normal with sigma 1",
    "common_trend": "all rounds move the same way, by 2 / g into generation g, each neuron in a direction of its own",
    "round_drift": "each round drifts by a normal amount of standard deviation 0.7 a generation",
    "scaled_trend": "the common trend, in each round with a factor of its own, log-normal with sigma 1",
    "persistent_steps": "a step has half of the step before it, so that a round moves on as it did",
    "own_neurons": "the run's neurons as they are; outcomes have the correlation between rounds, the scales of the "
    "rounds, the profile over generations and the persistence of the run's own outcomes",
}


class Run(NamedTuple):
    """What a simulation takes from the run: the values of some neurons, and both outcomes, [versions, ...]."""

    neurons: np.ndarray
    outcomes: Sequence[np.ndarray]
    many: np.ndarray | None = None
    """Many more of its neurons, for what depends on their number; None: the same."""


@dataclass(frozen=True)
class Simulation:
    """Simulated studies of one world."""

    world: str
    versions: Versions
    x: np.ndarray
    """Neurons [versions, studies, neurons]."""
    y: np.ndarray
    """Bias and quality [2, versions, studies]."""


class _Layout(NamedTuple):
    """Places of the steps, [versions] each: a version's step leads into it. First versions have no step."""

    chain: np.ndarray
    strategy: np.ndarray
    generation: np.ndarray
    shared: np.ndarray
    """Number of the steps that are common: one for each generation, and for each replicate of a seed set."""


def simulate(world: str, versions: Versions, run: Run, studies: int, neurons: int, seed: object) -> Simulation:
    """Simulate studies without an effect.

    Parameters
    ----------
    world
        One of `WORLDS`.
    versions
        The versions of the run.
    run
        Its neurons and outcomes, for "own_neurons".
    studies, neurons
        Numbers of studies, and of neurons in each; "own_neurons" has the run's.
    seed
        Seed of the draws.
    """
    generator = np.random.default_rng(seed)
    layout = _lay_out(versions)
    many = len(versions.rounds)
    if world == "own_neurons":
        y = np.stack([_outcome_like(one, layout, studies, generator) for one in run.outcomes])
        x = np.repeat(run.neurons[:, None], studies, axis=1)
        return Simulation(world, versions, x, _walk(y, layout))
    x = generator.normal(size=(many, studies, neurons))
    y = generator.normal(size=(2, many, studies))
    change = _changer(world, layout, studies, generator)
    return Simulation(world, versions, _walk(change(x)[None], layout)[0], _walk(np.stack([*map(change, y)]), layout))


def plant(simulation: Simulation, outcomes: Sequence[int], chosen: slice, effect: float) -> Simulation:
    """Let the steps of some neurons correlate with those of outcomes.

    Parameters
    ----------
    simulation
        Studies without an effect.
    outcomes
        Which of bias (0) and quality (1) the neurons follow.
    chosen
        The neurons.
    effect
        The correlation with each outcome; at most 1 / sqrt(2) with both, because these are independent.
    """
    effect = min(effect, np.sqrt(1 / len(outcomes)))
    x = simulation.x.copy()
    names = np.asarray(simulation.versions.rounds)
    for name in dict.fromkeys(simulation.versions.rounds):
        mine = np.flatnonzero(names == name)
        step = np.diff(x[mine][:, :, chosen], axis=0)
        mixed = np.sqrt(max(0.0, 1 - len(outcomes) * effect**2)) * step
        for outcome in outcomes:
            follow = np.diff(simulation.y[outcome, mine], axis=0)
            mixed += effect * follow[:, :, None] * step.std(axis=(0, 1)) / (_spread(follow) or 1.0)
        x[mine[1:], :, chosen] = x[mine[:1], :, chosen] + np.cumsum(np.nan_to_num(mixed), axis=0)
    return Simulation(simulation.world, simulation.versions, x, simulation.y)


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation of the values that are not NaN; 0 without any."""
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) else 0.0


def _lay_out(versions: Versions) -> _Layout:
    chain = np.unique(versions.rounds, return_inverse=True)[1]
    generation = np.asarray(versions.generations, dtype=np.int64)
    strategy = np.unique(versions.strategies or versions.rounds, return_inverse=True)[1]
    owner = np.zeros_like(chain)
    if len(set(versions.replicates)) > 1:  # replicates of different seed sets have nothing in common
        keys = [f"{a}\n{b}" for a, b in zip(versions.seed_sets, versions.replicates, strict=True)]
        owner = np.unique(keys, return_inverse=True)[1]
    return _Layout(chain, strategy, generation, owner * (generation.max(initial=0) + 1) + generation)


def _changer(
    world: str, layout: _Layout, studies: int, generator: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that makes a world's steps of independent steps, [versions, studies, ...]."""
    strategies = layout.strategy.max() + 1
    decay = 1 / np.maximum(layout.generation, 1)
    # A round's scale or factor is the same for neurons and outcomes.
    scales = np.exp(generator.normal(size=(strategies, studies)))[layout.strategy]

    def shape(values: np.ndarray, like: np.ndarray) -> np.ndarray:
        return values.reshape(values.shape + (1,) * (like.ndim - values.ndim))

    def change(steps: np.ndarray) -> np.ndarray:
        if world == "decaying_steps":
            return steps * shape(decay, steps)
        if world.startswith("shared"):
            share = int(world.split("_")[1]) / 100
            common = generator.normal(size=(layout.shared.max() + 1, *steps.shape[1:]))[layout.shared]
            return np.sqrt(1 - share) * steps + np.sqrt(share) * common
        if world == "round_scales":
            return steps * shape(scales, steps)
        if world in ("common_trend", "scaled_trend"):
            direction = generator.normal(size=steps.shape[1:]) if steps.ndim > 2 else 1.0
            factor = shape(scales, steps) if world == "scaled_trend" else 1.0
            return steps + 2 * shape(decay, steps) * factor * direction
        if world == "round_drift":
            return steps + 0.7 * generator.normal(size=(strategies, *steps.shape[1:]))[layout.strategy]
        if world == "persistent_steps":
            steps = steps.copy()
            for version in np.flatnonzero(np.diff(layout.chain) == 0) + 1:
                steps[version] += 0.5 * steps[version - 1]
            return steps
        return steps

    return change


def _outcome_like(outcome: np.ndarray, layout: _Layout, studies: int, generator: np.random.Generator) -> np.ndarray:
    """Draw steps [versions, studies] with the run's correlation between rounds, scales, profile and persistence."""
    steps, _ = grid_steps(outcome, layout.chain, layout.generation)
    persistence = clear_persistence(steps[:, :, None])
    scale, correlation = scales_and_correlation(steps)
    scaled = np.square(steps / np.where(scale > 0, scale, 1.0)[:, None])
    profile = np.sqrt(np.where(np.isfinite(scaled).any(axis=0), _mean_of_known(scaled, axis=0), 1.0))
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    drawn = np.einsum("rk,kts->rts", root, generator.normal(size=(len(root), steps.shape[1], studies)))
    for step in range(1, steps.shape[1]):
        drawn[:, step] = persistence * drawn[:, step - 1] + np.sqrt(1 - persistence**2) * drawn[:, step]
    drawn *= (scale[:, None] * profile)[:, :, None]
    found = np.zeros((len(outcome), studies))
    later = layout.generation > 0
    found[later] = drawn[layout.chain[later], layout.generation[later] - 1]
    found[~np.isfinite(outcome)] = np.nan
    return found


def grid_steps(values: np.ndarray, chain: np.ndarray, generation: np.ndarray) -> tuple[np.ndarray, int]:
    """Arrange the steps of [versions, ...] as [chains, generations - 1, ...], NaN where there is none."""
    chains = int(chain.max(initial=-1)) + 1
    levels = np.full((chains, int(generation.max(initial=0)) + 1, *values.shape[1:]), np.nan)
    levels[chain, generation] = values
    return np.diff(levels, axis=1), chains


def _mean_of_known(values: np.ndarray, axis: int, *, keepdims: bool = False) -> np.ndarray:
    """Average the values that are not NaN; 0 where there are none."""
    count = np.isfinite(values).sum(axis=axis, keepdims=keepdims)
    return np.nansum(values, axis=axis, keepdims=keepdims) / np.maximum(count, 1)


def scales_and_correlation(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each round's root mean square step [chains], and the correlations between rounds [chains, chains].

    Steps are not centred: a drift that all rounds have counts as common. Rounds without steps correlate with none.
    """
    scale = np.sqrt(_mean_of_known(np.square(steps), axis=1))
    scaled = np.nan_to_num(steps / np.where(scale > 0, scale, 1.0)[:, None])
    known = np.isfinite(steps).astype(np.float64)
    correlation = (scaled @ scaled.T) / np.maximum(known @ known.T, 1)
    np.fill_diagonal(correlation, 1.0)
    return scale, correlation


def persistence_of(steps: np.ndarray) -> np.ndarray:
    """Return the correlation of a step with the one before it, of steps [chains, generations - 1, columns]: [columns].

    Means of chains and of generations are subtracted first, which lowers it by about 1 / (generations - 1).
    """
    left = steps - _mean_of_known(steps, axis=1, keepdims=True)
    left = np.nan_to_num(left - _mean_of_known(left, axis=0, keepdims=True) * (len(steps) > 1))
    squares = np.square(left).sum(axis=(0, 1))
    product = (left[:, 1:] * left[:, :-1]).sum(axis=(0, 1))
    return np.divide(product, squares, out=np.full(len(squares), np.nan), where=squares > 0)


def clear_persistence(steps: np.ndarray) -> float:
    """Return the persistence of an outcome's steps if it is clearly above 0, else 0.

    It is clear beyond 1.645 standard errors, where rounds that move together count as fewer rounds.
    """
    many = steps.shape[1]
    known = float(persistence_of(steps)[0])
    if many < 3 or not np.isfinite(known):
        return 0.0
    together = scales_and_correlation(steps[:, :, 0])[1]
    error = np.sqrt(np.square(together).mean() / many)  # for independent rounds, 1 / sqrt(chains * many)
    found = known + 1 / many
    return float(np.clip(found, 0, 0.9)) if found > 1.645 * error else 0.0


def _walk(steps: np.ndarray, layout: _Layout) -> np.ndarray:
    """Sum the steps [outcomes, versions, ...] of each round; all start at 0, as rounds share their base model."""
    walks = np.zeros_like(steps)
    for chain in np.unique(layout.chain):
        mine = np.flatnonzero(layout.chain == chain)
        missing = np.isnan(steps[:, mine])
        walks[:, mine[1:]] = np.cumsum(np.nan_to_num(steps[:, mine[1:]]), axis=1)
        walks[:, mine] = np.where(missing, np.nan, walks[:, mine])
    return walks
