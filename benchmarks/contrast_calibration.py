"""Simulate studies with replicates: how often intervals include the true difference, and how often a verdict is wrong.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/contrast_calibration.py [--out FOLDER]``. It takes about ten
minutes and writes Markdown tables; docs/replicates.md has them.

A simulated study has two strategies, which share generation 0. An article has the tracked label with a probability of
its own, drawn from a beta distribution; its probabilities in generation 0 and in the last generation are correlated. A
chain moves the log-odds of all its articles by a common random amount, the noise of training, which is half as large in
generation 0. Outcomes are drawn independently with these probabilities.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from bias_amplification.measures.compare import holm
from bias_amplification.measures.contrasts import ALPHA, Contrast, paired_contrast, replicates_needed
from bias_amplification.measures.intervals import wilson_interval
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.measures.variance import COMPONENTS, variance_split
from bias_amplification.seeds import derive_seed

ARTICLES, REPLICATES = (48, 300), (2, 3, 5)
#: Standard deviation of a chain's common move, in log-odds: none, a few points of the share, more than ten points.
NOISES = (0.0, 0.2, 0.8)
#: Mean probability of the label in generation 0, and the planted move of the first strategy, in log-odds.
SHARES, EFFECTS = (0.5, 0.9, 0.98), (0.0, 1.0, 3.0)
#: Correlation of an article's normal scores in generation 0 and in the last generation.
CORRELATION = 0.6
#: The parameters of the beta distribution sum to this: a classifier is sure of most articles.
CONCENTRATION = 1.0
#: Numbers drawn for a true difference.
DRAWS = 400_000
STRATEGIES = 6
#: See `measures.compare`.
SPAN = 1.0
#: Share of the chains that collapse in `list_collapse`, and their move, in log-odds.
COLLAPSE, JUMP = 0.2, 3.0


class World(NamedTuple):
    """What studies are drawn from."""

    share: float
    noise: float
    effects: tuple[float, ...]
    """Move of each strategy, in log-odds."""


def log_odds(scores: np.ndarray, share: float) -> np.ndarray:
    """Turn normal scores into log-odds of beta-distributed probabilities with the mean `share`."""
    grid = np.linspace(-6, 6, 4001)
    parameters = CONCENTRATION * share, CONCENTRATION * (1 - share)
    probabilities = stats.beta.ppf(stats.norm.cdf(grid), *parameters).clip(1e-9, 1 - 1e-9)
    return np.interp(scores, grid, special.logit(probabilities))


def simulate(
    world: World, shape: tuple[int, int, int], redrawn: bool, generator: np.random.Generator, collapse: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the probabilities of the label.

    With `collapse`, this share of the chains moves by a further `JUMP` log-odds.

    Returns
    -------
    first : np.ndarray
        [studies, replicates, articles] in generation 0.
    last : np.ndarray
        [strategies, studies, replicates, articles] in the last generation.
    odds : np.ndarray
        [studies, replicates or 1, articles]: log-odds of the first strategy's articles in the last generation without
        the noise of training.
    """
    studies, replicates, articles = shape
    of_articles = shape if redrawn else (studies, 1, articles)
    common = np.sqrt(CORRELATION) * generator.normal(size=of_articles)

    def draw_odds() -> np.ndarray:
        own = np.sqrt(1 - CORRELATION) * generator.normal(size=of_articles)
        return log_odds(common + own, world.share)

    start = world.noise / 2 * generator.normal(size=(studies, replicates, 1))
    first = draw_odds() + start
    ends = [draw_odds() + effect for effect in world.effects]
    last = [end + start + world.noise * generator.normal(size=(studies, replicates, 1)) for end in ends]
    if collapse:
        last = [end + JUMP * (generator.random((studies, replicates, 1)) < collapse) for end in last]
    return special.expit(first), special.expit(np.array(last)), ends[0]


