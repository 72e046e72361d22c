"""Simulate one replicate of a round: how often intervals of means, of changes and of differences include the truth.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/paired_calibration.py [--out FOLDER]``. It takes about ten
minutes and writes Markdown tables; docs/measures.md has them. `contrast_calibration.py` simulates several replicates.

Labels of an article in two versions are drawn with a given correlation. Probabilities and qualities have beta
distributions, joined by a normal copula. The versions may be two generations of a round or two rounds of a seed set.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from scipy import stats

from bias_amplification.measures.changes import paired_differences
from bias_amplification.measures.contrasts import paired_contrast
from bias_amplification.measures.intervals import QUANTILE, difference_interval, mean_interval, wilson_interval
from bias_amplification.measures.quantification import Resamples, adjust, adjusted_change
from bias_amplification.seeds import derive_seed

ARTICLES, CORRELATIONS = (10, 48, 300), (0.1, 0.4, 0.64)
#: Means in the first version, as fractions of the scale, its length, and the sum of the beta distribution's parameters.
OUTCOMES = {
    "share": ((0.5, 0.9, 0.98), 1.0, np.inf),
    "mean probability": ((0.5, 0.9, 0.98), 1.0, 1.0),
    "quality": ((0.8,), 3.0, 4.0),
}
#: Changes of the mean, as fractions of the scale.
CHANGES = (0.0, -0.1, -0.3)
#: True shares of the first of three labels in two versions, for `list_adjusted`; the others have equal shares.
ADJUSTED = {"30 to 50%": (0.3, 0.5), "50 to 90%": (0.5, 0.9), "90 to 90%": (0.9, 0.9), "96 to 100%": (0.96, 1.0)}


def seeded(seed: int, *names: object) -> np.random.Generator:
    """Return a generator for one cell of a table."""
    return np.random.default_rng(derive_seed(seed, *map(str, names)))


def draw_labels(shares: Sequence[float], correlation: float, shape: tuple[int, int], generator: np.random.Generator):
    """Draw labels of two versions, [studies, articles] each; the correlation is as large as the shares allow."""
    one, other = shares
    both = one * other + correlation * np.sqrt(one * (1 - one) * other * (1 - other))
    both = np.clip(both, max(0.0, one + other - 1), min(one, other))
    place = generator.random(shape)
    return [(place < one) * 1.0, ((place < both) | ((one <= place) & (place < one + other - both))) * 1.0]


def draw_versions(
    outcome: str, means: Sequence[float], correlation: float, shape: tuple[int, int], generator: np.random.Generator
) -> list[np.ndarray]:
    """Draw an outcome of versions with these means, [studies, articles] each, in the unit of its scale."""
    _, scale, concentration = OUTCOMES[outcome]
    if outcome == "share" and len(means) == 2:
        return draw_labels(means, correlation, shape, generator)
    common, grid, found = np.sqrt(correlation) * generator.normal(size=shape), np.linspace(-6, 6, 2001), []
    for mean in means:
        scores = common + np.sqrt(1 - correlation) * generator.normal(size=shape)
        if outcome == "share":
            found.append((scores < stats.norm.ppf(mean)) * 1.0)
        else:
            law = stats.beta(concentration * mean, concentration * (1 - mean))
            found.append(scale * np.interp(scores, grid, law.ppf(stats.norm.cdf(grid))))
    return found


def paired(differences: np.ndarray) -> np.ndarray:
    """Return the project's intervals of mean differences, [studies, 3], from [studies, articles]."""
    found = paired_contrast(differences[:, None, :], span=1.0)
    return np.column_stack([found.estimate, found.low, found.high])


def levels(values: np.ndarray, outcome: str) -> np.ndarray:
    """Return the intervals of means, [studies, 3], from [studies, articles]."""
    if outcome != "share":
        return np.array([mean_interval(row) for row in values])
    wilson = np.array([wilson_interval(count, values.shape[1]) for count in range(values.shape[1] + 1)])
    return wilson[values.sum(axis=1).astype(int)]


