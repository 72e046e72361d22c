"""Simulate how often the reliability of neurons' associations is told from chance, and how often its intervals hold.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/reliability_coverage.py [--studies 300] [--shapes "6 x 11"]``
It draws studies in several worlds, with and without neurons that follow the outcomes, and prints one Markdown table for
each shape. An interval holds if it has the mean over the studies of the world in it.
"""

import argparse
import functools
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.permutations import DEFAULT, permute_changes
from bias_amplification.neurons.reliability import Key, PermutedStudy, reliability_rows, scaled_changes
from bias_amplification.neurons.worlds import Run, plant, simulate
from bias_amplification.study.sections import Neurons

#: Rounds, generations and replicates.
SHAPES = {"4 x 11": (4, 11, 1), "6 x 11": (6, 11, 1), "6 x 11 x 3": (6, 11, 3)}
NEURONS = 200
#: Permutations for halves and for predictions.
PERMUTATIONS, FEWER = 399, 99

BIAS, QUALITY = "bias", "quality"
CROSS, CORRECTED = (("cross_correlation", BIAS, QUALITY), ("corrected", BIAS, QUALITY))


class World(NamedTuple):
    """A world of `neurons.worlds`, and the neurons that follow the outcomes in it."""

    name: str
    share: float = 0.0
    """Share of the neurons that follow an outcome."""
    effect: float = 0.0
    """Correlation of their changes with the outcome's."""
    same: bool = False
    """Whether the same neurons follow both outcomes; otherwise others follow quality."""

    @property
    def words(self) -> str:
        """The world in words."""
        if not self.share:
            return f"{self.name.replace('_', ' ')}: none"
        which = "for both outcomes" if self.same else "for bias, as many others for quality"
        return f"{self.name.replace('_', ' ')}: {self.share:.0%} {which}, {self.effect:g}"


WORLDS = (
    *(World(name) for name in ("random_walks", "shared_50", "round_scales", "common_trend", "round_drift")),
    *(World(name) for name in ("scaled_trend", "persistent_steps")),
    World("random_walks", 0.5, 0.2, same=True),
    World("random_walks", 0.5, 0.4, same=True),
    World("random_walks", 0.1, 0.5),
    World("random_walks", 0.5, 0.4),
    World("shared_50", 0.1, 0.5),
    World("round_scales", 0.1, 0.5),
)


def list_versions(rounds: int, generations: int, replicates: int) -> Versions:
    """Name the versions of a study of one seed set."""
    rows = [
        (f"round {i}/{k}", g, f"round {i}", k, "set")
        for i in range(rounds)
        for k in range(1, replicates + 1)
        for g in range(generations)
    ]
    return Versions(*map(tuple, zip(*rows, strict=True)))


def try_study(world: World, shape: tuple[int, int, int], seed: int) -> dict[Key, Mapping[str, Any]]:
    """Draw a study and return its rows of `NEURON_RELIABILITY`, by statistic, source and target."""
    versions, settings = list_versions(*shape), Neurons()
    drawn = simulate(world.name, versions, Run(np.zeros((len(versions.rounds), 0)), []), 1, NEURONS, seed=[9, seed])
    many = int(world.share * NEURONS)
    if many:
        effect = min(world.effect, 0.7) if world.same else world.effect
        places = [((0, 1), slice(many))] if world.same else [((0,), slice(many)), ((1,), slice(many, 2 * many))]
        for outcomes, chosen in places:
            drawn = plant(drawn, outcomes, chosen, effect)
        # Every second neuron follows in the opposite direction: else effects on two sets would be anticorrelated.
        drawn.x[:, :, 1::2] *= -1
    outcomes = [
        permute_changes(drawn.y[:, :, 0], versions, DEFAULT, number, seed, settings.fixed_effects)[0]
        for number in (PERMUTATIONS, FEWER)
    ]
    study = PermutedStudy.of(*outcomes, versions, settings, seed)
    found = reliability_rows(scaled_changes(drawn.x[:, 0], study.rows, settings.fixed_effects), study)
    return {(row["statistic"], row["source"], row["target"]): row for row in found}


def summarise(world: World, studies: list[dict[Key, Mapping[str, Any]]]) -> list[str]:
    """Return the cells of a world: each statistic's mean, how often it is told from chance, how often it holds."""
    alpha = Neurons().alpha
    cells = [world.words]
    own = {name: [(name, outcome, outcome) for outcome in (BIAS, QUALITY)] for name in ("reliability", "prediction")}
    means: dict[str, float] = {}
    for name, keys in (*own.items(), ("cross", [CROSS])):
        rows = [study[key] for study in studies for key in keys]
        value, low, high, p_value = (
            np.array([row.get(column) for row in rows], dtype=float)
            for column in ("value", "value_low", "value_high", "p_value")
        )
        means[name] = value.mean()
        holds = (low <= means[name]) & (means[name] <= high)
        cells += [
            f"{means[name]:z.2f}",
            f"{100 * np.mean(p_value <= alpha):.1f}",
            f"{100 * holds.mean():.1f} ({np.median(high - low):.2f})" if np.isfinite(low).any() else "",
        ]
    cells.append(_corrected(studies, means) if world.share else "")
    told = [study[key]["reproduces"] for study in studies for key in own["reliability"]]
    return [*cells, f"{100 * np.mean(told):.1f}"]


def _corrected(studies: list[dict[Key, Mapping[str, Any]]], means: Mapping[str, float]) -> str:
    """Return how often the corrected cross-correlation holds the ratio of the means, where both outcomes reproduce."""
    truth = means["cross"] / means["reliability"]
    rows = [one[CORRECTED] for one in studies if one[CROSS]["reproduces"] and one[CORRECTED].get("value") is not None]
    held = [row["value_low"] <= truth <= row["value_high"] for row in rows]
    return f"{100 * np.mean(held):.1f}" if len(rows) > len(studies) / 10 else ""


STATISTICS = ("halves", "prediction", "across outcomes")
HEAD = [
    "World: neurons that follow",
    *(f"{name}{end}" for name in STATISTICS for end in ("", ", p <= .05", ", holds (width)")),
    "corrected, holds",
    "reproduces",
]


def list_worlds(shape: str, studies: int, workers: int) -> list[str]:
    """Return the lines of the table of one shape."""
    lines = [HEAD, ["---"] * len(HEAD)]
    with ProcessPoolExecutor(workers) as pool:
        for world in WORLDS:
            work = functools.partial(try_study, world, SHAPES[shape])
            lines.append(summarise(world, list(pool.map(work, range(studies), chunksize=5))))
    return ["| " + " | ".join(line) + " |" for line in lines]


def main() -> None:
    """Print the tables of all shapes, or of those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--shapes", nargs="*", default=[*SHAPES], choices=[*SHAPES])
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    for shape in arguments.shapes:
        start = time.perf_counter()
        lines = list_worlds(shape, arguments.studies, arguments.workers)
        print(f"{shape}, {arguments.studies} studies, {time.perf_counter() - start:.0f} s", "", *lines, "", sep="\n")


if __name__ == "__main__":
    main()