def over_trainings(odds: np.ndarray, noise: float) -> np.ndarray:
    """Return the articles' mean probability over all possible trainings: [studies]."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    # The noise of generation 0 is half as large, and stays.
    means = [special.expit(odds + np.sqrt(1.25) * noise * node).mean(axis=(1, 2)) for node in nodes]
    return np.array(means).T @ (weights / weights.sum())


def level_intervals(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the intervals of shares in the table of means: from [studies, replicates, articles]."""
    studies, replicates, articles = outcomes.shape
    wilson = np.array([wilson_interval(count, articles) for count in range(articles + 1)])
    metrics = pd.DataFrame(
        wilson[outcomes.sum(axis=2).astype(int).ravel()],
        columns=["share_label", "share_label_low", "share_label_high"],
    )
    places = np.indices((studies, replicates)).reshape(2, -1)
    metrics["round"], metrics["replicate"] = places[0], places[1] + 1
    metrics["generation"], metrics["seed_set"] = 1, "all"
    means = over_replicates(metrics)
    return means["share_label_low"].to_numpy(), means["share_label_high"].to_numpy()


def draw(probabilities: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw outcomes of 0 or 1."""
    return (generator.random(probabilities.shape) < probabilities).astype(float)


def true_differences(world: World, generator: np.random.Generator) -> tuple[float, float, float]:
    """Return the first strategy's mean change, its mean difference from the second, and its mean at the end."""
    first, last, _ = simulate(world, (DRAWS, 1, 1), True, generator)
    return float((last[0] - first).mean()), float((last[0] - last[1]).mean()), float(last[0].mean())


def included(contrast: Contrast, truth: float) -> float:
    """Return the share of the intervals that include the true difference."""
    return float(np.mean((contrast.low <= truth) & (truth <= contrast.high)))


def spread(values: Sequence[float]) -> str:
    """Return the range of shares in per cent."""
    low, high = f"{100 * min(values):.0f}", f"{100 * max(values):.0f}"
    return f"{low}%" if low == high else f"{low} to {high}%"


def designs() -> Iterator[tuple[bool, int, int]]:
    """List redrawn or not, articles, replicates."""
    return product((False, True), ARTICLES, REPLICATES)


def contrast(differences: np.ndarray, redrawn: bool) -> Contrast:
    """Return the contrast of [studies, replicates, articles], as `measures.compare` makes it."""
    replicates, articles = differences.shape[-2:]
    numbers = np.arange(replicates * articles).reshape(replicates, articles)
    return paired_contrast(differences, numbers if redrawn else None, SPAN)


def name(redrawn: bool, articles: int, replicates: int) -> str:
    """Return the first cells of a row."""
    return f"| {'redrawn' if redrawn else 'same'} | {articles} | {replicates} |"


def list_coverage(studies: int, seed: int) -> list[str]:
    """Simulate intervals and verdicts: lines of a table."""
    lines = [
        "| Articles are | Articles | Replicates | Changes | Pairs | Pairs, mean probability | Rises or falls, wrongly "
        "| Rises or falls, mean probability | Told apart, wrongly | Told apart, mean probability "
        "| Pairs, one replicate | Table of means |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    worlds = [World(share, noise, (effect, 0.0)) for share, noise, effect in product(SHARES, NOISES, EFFECTS)]
    truths = {
        world: true_differences(world, np.random.default_rng(derive_seed(seed, "truth", str(world))))
        for world in worlds
    }
    for redrawn, articles, replicates in designs():
        found: dict[str, list[float]] = {
            key: [] for key in ("change", "pair", "mean", "rises", "rises_mean", "apart", "apart_mean", "one", "level")
        }
        for world in worlds:
            change, difference, mean = truths[world]
            generator = np.random.default_rng(derive_seed(seed, str(world), redrawn, articles, replicates))
            first, last, odds = simulate(world, (studies, replicates, articles), redrawn, generator)
            of_first, of_last = draw(first, generator), draw(last, generator)
            changes = contrast(of_last[0] - of_first, redrawn)
            pairs = contrast(of_last[0] - of_last[1], redrawn)
            probabilities = contrast(last[0] - last[1], redrawn)
            one = contrast((of_last[0] - of_last[1])[:, :1], redrawn)
            found["change"].append(included(changes, change))
            found["pair"].append(included(pairs, difference))
            found["mean"].append(included(probabilities, difference))
            found["one"].append(included(one, difference))
            low, high = level_intervals(of_last[0])
            # If all replicates have the same articles, the interval is about these articles.
            level = mean if redrawn else over_trainings(odds, world.noise)
            found["level"].append(float(np.mean((low <= level) & (level <= high))))
            if not world.effects[0]:
                found["apart"].append(float(np.mean(pairs.p < ALPHA)))
                found["apart_mean"].append(float(np.mean(probabilities.p < ALPHA)))
            # With other shares, noise changes the mean probability too.
            if not world.effects[0] and world.share == 0.5:
                found["rises"].append(float(np.mean(changes.p < ALPHA)))
                found["rises_mean"].append(float(np.mean(contrast(last[0] - first, redrawn).p < ALPHA)))
        lines.append(f"{name(redrawn, articles, replicates)} {' | '.join(map(spread, found.values()))} |")
    return lines


def holm_of(differences: Iterable[np.ndarray], redrawn: bool) -> np.ndarray:
    """Return p-values adjusted among comparisons: [studies, comparisons], from [studies, replicates, articles] each."""
    p_values = np.array([contrast(one, redrawn).p for one in differences])
    return np.array([holm(one) for one in p_values.T])


def pairs_of(outcomes: np.ndarray) -> Iterator[np.ndarray]:
    """List the differences of all pairs of [strategies, studies, replicates, articles], the first two first."""
    return (one - other for one, other in combinations(outcomes, 2))


def list_families(studies: int, seed: int) -> list[str]:
    """Simulate six equal strategies and a control: lines of a table of how often any of them is called told apart."""
    lines = [
        "| Articles are | Articles | Replicates | Any of 15 pairs | Any of 6 beside the control | Any of both |",
        "|---|---|---|---|---|---|",
    ]
    for redrawn, articles, replicates in designs():
        rates = []
        for noise in NOISES:
            world = World(0.5, noise, (0.0,) * (STRATEGIES + 1))
            generator = np.random.default_rng(derive_seed(seed, "family", str(noise), redrawn, articles, replicates))
            _, last, _ = simulate(world, (studies, replicates, articles), redrawn, generator)
            *outcomes, control = draw(last, generator)
            pairs, controls = (
                holm_of(family, redrawn).min(axis=1) < ALPHA
                for family in (pairs_of(outcomes), (one - control for one in outcomes))
            )
            rates.append([float(np.mean(wrong)) for wrong in (pairs, controls, pairs | controls)])
        lines.append(f"{name(redrawn, articles, replicates)} {' | '.join(map(spread, zip(*rates, strict=True)))} |")
    return lines


def list_power(studies: int, seed: int) -> list[str]:
    """Simulate planted differences: lines of a table of how often a pair is told apart."""
    effects = (0.6, 1.5, 3.0)
    cells = []
    for noise, effect in product((0.2, 0.8), effects):
        world = World(0.5, noise, (effect, 0.0))
        points = 100 * true_differences(world, np.random.default_rng(derive_seed(seed, "truth", str(world))))[1]
        cells.append((world, f"{points:.0f} points, noise {noise:g}"))
    lines = [
        f"| Articles are | Articles | Replicates | {' | '.join(text for _, text in cells)} |",
        "|---|---|---|" + "---|" * len(cells),
    ]
    for redrawn, articles, replicates in designs():
        rates = []
        for world, _ in cells:
            generator = np.random.default_rng(derive_seed(seed, "power", str(world), redrawn, articles, replicates))
            _, last, _ = simulate(world, (studies, replicates, articles), redrawn, generator)
            outcomes = draw(last, generator)
            rates.append(float(np.mean(contrast(outcomes[0] - outcomes[1], redrawn).p < ALPHA)))
        lines.append(f"{name(redrawn, articles, replicates)} {' | '.join(f'{100 * rate:.0f}%' for rate in rates)} |")
    return lines


def list_needed(studies: int, seed: int) -> list[str]:
    """Simulate the number of replicates needed: lines of a table of its spread, beside the true number.

    One strategy of two, or of six, differs from the others.
    """
    lines = [
        "| Articles are | Articles | Replicates | Pairs | Replicates truly needed | Median of the number said "
        "| Range of the middle half |",
        "|---|---|---|---|---|---|---|",
    ]
    articles, studies = max(ARTICLES), studies // 4
    for redrawn, strategies in product((False, True), (2, STRATEGIES)):
        world = World(0.5, 0.8, (1.5,) + (0.0,) * (strategies - 1))
        pairs = strategies * (strategies - 1) // 2
        truly = next(r for r in range(2, 100) if _power(world, r, articles, redrawn, studies, seed) >= 0.8)
        for replicates in REPLICATES:
            generator = np.random.default_rng(derive_seed(seed, "needed", redrawn, strategies, replicates))
            _, last, _ = simulate(world, (studies, replicates, articles), redrawn, generator)
            outcomes = draw(last, generator)
            contrasts = (contrast(one, redrawn) for one in outcomes[0] - outcomes[1])
            said = np.sort([replicates_needed(one, ALPHA / pairs) or np.inf for one in contrasts])
            low, middle, high = (f"{q:.0f}" if q < np.inf else "over 1,000" for q in said[_quarters(studies)])
            cells = f"{pairs} | {truly} | {middle} | {low} to {high}"
            lines.append(f"{name(redrawn, articles, replicates)} {cells} |")
    return lines


def _quarters(number: int) -> list[int]:
    return [number // 4, number // 2, 3 * number // 4]


def _power(world: World, replicates: int, articles: int, redrawn: bool, studies: int, seed: int) -> float:
    """Return how often the first two strategies are told apart, among all pairs."""
    generator = np.random.default_rng(derive_seed(seed, "truly", redrawn, len(world.effects), replicates))
    _, last, _ = simulate(world, (studies, replicates, articles), redrawn, generator)
    return float(np.mean(holm_of(pairs_of(draw(last, generator)), redrawn)[:, 0] < ALPHA))


def list_overlaps(studies: int, seed: int) -> list[str]:
    """Simulate redrawn articles from a small corpus: lines of a table of how many intervals include the truth."""
    lines = [
        "| Articles | Corpus | Replicates | Changes | Pairs | Pairs, as if draws had nothing in common |",
        "|---|---|---|---|---|---|",
    ]
    for articles, size, replicates in product(ARTICLES, (1.02, 1.5, 2.0), (3, 5, 10)):
        corpus = round(size * articles)
        places = np.arange(replicates * articles).reshape(replicates, articles) % corpus
        found = []
        for noise in NOISES:
            world = World(0.5, noise, (1.0, 0.0))
            truths = true_differences(world, np.random.default_rng(derive_seed(seed, "truth", str(world))))
            generator = np.random.default_rng(derive_seed(seed, "overlap", str(noise), articles, corpus, replicates))
            shape = (studies, replicates, corpus)
            first, last, _ = simulate(world, shape, False, generator)
            # The articles of each replicate, with the same log-odds in all.
            first, last = (
                np.take_along_axis(of, np.broadcast_to(places, (*of.shape[:-1], articles)), -1) for of in (first, last)
            )
            outcomes = draw(last, generator)
            changes, pairs = outcomes[0] - draw(first, generator), outcomes[0] - outcomes[1]
            found.append(
                (
                    included(paired_contrast(changes, places, SPAN), truths[0]),
                    included(paired_contrast(pairs, places, SPAN), truths[1]),
                    included(contrast(pairs, True), truths[1]),
                )
            )
        cells = " | ".join(map(spread, zip(*found, strict=True)))
        lines.append(f"| {articles} | {corpus} | {replicates} | {cells} |")
    return lines


def list_quality(studies: int, seed: int) -> list[str]:
    """Simulate changes of the text quality index: lines of a table of intervals and wrong verdicts.

    Changes are normal, or those of few articles, which fall by one class.
    """
    lines = [
        "| Articles are | Articles | Replicates | Changes | Rises or falls, wrongly | Told apart, wrongly "
        "| 2% of articles change | 10% of articles change |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for redrawn, articles, replicates in designs():
        found: list[tuple[float, ...]] = []
        for noise in (0.0, 0.02, 0.1):
            generator = np.random.default_rng(derive_seed(seed, "quality", str(noise), redrawn, articles, replicates))
            values = 0.3 * generator.normal(size=(2, studies, replicates, articles))
            values += 0.3 * generator.normal(size=(2, studies, replicates if redrawn else 1, articles))
            values += noise * generator.normal(size=(2, studies, replicates, 1))
            change, pair = contrast(values[0], redrawn), contrast(values[0] - values[1], redrawn)
            found.append((included(change, 0.0), float(np.mean(change.p < ALPHA)), float(np.mean(pair.p < ALPHA))))
        rare = []
        for share in (0.02, 0.1):
            generator = np.random.default_rng(derive_seed(seed, "rare", str(share), redrawn, articles, replicates))
            # In the same articles of all replicates, or in each by itself.
            of_articles = generator.random((studies, replicates if redrawn else 1, articles)) < share
            alike = -np.broadcast_to(of_articles, (studies, replicates, articles)).astype(float)
            own = -(generator.random((studies, replicates, articles)) < share).astype(float)
            rare.append(spread([included(contrast(one, redrawn), -share) for one in (alike, own)]))
        cells = [*map(spread, zip(*found, strict=True)), *rare]
        lines.append(f"{name(redrawn, articles, replicates)} {' | '.join(cells)} |")
    return lines


def list_collapse(studies: int, seed: int) -> list[str]:
    """Simulate trainings of which a few collapse: lines of a table of how many intervals include the truth."""
    lines = ["| Articles are | Articles | Replicates | Changes | Pairs |", "|---|---|---|---|---|"]
    world = World(0.5, 0.2, (0.0, 0.0))
    first, last, _ = simulate(world, (DRAWS, 1, 1), True, np.random.default_rng(seed), COLLAPSE)
    truth = float((last[0] - first).mean())
    for redrawn, articles, replicates in designs():
        generator = np.random.default_rng(derive_seed(seed, "collapse", redrawn, articles, replicates))
        first, last, _ = simulate(world, (studies, replicates, articles), redrawn, generator, COLLAPSE)
        outcomes = draw(last, generator)
        changes = contrast(outcomes[0] - draw(first, generator), redrawn)
        pairs = contrast(outcomes[0] - outcomes[1], redrawn)
        shares = included(changes, truth), included(pairs, 0.0)
        lines.append(f"{name(redrawn, articles, replicates)} {' | '.join(f'{100 * x:.0f}%' for x in shares)} |")
    return lines


def list_components(studies: int, seed: int) -> list[str]:
    """Simulate normal values with known components: lines of a table of the estimates."""
    truth, studies = dict(zip(COMPONENTS, (1.0, 1.0, 1.0, 4.0, 9.0), strict=True)), studies // 4
    lines = [
        f"| Articles are | Articles | Replicates | {' | '.join(f'{k} ({v:g})' for k, v in truth.items())} |",
        "|---|---|---|" + "---|" * len(truth),
    ]
    for redrawn, articles, replicates in designs():
        generator = np.random.default_rng(derive_seed(seed, "components", redrawn, articles, replicates))
        shapes = {
            "strategies": (STRATEGIES, 1, 1),
            "replicates": (1, replicates, 1),
            "training": (STRATEGIES, replicates, 1),
            "articles": (1, replicates if redrawn else 1, articles),
            "residual": (STRATEGIES, replicates, articles),
        }
        found = []
        for _ in range(studies):
            values = sum(np.sqrt(truth[k]) * generator.normal(size=shape) for k, shape in shapes.items())
            found.append([*variance_split(values, redrawn).values()])
        ends = np.sort(found, axis=0)[_quarters(studies)]
        cells = [f"{middle:.1f} ({low:.1f} to {high:.1f})" for low, middle, high in ends.T]
        lines.append(f"{name(redrawn, articles, replicates)} {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Run all simulations and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    parts = {
        "Intervals and verdicts": list_coverage,
        "Six equal strategies and a control": list_families,
        "Power": list_power,
        "Replicates needed, from a quarter of the studies": list_needed,
        "Draws that overlap": list_overlaps,
        "Text quality index": list_quality,
        "One training in five collapses": list_collapse,
        "Variance components, with their true values, from a quarter of the studies": list_components,
    }
    lines = ["# Calibration of contrasts", "", f"{arguments.studies:,} simulated studies for each number."]
    for title, simulate_part in parts.items():
        lines += ["", f"## {title}", "", *simulate_part(arguments.studies, arguments.seed)]
        print(f"{title}: done", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "contrast_calibration.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
