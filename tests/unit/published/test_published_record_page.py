"""The numbers in docs/published-record.md, computed from resources/published."""

import re

import numpy as np
import pandas as pd
import pytest

from bias_amplification.measures.intervals import difference_interval
from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.regress import correlate, regress
from bias_amplification.neurons.sets import chance_overlap, odds_ratio
from bias_amplification.published.record import published_metrics
from bias_amplification.study.sections import Neurons
from helpers import ROOT

FOLDER = ROOT / "resources" / "published"
LABELS = ["left", "center", "right"]


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join((ROOT / "docs" / "published-record.md").read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "trajectories.csv")


@pytest.fixture(scope="module")
def counts() -> dict[tuple[str, str], int]:
    rows = pd.read_csv(FOLDER / "statements.csv").query("place == 'Section 4.4'")
    return {(row.subject, row.quantity): int(row.value) for row in rows.itertuples()}


def number(table, strategy, file_generation, column, seed_set="balanced"):
    rows = table[(table["seed_set"] == seed_set) & (table["strategy"] == strategy)]
    return rows.set_index("file_generation").loc[file_generation, column]


def test_table_of_measures(page, table):
    cases = [
        ("47.9% center before", "base_model", 0, "center", "balanced"),
        ("46.8% right before", "base_model", 0, "right", "balanced"),
        ("53.7% right at generation 0", "synthetic", 1, "right", "balanced"),
        ("67.6% right at generation 6", "synthetic", 7, "right", "balanced"),
        ("41.89% right at generation 10", "accumulation", 11, "right", "balanced"),
        ("42.7% right at generation 10", "preservation", 11, "right", "balanced"),
        ("72.9% center at generation 0", "synthetic", 0, "center", "center"),
        ("88.2% center at generation 10", "preservation", 11, "center", "center"),
    ]
    for words, strategy, file_generation, label, seed_set in cases:
        share, mean = (
            100 * number(table, strategy, file_generation, f"{measure}_{label}", seed_set)
            for measure in ("share", "mean_probability")
        )
        row = re.search(rf"\| {words}[^|]*\| (share|mean probability) \| ([\d.]+)% \| ([\d.]+)% \|", page)
        assert (float(row[2]), float(row[3])) == (round(share, 1), round(mean, 1)), words
        quoted = float(words.split("%")[0])
        printed = {"share": share, "mean probability": mean}[row[1]]
        assert quoted == pytest.approx(printed, abs=0.11 if words.startswith("67.6") else 0.05)
    assert len(cases) == page.split("A swapped pair")[0].count("% |") // 2


def test_difference_of_the_two_measures(page, table):
    largest = max((table[f"share_{label}"] - table[f"mean_probability_{label}"]).abs().max() for label in LABELS)

    assert "less than 1.2 percentage points" in page and 0.011 < largest < 0.012
    rise = [
        100 * (number(table, "synthetic", 7, f"{measure}_right") - number(table, "synthetic", 1, f"{measure}_right"))
        for measure in ("share", "mean_probability")
    ]
    assert f"by shares it is {rise[0]:.1f} points, by mean probabilities {rise[1]:.1f}" in page
    assert f"{100 * number(table, 'synthetic', 7, 'share_right'):.2f}%, which is printed as 67.6" in page


def test_swapped_pair(page):
    metrics = published_metrics(FOLDER / "trajectories.csv", LABELS)
    last = metrics[metrics["generation"] == 10].set_index("round")
    column = "mean_probability_right"
    both = [
        tuple(last.loc[name, [column, f"{column}_low", f"{column}_high"]])
        for name in ("balanced_preservation", "balanced_accumulation")
    ]

    difference, low, high = (100 * value for value in difference_interval(*both))

    assert f"({difference:.1f} points, 95% interval at most {low:.1f} to {high:.1f})" in page
    assert "42.7% for preservation and 41.9% for accumulation" in page
    assert (round(100 * both[0][0], 1), round(100 * both[1][0], 1)) == (42.7, 41.9)


def test_last_step_of_the_synthetic_round(page):
    metrics = published_metrics(FOLDER / "trajectories.csv", LABELS)
    rows = metrics[metrics["round"] == "balanced_synthetic"].set_index("generation")
    columns = ["share_right", "share_right_low", "share_right_high"]

    change, low, high = (100 * end for end in difference_interval(*(tuple(rows.loc[g, columns]) for g in (9, 10))))

    text = f"falls by {change:.1f} points [{low:.1f}, {high:.1f}] from generation 9 to 10"
    assert text in " ".join(page.split())


