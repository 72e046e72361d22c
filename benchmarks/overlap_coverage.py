"""Simulate how often the interval of the estimated overlap holds the true share.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/overlap_coverage.py [--studies 300] [--run RESULTS]``. It
draws studies whose true sets are known, estimates their overlap and prints a Markdown table. With `--run`, the neurons
are random mixtures of the weights and activations of a run, so that they are correlated as there; otherwise they are
independent. The changes of all rounds of a generation are flipped together.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bias_amplification.neurons.calibrate import changing_neurons
from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.overlap_curve import estimate_sizes
from bias_amplification.neurons.panel import read_outcomes
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.study.sections import Neurons

STEPS = 10
"""Changes of a round: 11 generations."""
PERMUTATIONS = 99
COLUMNS = ("weight_mean", "activation_ffn")


class Shape(NamedTuple):
    """The size of a study."""

    rounds: int
    neurons: int

    @property
    def sizes(self) -> tuple[int, int]:
        """A thirtieth and a tenth of the neurons."""
        return self.neurons // 30, self.neurons // 10


class World(NamedTuple):
    """How bias, quality and neurons are associated."""

    words: str
    kind: str
    """"clear-cut": a tenth of the neurons have the correlation `strength`, all others 0, for each outcome.
    "graded": the correlations of all neurons are normal with this standard deviation."""
    strength: float
    common: float
    """Share of the neurons of one outcome that are the other's too; if graded, the correlation of the two correlations
    over neurons."""
    shared: float = 0.0
    """Share of the variance of each step that is the same in all rounds."""
    outcomes: float = 0.0
    """Correlation of the steps of bias and quality."""


WORLDS = (
    World("no associations", "clear-cut", 0.0, 0.0),
    *(
        World(f"clear-cut, {strength:g}, {common:.0%} common", "clear-cut", strength, common)
        for strength in (0.3, 0.6)
        for common in (0.0, 0.5, 1.0)
    ),
    *(
        World(f"clear-cut, 0.6, {common:.0%} common, rounds share half", "clear-cut", 0.6, common, shared=0.5)
        for common in (0.0, 0.5, 1.0)
    ),
    World("clear-cut, 0.6, 50% common, outcomes correlate .5", "clear-cut", 0.6, 0.5, outcomes=0.5),
    *(World(f"graded, 0.3, correlation {common:g}", "graded", 0.3, common) for common in (0.0, 0.5, 0.8, 1.0)),
    World("graded, 0.3, correlation 0.8, outcomes correlate .5", "graded", 0.3, 0.8, outcomes=0.5),
)


class Study(NamedTuple):
    """A simulated study: steps of neurons [rounds, steps, neurons] and outcomes [rounds, steps], and the truth."""

    neurons: np.ndarray
    bias: np.ndarray
    quality: np.ndarray
    correlations: tuple[np.ndarray, np.ndarray]
    """True correlations of each neuron with bias and with quality: [neurons] each."""


def draw_study(world: World, shape: Shape, run: np.ndarray | None, generator: np.random.Generator) -> Study:
    """Draw a study; `run` are steps [rows, neurons] of length 1 to mix, or None."""

    def draw(*more: int) -> np.ndarray:
        own, same = generator.normal(size=(shape.rounds, STEPS, *more)), generator.normal(size=(1, STEPS, *more))
        return np.sqrt(1 - world.shared) * own + np.sqrt(world.shared) * same

    if run is None:
        noise = draw(shape.neurons)
    else:
        noise = draw(len(run)) @ run[:, generator.choice(run.shape[1], shape.neurons, replace=False)]
    together = world.outcomes
    bias = draw()
    quality = together * bias + np.sqrt(1 - together**2) * draw()
    wanted = _correlations(world, shape, generator)
    # Loads on the two outcomes that give these correlations, made smaller where they would explain more than 95%.
    first, second = ((own - together * other) / (1 - together**2) for own, other in (wanted, wanted[::-1]))
    explained = first * wanted[0] + second * wanted[1]
    factor = np.minimum(1, np.sqrt(0.95 / np.maximum(explained, 1e-9)))
    first, second, explained = first * factor, second * factor, explained * factor**2
    neurons = np.sqrt(1 - explained) * noise + first * bias[..., None] + second * quality[..., None]
    return Study(neurons, bias, quality, (wanted[0] * factor, wanted[1] * factor))


def _correlations(world: World, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    """Draw the correlations of each neuron with bias and quality: [2, neurons]."""
    if world.kind == "graded":
        first, second = generator.normal(size=(2, shape.neurons))
        pair = np.stack([first, world.common * first + np.sqrt(1 - world.common**2) * second])
        return np.clip(world.strength * pair, -0.95, 0.95)
    found, many = np.zeros((2, shape.neurons)), shape.sizes[1]
    order, signs = generator.permutation(shape.neurons), generator.choice([-1, 1], shape.neurons)
    both = round(world.common * many)
    for outcome, chosen in enumerate((order[:many], np.append(order[:both], order[many : 2 * many - both]))):
        found[outcome, chosen] = world.strength * signs[chosen]
    return found


def true_share(study: Study, world: World, size: int) -> float:
    """Return the true share of common neurons; NaN if no neuron is associated."""
    if world.strength == 0:
        return np.nan
    first, second = (np.argsort(-np.abs(values))[:size] for values in study.correlations)
    return len(np.intersect1d(first, second)) / size


def estimate(study: Study, shape: Shape, generator: np.random.Generator) -> list[dict[str, float]]:
    """Estimate the overlap of a study, with the changes of all rounds of a generation flipped together."""
    names = [f"r{one}" for one in range(shape.rounds) for _ in range(STEPS + 1)]
    versions = Versions(names, [*range(STEPS + 1)] * shape.rounds)
    settings = Neurons(set_sizes=list(shape.sizes))
    outcomes = [_levels(steps, axis=1).ravel() for steps in (study.bias, study.quality)]
    seed = int(generator.integers(2**31))
    pair, _ = permute_changes(outcomes, versions, ["flip_generations"], PERMUTATIONS, seed, settings.fixed_effects)
    neurons = _levels(study.neurons, axis=1).reshape(-1, shape.neurons)
    layer = np.zeros(shape.neurons, dtype=np.int64)
    return estimate_sizes(neurons, layer, pair, versions, settings, generator)


def _levels(steps: np.ndarray, axis: int) -> np.ndarray:
    return np.insert(np.cumsum(steps, axis=axis), 0, 0, axis=axis)


def cover(world: World, shape: Shape, run: np.ndarray | None, studies: int, seed: int) -> list[str]:
    """Simulate one world: lines of the table, one for each size whose true sets are definite."""
    found: dict[int, list[tuple[float, ...]]] = {size: [] for size in shape.sizes}
    for number in range(studies):
        generator = np.random.default_rng([seed, number])
        study = draw_study(world, shape, run, generator)
        for row in estimate(study, shape, generator):
            size = int(row["size"])
            truth = true_share(study, world, size)
            low, high = row["estimate_low"], row["estimate_high"]
            inside = low - 0.5 / size <= truth <= high + 0.5 / size if np.isfinite(truth) else np.nan
            ceiling = np.sqrt(row["ceiling_bias"] * row["ceiling_quality"])
            value = row["estimate"] if row["visible"] else np.nan
            found[size].append((truth, row["share"], ceiling, row["visible"], value, low, high, inside))
    lines = []
    for size, values in found.items():
        truth, share, ceiling, visible, value, low, high, inside = np.array(values, dtype=float).T
        if world.kind == "clear-cut" and size != shape.sizes[1]:
            continue  # the strongest of equally strong neurons are no definite set
        middle = f"{np.nanmedian(value):.2f}" if np.isfinite(value).any() else ""
        cells = [world.words, f"{shape.rounds} x {STEPS + 1}", f"{size} of {shape.neurons:,}"]
        cells += [f"{one.mean():.2f}" for one in (truth, share, ceiling)] + [f"{100 * visible.mean():.0f}", middle]
        cells += [f"{np.median(low):.2f} to {np.median(high):.2f}", f"{100 * inside.mean():.1f}"]
        lines.append(f"| {' | '.join(cells).replace('nan', '')} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--rounds", type=int, nargs="+", default=[6, 4])
    parser.add_argument("--run", type=Path, help="folder of a run's results")
    parser.add_argument("--neurons", type=int, default=400)
    parser.add_argument("--only", default="", help="only worlds whose name starts so")
    arguments = parser.parse_args()
    run = read_run(arguments.run) if arguments.run else None
    print("| World | Shape | k | True share | Share found | Ceiling | Visible (%) | Estimate | Interval | Holds (%) |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rounds in arguments.rounds:
        for world in WORLDS:
            if world.words.startswith(arguments.only):
                shape = Shape(rounds, arguments.neurons)
                print(*cover(world, shape, run, arguments.studies, seed=1), sep="\n", flush=True)


def read_run(results: Path) -> np.ndarray:
    """Read the steps of a run's neurons: [rows, neurons], centred and of length 1."""
    import pyarrow.parquet as pq

    panel = results / "neurons/panel.parquet"
    table = pq.read_table(panel, columns=["round", "generation"]).to_pylist()
    paths = [results / f"rounds/{row['round']}/generation_{row['generation']:02d}/neurons.parquet" for row in table]
    versions = read_outcomes(panel, len(paths)).versions
    generator = np.random.default_rng(0)
    rows, parts = make_rows(versions, "within"), []
    for column in COLUMNS:
        steps = rows.take(changing_neurons(paths, column, versions, 10**6, generator))
        parts.append((steps - steps.mean(axis=0)) / np.linalg.norm(steps - steps.mean(axis=0), axis=0))
    return np.concatenate(parts, axis=1)


if __name__ == "__main__":
    main()
