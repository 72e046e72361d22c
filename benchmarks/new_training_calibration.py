"""Simulate the comparison with published numbers: how often a number is outside sampling error by chance alone.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/new_training_calibration.py [--out FOLDER]``. It writes a
Markdown table; docs/published-record.md has it.

Paper and run come from one process, that of contrast_calibration.py. The paper has one training and 1,518 articles of
its own, the run has several trainings of the same or of redrawn articles.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from contrast_calibration import NOISES, SHARES, World, draw, simulate, spread

from bias_amplification.measures.intervals import wilson_interval
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.published.numbers import for_new_training
from bias_amplification.published.verdicts import Estimate
from bias_amplification.seeds import derive_seed

ARTICLES, PUBLISHED, REPLICATES = (48, 300, 1518), 1518, (1, 2, 3, 5, 10)


def of_new_trainings(studies: Sequence[Sequence[Estimate]]) -> list[Estimate]:
    """Return the interval of each study as the comparison makes it."""
    return [for_new_training(replicates) for replicates in studies]


def of_means(studies: Sequence[Sequence[Estimate]]) -> list[Estimate]:
    """Return the interval of each study as in the table of means, which is not about a new training."""
    rows = [
        {"round": str(study), "replicate": place, "generation": 1, "seed_set": "all", "share_label": one.value}
        | {"share_label_low": one.low, "share_label_high": one.high}
        for study, replicates in enumerate(studies)
        for place, one in enumerate(replicates, 1)
    ]
    means = over_replicates(pd.DataFrame(rows))[["share_label", "share_label_low", "share_label_high"]]
    return [Estimate(*row) for row in means.itertuples(index=False, name=None)]


def outside(
    outcomes: np.ndarray,
    published: np.ndarray,
    combine: Callable[[Sequence[Sequence[Estimate]]], list[Estimate]],
) -> float:
    """Return the share of the studies whose number differs from the published one.

    `outcomes` is [studies, replicates, articles], `published` [studies, articles]; both of 0 and 1.
    """
    intervals = [Estimate(*wilson_interval(count, outcomes.shape[2])) for count in range(outcomes.shape[2] + 1)]
    of_paper = [Estimate(*wilson_interval(count, published.shape[1])) for count in range(published.shape[1] + 1)]
    own = combine([[intervals[count] for count in counts] for counts in outcomes.sum(axis=2).astype(int)])
    pairs = zip(own, published.sum(axis=1).astype(int), strict=True)
    return float(np.mean([one.minus(of_paper[count]).sign != 0 for one, count in pairs]))


def list_outside(studies: int, seed: int) -> list[str]:
    """Simulate studies: lines of a table, with ranges over shares, articles and designs."""
    heads = [*(f"Outside, noise {noise:g}" for noise in NOISES), "Outside if the interval of the mean is used"]
    lines = [f"| Replicates | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for replicates in REPLICATES:
        rates: dict[float, list[float]] = {noise: [] for noise in NOISES}
        plain = []
        for noise, share, articles, redrawn in product(NOISES, SHARES, ARTICLES, (False, True)):
            world = World(share, noise, (0.0,))
            generator = np.random.default_rng(
                derive_seed(seed, "new training", str(world), articles, replicates, redrawn)
            )
            _, run, _ = simulate(world, (studies, replicates, articles), redrawn, generator)
            _, paper, _ = simulate(world, (studies, 1, PUBLISHED), True, generator)
            outcomes, published = draw(run[0], generator), draw(paper[0], generator)[:, 0]
            rates[noise].append(outside(outcomes, published, of_new_trainings))
            plain.append(outside(outcomes, published, of_means))
        lines.append(f"| {replicates} | {' | '.join(map(spread, [*rates.values(), plain]))} |")
    return lines


def main() -> None:
    """Run the simulation and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    lines = [f"{arguments.studies:,} simulated studies for each number.", ""]
    lines += list_outside(arguments.studies, arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "new_training_calibration.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
