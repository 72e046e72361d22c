"""Simulate how often a set of neurons is told from its controls, and how often the intervals of interventions hold.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/intervention_calibration.py [--controls 20]``
Every study draws the features of a model's neurons, a set, its controls, and an effect of each neuron. The effect of a
set is the mean of its neurons' effects, and features explain a part of these. No set acts more than others.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from bias_amplification.interventions.controls import draw_controls, standardise
from bias_amplification.interventions.place import family_p_values, inflation, place_among

LEVEL = 0.05
#: Effects that are drawn for each set and its controls.
DRAWS = 4


class World(NamedTuple):
    """A model, a set, and what its neurons do."""

    layers: int
    width: int
    size: int
    explained: float = 0.0
    """Share of the variance of neurons' effects that their features explain."""
    selected: float = 0.0
    """How much more likely changed neurons are in the set; 0: it is random."""
    versions: int = 1
    """Versions in which the same set is changed."""

    @property
    def words(self) -> str:
        """The world in words."""
        chosen = "changed neurons" if self.selected else "random"
        versions = f", {self.versions} versions" if self.versions > 1 else ""
        return f"{self.layers} x {self.width}, {self.size} neurons{versions}, {chosen}, {self.explained:.0%} explained"


class Rates(NamedTuple):
    """What happened in simulated studies, as shares of them."""

    told: float
    """p of at most 5%."""
    uncorrected: float
    """The same without `inflation`."""
    missed: float
    """The interval misses 0."""
    detected: float
    """Adjusted p of at most 5% after an effect of the size `detectable` is added."""
    family: float
    """The smallest of four adjusted p-values is at most 5%."""
    singly: float
    """The smallest of four p-values is at most 5%."""
    unlike: float
    """Mean of the largest standardised difference."""


WORLDS = (
    *(World(3, 96, size, share) for size in (10, 30) for share in (0.0, 0.5, 0.9)),
    World(3, 96, 60, 0.5),
    *(World(12, 768, size, 0.5) for size in (10, 100)),
    World(3, 96, 10, versions=3),
    *(World(3, 96, size, 0.5, 1.0) for size in (10, 30)),
    *(World(12, 768, 100, share, 1.0) for share in (0.2, 0.5)),
)


def draw_features(world: World, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the layer of each neuron, and features that are correlated, the last of them the size of a normal change."""
    base = generator.normal(size=(world.layers * world.width, 3))
    base[:, 1] += base[:, 0]
    base[:, 2] = np.log(np.abs(generator.normal(size=len(base)))) + 0.5 * base[:, 1]
    layer = np.repeat(np.arange(world.layers), world.width)
    return layer, standardise(np.exp(base), layer)


def simulate_study(world: World, controls: int, generator: np.random.Generator) -> Iterator[tuple]:
    """Yield what one study says of each draw of effects: the fields of `Rates`, before they are averaged."""
    layer, scores = draw_features(world, generator)
    wanted = world.selected * scores[:, 1] + generator.normal(size=len(layer))
    chosen = [np.argsort(-part)[: world.size] for part in (wanted, generator.permutation(wanted))]
    # The second set is for the four tests of a study.
    members = [
        [np.vstack([one, draw_controls(one, layer, scores, controls, generator)]) for _ in range(world.versions)]
        for one in chosen
    ]
    of_set, of_controls = scores[members[0][0][0]], scores[members[0][0][1:]]
    unlike = np.abs(of_set.mean(axis=0) - of_controls.mean(axis=(0, 1))).max()
    for _ in range(DRAWS):
        explained = scores @ generator.normal(size=(3, 2))
        noise = generator.normal(size=explained.shape)
        effects = np.sqrt(world.explained) * explained / explained.std(axis=0) + np.sqrt(1 - world.explained) * noise
        by_set = [[effects[one].mean(axis=1) for one in of_versions] for of_versions in members]  # [1 + controls, 2]
        values = np.concatenate([np.mean(one, axis=0).T for one in by_set])  # [tests, 1 + controls]
        factors = np.repeat([inflation(one, np.ones(len(one)).tolist()) for one in members], 2)
        places = [place_among(*test) for test in zip(values, factors, strict=True)]
        place, shifted = places[0], values.copy()
        shifted[0, 0] += place_among(values[0], factors[0], tests=len(values)).detectable
        yield (
            place.p_value <= LEVEL,
            place_among(values[0]).p_value <= LEVEL,
            not place.low <= 0 <= place.high,
            family_p_values(shifted, factors)[0] <= LEVEL,
            family_p_values(values, factors).min() <= LEVEL,
            min(one.p_value for one in places) <= LEVEL,
            unlike,
        )


def simulate(world: World, studies: int, controls: int, seed: int = 1) -> Rates:
    """Simulate studies of a world, four for each set."""
    generator = np.random.default_rng(seed)
    drawn = (found for _ in range(studies // DRAWS) for found in simulate_study(world, controls, generator))
    return Rates(*np.mean(list(drawn), axis=0).tolist())


def main() -> None:
    """Print the rates in all worlds as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies in each world")
    parser.add_argument("--controls", type=int, default=20, help="control sets")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(simulate, world, arguments.studies, arguments.controls) for world in WORLDS]
        lines = [(world.words, job.result()) for world, job in zip(WORLDS, jobs, strict=True)]
    print(f"{arguments.studies} studies a world, {arguments.controls} controls, {time.perf_counter() - start:.0f} s\n")
    headings = "p ≤ 5%", "without correction for shared neurons", "interval misses 0", "told at the detectable size"
    headings += "one of four, adjusted", "one of four, singly", "difference of features"
    print(f"| World (%) | {' | '.join(headings)} |\n|{'---|' * (1 + len(headings))}")
    for words, rates in lines:
        print(f"| {words} | {' | '.join(f'{100 * rate:.1f}' for rate in rates[:-1])} | {rates.unlike:.2f} |")


if __name__ == "__main__":
    main()