def minus(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intervals of differences as if of independent samples."""
    return np.array([difference_interval(*both) for both in zip(ones, others, strict=True)])


def coverage(intervals: np.ndarray, truth: float) -> float:
    """Return the share of intervals that include the truth."""
    return float(np.mean((intervals[:, 1] <= truth + 1e-12) & (truth - 1e-12 <= intervals[:, 2])))


def ratio(intervals: np.ndarray, others: np.ndarray) -> float:
    """Return the mean width of intervals divided by that of others."""
    return float(np.ptp(intervals[:, 1:], axis=1).mean() / np.ptp(others[:, 1:], axis=1).mean())


def spread(values: Sequence[float], digits: int = 0, factor: int = 100, unit: str = "%") -> str:
    """Return the range of numbers."""
    low, high = (f"{factor * value:.{digits}f}" for value in (min(values), max(values)))
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def head(*columns: str) -> list[str]:
    """Return the first two lines of a table."""
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]


def list_means(studies: int, seed: int) -> list[str]:
    """Simulate means: lines of a table of how many intervals include the true mean."""
    laws = {
        "normal": stats.norm(),
        "mean probability of 50%": stats.beta(0.5, 0.5),
        "mean probability of 90%": stats.beta(0.9, 0.1),
        "text quality index": stats.beta(3.2, 0.8),
        "perplexity": stats.lognorm(0.5),
    }
    lines = head("Articles", *laws)
    for articles in (5, *ARTICLES):
        cells = []
        for kind, law in laws.items():
            values = law.rvs((studies, articles), random_state=seeded(seed, "means", kind, articles))
            found = np.array([mean_interval(row) for row in values])
            half = 1.96 * values.std(axis=1, ddof=1, keepdims=True) / np.sqrt(articles)
            both = found, found[:, :1] + half * [[0, -1, 1]]
            cells.append(", ".join(f"{100 * coverage(each, law.mean()):.1f}%" for each in both))
        lines.append(f"| {articles} | {' | '.join(cells)} |")
    return lines


def list_changes(studies: int, seed: int) -> list[str]:
    """Simulate changes between two versions: lines of a table of coverage, width, and wrongly found changes."""
    lines = head(
        "Outcome", "Articles", "Correlation", "Include the truth, paired", "unpaired", "Width, paired : unpaired",
        "Change wrongly found, paired", "unpaired",
    )  # fmt: skip
    for outcome, articles, correlation in product(OUTCOMES, ARTICLES, CORRELATIONS):
        hits, ratios, wrong = [], [], []
        starts, scale, _ = OUTCOMES[outcome]
        for start, change in product(starts, CHANGES):
            generator = seeded(seed, outcome, articles, correlation, start, change)
            means = start, start + change
            first, last = draw_versions(outcome, means, correlation, (studies, articles), generator)
            both = paired(last - first), minus(levels(last, outcome), levels(first, outcome))
            hits.append([coverage(each, scale * change) for each in both])
            ratios.append(ratio(*both))
            if not change:
                wrong.append([1 - hit for hit in hits[-1]])
        of_hits, of_wrong = (map(spread, zip(*rates, strict=True)) for rates in (hits, wrong))
        cells = [*of_hits, spread(ratios, 2, 1, ""), *of_wrong]
        lines.append(f"| {outcome} | {articles} | {correlation} | {' | '.join(cells)} |")
    return lines


def list_rounds(studies: int, seed: int) -> list[str]:
    """Simulate two rounds of one seed set: lines of a table of the difference of their changes."""
    lines = head(
        "Outcome", "Articles", "Generation 0", "Include the truth, paired", "as independent",
        "Width, paired : independent",
    )  # fmt: skip
    for outcome, articles, which in product(OUTCOMES, ARTICLES, ("shared", "each its own")):
        hits, ratios = [], []
        starts, scale, _ = OUTCOMES[outcome]
        for correlation, start, effect in product(CORRELATIONS, starts, CHANGES):
            generator = seeded(seed, "rounds", outcome, articles, correlation, start, effect)
            means = start, start, start - 0.1, start - 0.1 + effect
            first, own_first, last, other = draw_versions(outcome, means, correlation, (studies, articles), generator)
            other_first = first if which == "shared" else own_first
            changes = [
                minus(levels(end, outcome), levels(zero, outcome))
                for zero, end in ((first, last), (other_first, other))
            ]
            both = paired((last - first) - (other - other_first)), minus(*changes)
            hits.append([coverage(each, -scale * effect) for each in both])
            ratios.append(ratio(*both))
        cells = *map(spread, zip(*hits, strict=True)), spread(ratios, 2, 1, "")
        lines.append(f"| {outcome} | {articles} | {which} | {' | '.join(cells)} |")
    return lines


def list_methods(studies: int, seed: int) -> list[str]:
    """Compare methods for paired shares: lines of a table of the least and the mean coverage, and of the width."""
    lines = head("Method", *(f"{articles} articles" for articles in ARTICLES))
    found: dict[str, list[str]] = {}
    for articles in ARTICLES:
        rates: dict[str, list[tuple[float, float]]] = {}
        for start, change, correlation in product(OUTCOMES["share"][0], CHANGES, (*CORRELATIONS, 0.9)):
            generator = seeded(seed, "methods", articles, start, change, correlation)
            first, last = draw_labels((start, start + change), correlation, (studies, articles), generator)
            intervals = paired_methods(first, last)
            for name, each in intervals.items():
                width = ratio(np.clip(each, -1, 1), intervals["unpaired (Newcombe)"])
                rates.setdefault(name, []).append((coverage(each, change), width))
        for name, each in rates.items():
            hits, widths = np.array(each).T
            text = f"{100 * hits.min():.1f}%, {100 * hits.mean():.1f}%, {np.median(widths):.2f}"
            found.setdefault(name, []).append(text)
    return lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in found.items()]


def paired_methods(first: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
    """Return the intervals of the change of a share by several methods, [studies, 3] each."""
    number, differences = first.shape[1], last - first
    estimate, changed = differences.mean(axis=1), np.abs(differences).mean(axis=1)
    of_first, of_last = levels(first, "share"), levels(last, "share")
    covariance = (first * last).mean(axis=1) - of_first[:, 0] * of_last[:, 0]
    deviations = np.sqrt((of_first[:, 0] * (1 - of_first[:, 0])) * (of_last[:, 0] * (1 - of_last[:, 0])))
    phi = np.divide(covariance, deviations, out=np.zeros_like(covariance), where=deviations > 0)

    def around(centre: np.ndarray, variance: np.ndarray, quantile: float) -> np.ndarray:
        half = quantile * np.sqrt(variance)
        return np.column_stack([estimate, centre - half, centre + half])

    def added(articles: float) -> np.ndarray:
        """Add so many articles, half of which change up and half down."""
        longer = number + 2
        centre = estimate * number / longer
        return around(centre, ((changed * number + articles) / longer - centre**2) / longer, QUANTILE)

    score = zip(of_last, of_first, phi, strict=True)
    return {
        "unpaired (Newcombe)": minus(of_last, of_first),
        "Student's t of the differences": around(
            estimate, (changed - estimate**2) / (number - 1), float(stats.t.isf(0.025, number - 1))
        ),
        "Agresti and Min (2005), half an article in each cell": added(1.0),
        "Bonett and Price (2012)": added(2.0),
        "Newcombe (1998), method 10": np.array([difference_interval(*each) for each in score]),
        "Tango (1998)": tango(differences),
        "the project's": paired(differences),
    }


def tango(differences: np.ndarray) -> np.ndarray:
    """Return Tango's score intervals (1998), by bisection."""
    number, ups, downs = differences.shape[1], (differences > 0).sum(axis=1), (differences < 0).sum(axis=1)
    estimate = (ups - downs) / number

    def inside(change: np.ndarray) -> np.ndarray:
        linear = -ups - downs + (2 * number - ups + downs) * change
        constant = -downs * change * (1 - change)
        share = (np.sqrt(np.maximum(linear**2 - 8 * number * constant, 0)) - linear) / (4 * number)
        variance = np.maximum(number * (2 * share + change * (1 - change)), 1e-300)
        return np.abs(ups - downs - number * change) <= QUANTILE * np.sqrt(variance)

    ends = []
    for limit in (-1.0, 1.0):
        near, far = estimate.copy(), np.full_like(estimate, limit)
        for _ in range(40):
            middle = (near + far) / 2
            within = inside(middle)
            near, far = np.where(within, middle, near), np.where(within, far, middle)
        ends.append(near)
    return np.column_stack([estimate, *ends])


def list_parts(studies: int, seed: int) -> list[str]:
    """Simulate articles that take no part: lines of a table of how many intervals of shares include the truth."""
    lines = head("Articles", "Take part in the first and the last version", "Include the truth", "as independent")
    for articles, parts in product(ARTICLES[1:], ((0.9, 0.9), (0.9, 0.5), (0.5, 0.2), (0.2, 0.2))):
        hits = []
        for start, correlation in product(OUTCOMES["share"][0], CORRELATIONS):
            generator = seeded(seed, "parts", articles, parts, start, correlation)
            both = draw_labels((start, start - 0.1), correlation, (studies, articles), generator)
            takes_part = draw_labels(parts, correlation, (studies, articles), generator)
            kept = [np.where(part, values, np.nan) for part, values in zip(takes_part, both, strict=True)]
            rates = []
            for first, last in zip(*kept, strict=True):
                known = [each[~np.isnan(each)] for each in (last, first)]
                if not all(map(len, known)):
                    continue
                found = paired_differences(first, last, 1.0)
                contrast = paired_contrast(found.values[None], span=found.span)
                _, low, high = difference_interval(*(wilson_interval(int(each.sum()), len(each)) for each in known))
                rates.append((contrast.low <= -0.1 <= contrast.high, low <= -0.1 <= high))
            hits.append(np.mean(rates, axis=0))
        cells = " | ".join(map(spread, zip(*hits, strict=True)))
        lines.append(f"| {articles} | {100 * parts[0]:.0f}%, {100 * parts[1]:.0f}% | {cells} |")
    return lines


def even_rates(right: float) -> np.ndarray:
    """Return the rates of a classifier, [3, 3], that gets a share of each label right and errs evenly."""
    return np.full((3, 3), (1 - right) / 2) + (right - (1 - right) / 2) * np.eye(3)


def draw_given(
    shares: Sequence[float], rates: np.ndarray, articles: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Draw the labels that a classifier gives to two versions' articles, [articles] each.

    Of the articles, 60% keep their true label if the shares of the first label allow it. Half keep their confusion.
    """
    labels = draw_labels(shares, 0.6, (1, articles), generator)
    side, place = generator.integers(1, 3, articles), generator.random((2, articles))
    place[1] = np.where(generator.random(articles) < 0.5, place[0], place[1])
    true = [np.where(label[0] == 1, 0, side) for label in labels]
    ends = [rates[one].cumsum(axis=1)[:, :2] for one in true]
    return [(own[:, None] > end).sum(axis=1) for own, end in zip(place, ends, strict=True)]


def list_adjusted(studies: int, seed: int) -> list[str]:
    """Simulate changes of corrected shares: lines of a table of coverage and width, of all three labels."""
    lines = head(
        "True share", "Right", "Articles, test articles per label", "Include the truth", "as independent",
        "Width, correlated : independent",
    )  # fmt: skip
    for (name, shares), right, sizes in product(ADJUSTED.items(), (0.6, 0.85, 0.95), ((72, 60), (300, 200))):
        generator = seeded(seed, "adjusted", name, right, sizes)
        rates = even_rates(right)
        truth = np.array([shares[1] - shares[0]] + [(shares[0] - shares[1]) / 2] * 2)
        hits, apart_hits, widths = np.zeros(3), np.zeros(3), []
        for study in range(studies):
            resamples = Resamples(np.array([generator.multinomial(sizes[1], row) for row in rates]), study)
            first, last = (adjust(each, resamples) for each in draw_given(shares, rates, sizes[0], generator))
            for label in range(3):
                _, low, high = adjusted_change(first, last, label)
                _, apart_low, apart_high = difference_interval(last.intervals[label], first.intervals[label])
                hits[label] += low <= truth[label] + 1e-9 and truth[label] - 1e-9 <= high
                apart_hits[label] += apart_low <= truth[label] + 1e-9 and truth[label] - 1e-9 <= apart_high
                widths.append((high - low) / (apart_high - apart_low))
        cells = spread(hits / studies), spread(apart_hits / studies), f"{np.mean(widths):.2f}"
        lines.append(f"| {name} | {100 * right:.0f}% | {sizes[0]}, {sizes[1]} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Run all simulations and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    studies = arguments.studies
    # A study of corrected shares takes a fifth of a second.
    parts = {
        f"Means: Student's t, 1.96 ({5 * studies:,} studies)": (list_means, 5 * studies),
        f"Changes within a round ({studies:,} studies)": (list_changes, studies),
        f"Differences between rounds ({studies:,} studies)": (list_rounds, studies),
        f"Methods for shares: least and mean coverage, width ({5 * studies:,} studies)": (list_methods, 5 * studies),
        f"Articles of which some take no part ({studies // 4:,} studies)": (list_parts, studies // 4),
        f"Corrected shares ({studies // 20:,} studies)": (list_adjusted, studies // 20),
    }
    lines = ["# Calibration of paired intervals"]
    for title, (simulate, number) in parts.items():
        lines += ["", f"## {title}", "", *simulate(number, arguments.seed)]
        print(f"{title}: done", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "paired_calibration.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