def test_generations_of_the_center_rounds(page, table):
    assert round(100 * number(table, "synthetic", 0, "mean_probability_center", "center"), 1) == 72.9
    assert round(100 * number(table, "synthetic", 1, "mean_probability_center", "center"), 1) == 75.1
    assert "generation 0 has 75.1%" in page
    center = 100 * table.query("seed_set == 'balanced' and strategy == 'synthetic'")["share_center"]
    away = (center - center.mean()).abs().max()
    assert f"from {center.min():.1f}% to {center.max():.1f}% with a mean of {center.mean():.1f}%" in page
    assert f"up to {away:.1f} points" in page
    assert 196 * np.sqrt(0.35 * 0.65 / 1518) == pytest.approx(2.4, abs=0.05)


def test_overlap_by_chance(page, counts):
    sizes = 9216, counts["weight", "bias"], counts["weight", "quality"], counts["weight", "both"]

    found = chance_overlap(*sizes)
    odds = odds_ratio(*sizes)

    assert f"share {found.expected_both:.1f} on average" in page
    assert f"a probability of {found.p_overlap:.3f}".replace("0.", ".") in page
    assert f"odds ratio is {odds[0]:.2f}, with a 95% interval of {odds[1]:.2f} to {odds[2]:.2f}" in page
    assert f"where {9216 * 0.05:.0f} of 9,216" in page and counts["activation", "quality"] == 2
    assert f"3,243 of 9,216 are {100 * 3243 / 9216:.0f}%" in page


def test_rejection_rates_of_independent_random_walks(page):
    """Random walks of the study's shape: 400 outcomes with 10 neurons each. Monte Carlo error about 0.9 points."""
    generator = np.random.default_rng(0)
    rounds, generations = np.repeat([f"round {k}" for k in range(6)], 11), np.tile(np.arange(11), 6)
    steps = generator.normal(size=(400, 11, 6, 11))
    steps[..., 0] = 0
    walks = steps.cumsum(axis=-1).reshape(400, 11, 66)
    found = []
    for difference, reference in (("levels", "normal"), ("across", "normal"), ("within", "normal"), ("within", "t")):
        choices = {"reference": reference, "small_sample": reference == "t", "fixed_effects": "none"}
        settings = Neurons(difference=difference, lags=1, **choices)
        rows = make_rows(Versions(rounds.tolist(), generations.tolist()), difference)
        p_values = [regress(study[1:].T, study[0], rows, settings).p_value for study in walks]
        found.append(100 * np.mean(np.array(p_values) < 0.05))

    assert "in 40% of the cases" in page and "the rate is 16%" in page
    assert "7.7%, and with a t reference besides 6.9%" in page
    assert found == pytest.approx([40, 16, 7.7, 6.9], abs=2)


def test_agreement_of_signs_of_slopes_and_correlations(page):
    """Random walks as above; the standard error of the two lower shares is about 0.8 points."""
    generator = np.random.default_rng(1)
    rounds, generations = np.repeat([f"round {k}" for k in range(6)], 11), np.tile(np.arange(11), 6)
    steps = generator.normal(size=(400, 11, 6, 11))
    steps[..., 0] = 0
    walks = steps.cumsum(axis=-1).reshape(400, 11, 66)
    found = {}
    for difference in ("levels", "across", "within"):
        rows, settings = (
            make_rows(Versions(rounds.tolist(), generations.tolist()), difference),
            Neurons(difference=difference, fixed_effects="none"),
        )
        pairs = [(regress(w[1:].T, w[0], rows, settings).estimate, correlate(w[1:].T, w[0])) for w in walks]
        found[difference] = 100 * np.mean([np.sign(slope) == np.sign(pearson) for slope, pearson in pairs])

    assert (
        "agree for 100% with levels, 78% with differences across" in page and "and 62% with differences within" in page
    )
    assert found["levels"] == 100
    assert (found["across"], found["within"]) == pytest.approx((78, 62), abs=2)


def test_overlap_of_prompts_and_training_articles(page):
    """From the counts of the corpus: right, left and center articles as a plain read gives them."""
    center, drawn = 1517, 506
    outside = center - drawn

    assert f"some {outside:,} of {center:,}" in page
    assert f"a number near {0.70 * outside:.0f}" in page
    assert outside / center == pytest.approx(2 / 3, abs=0.01)
