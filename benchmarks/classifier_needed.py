"""How good a classifier and how many articles a study needs to tell a change like that of the shown real study.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/classifier_needed.py``. It simulates studies of the shown
study's size (360 articles, 195 test articles per label) whose true shares change as the shown study's plain shares do,
and prints Markdown tables; docs/real-model.md has them.

The simulated classifier gets the same share of each label right and errs evenly, so that share is its macro F1. It
confuses models' texts as it confuses the test articles, which is what the correction assumes.
"""

import argparse
from typing import NamedTuple

import numpy as np
from paired_calibration import draw_given, draw_labels, even_rates, head, paired, seeded

from bias_amplification.measures.quantification import Resamples, adjust, adjusted_change, misfit

ARTICLES, TESTED = 360, 195
SCORES = (0.29, 0.4, 0.5, 0.61, 0.7, 0.8, 0.9)
#: Share of right articles at generation 0 and 10 in the balanced rounds of the shown study, as classified.
CHANGES = {"synthetic": (0.683, 0.878), "preservation": (0.683, 0.558)}
#: Changes of a share around 50%, in points, for `list_articles`.
TOLD = (10, 20, 30, 40, 50)


class Told(NamedTuple):
    """What studies with one classifier find."""

    plain: float
    """Share of the studies in which the interval of the plain change tells the direction of the true change."""
    corrected: float
    """The same of the corrected change."""
    opposite: float
    """Share of the studies in which the corrected change is told with the opposite direction."""
    change: float
    """Mean plain change."""
    width: float
    """Median width of the interval of the corrected change."""


def simulate(score: float, shares: tuple[float, float], studies: int, seed: int) -> Told:
    """Simulate studies with a classifier of this macro F1, whose true shares of one label are `shares`."""
    generator, rates = seeded(seed, "needed", score, shares), even_rates(score)
    sign, found = np.sign(shares[1] - shares[0]), []
    for study in range(studies):
        resamples = Resamples(np.array([generator.multinomial(TESTED, row) for row in rates]), study)
        given = draw_given(shares, rates, ARTICLES, generator)
        plain = paired(np.subtract(*((each == 0) * 1.0 for each in reversed(given)))[None])[0]
        found.append([plain, adjusted_change(*(adjust(each, resamples) for each in given), 0)])
    estimates, low, high = np.moveaxis(np.array(found), 2, 0)  # [studies, plain and corrected] each
    told, opposite = (((ends > 0) if up else (ends < 0)).mean(axis=0) for ends, up in _ends(low, high, sign))
    return Told(*told, opposite[1], estimates[:, 0].mean(), float(np.median(high[:, 1] - low[:, 1])))


def _ends(low: np.ndarray, high: np.ndarray, sign: float) -> list[tuple[np.ndarray, bool]]:
    """Return the end of the intervals that must be beyond 0 for the true and for the opposite direction."""
    return [(low, True), (high, False)] if sign > 0 else [(high, False), (low, True)]


def explained(score: float, share: float) -> float:
    """Return the share of articles that no mixture explains, if this share is called one label and the rest even."""
    return misfit(np.array([share, (1 - share) / 2, (1 - share) / 2]), even_rates(score))


def list_articles(studies: int, seed: int) -> list[str]:
    """Return the lines of a table of how often a plain change is told, by the number of articles.

    Labels of an article in both generations are correlated by .33, as in the shown study.
    """
    lines = head("Articles", "Half the width of the interval, points", *(f"{change} points" for change in TOLD))
    for articles in (24, 48, 120, 360):
        generator, rates = seeded(seed, "articles", articles), []
        for change in TOLD:
            shares = (0.5 - change / 200, 0.5 + change / 200)
            first, last = draw_labels(shares, 0.33, (studies, articles), generator)
            found = paired(last - first)
            rates.append(f"{(found[:, 1] > 0).mean():.0%}")
            if change == 20:
                half = f"{50 * np.median(np.ptp(found[:, 1:], axis=1)):.0f}"
        lines.append(f"| {articles} | {half} | {' | '.join(rates)} |")
    return lines


def list_scores(studies: int, seed: int) -> list[str]:
    """Return the lines of a table of how often a corrected change is told, by the classifier's macro F1."""
    lines = head(
        "Macro F1", "Beyond any mixture if 87.8% are called right", "True change", "Mean plain change",
        "Told by the plain share", "Told by the corrected share", "Told with the opposite direction",
        "Median width of the corrected change's interval",
    )  # fmt: skip
    for score in SCORES:
        for shares in CHANGES.values():
            told = simulate(score, shares, studies, seed)
            change = f"{100 * (shares[1] - shares[0]):.1f}"
            cells = [
                f"{score:.2f}".lstrip("0"), f"{explained(score, 0.878):.0%}", change, f"{100 * told.change:.1f}",
                *(f"{rate:.0%}" for rate in (told.plain, told.corrected, told.opposite)), f"{100 * told.width:.0f}",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("\n".join([*list_articles(10 * given.studies, given.seed), "", *list_scores(given.studies, given.seed)]))


if __name__ == "__main__":
    main()
