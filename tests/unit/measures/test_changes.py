import numpy as np
import pytest
from scipy import stats

from bias_amplification.measures.changes import PairedChanges, paired_differences
from bias_amplification.measures.contrasts import paired_contrast
from bias_amplification.measures.quantification import Resamples, adjust, adjusted_change
from bias_amplification.measures.version_measures import VersionMeasures

LABELS = ["up", "down"]
NAN = np.nan


def version(seed: int = 0, articles: int = 40, **given) -> VersionMeasures:
    """Return measures of random articles; an article's numbers are alike in all versions."""
    generator = np.random.default_rng(seed)
    common = np.random.default_rng(99).normal(size=articles)
    means = {"perplexity_base": 9 + common + generator.normal(size=articles)}
    means["text_quality_index"] = np.clip(2 + 0.5 * common + 0.3 * generator.normal(size=articles), 0, 3)
    shares = {"share_up": (common + generator.normal(size=articles) > 0).astype(float)}
    shares |= {name: values for name, values in given.items() if name.startswith("share")}
    means |= {name: values for name, values in given.items() if not name.startswith("share")}
    return VersionMeasures(shares, means, None)


def rows_of(*versions: VersionMeasures, replicates: int = 1, ids: np.ndarray | None = None) -> dict:
    """Add versions of one round, generation after generation: its rows by replicate and generation."""
    changes = PairedChanges(LABELS)
    generations = len(versions) // replicates
    for place, measures in enumerate(versions):
        replicate, generation = place // generations + 1, place % generations
        numbers = np.arange(len(measures.shares["share_up"])) if ids is None else ids[replicate - 1]
        changes.add(("mine", replicate), generation, "set", numbers, measures)
    changes.finish_round()
    return {(row["replicate"], row["generation"]): row for row in changes.rows}


def interval(row: dict, measure: str) -> list:
    return [row[measure + end] for end in ("", "_low", "_high")]


def test_changes_of_numbers_without_a_scale_have_the_paired_t_interval():
    first, last = version(1), version(2)
    values = [one.means["perplexity_base"] for one in (last, first)]

    row = rows_of(first, last)[1, 1]

    assert interval(row, "perplexity_base") == pytest.approx(
        [np.mean(values[0] - values[1]), *stats.ttest_rel(*values).confidence_interval()]
    )
    apart = stats.ttest_ind(*values).confidence_interval()
    assert row["perplexity_base_high"] - row["perplexity_base_low"] < 0.9 * (apart.high - apart.low)


@pytest.mark.parametrize("measure", ["share_up", "text_quality_index"])
def test_two_articles_are_added_to_changes_on_a_scale(measure):
    first, last = version(1), version(2)
    kind = "shares" if measure == "share_up" else "means"
    differences = getattr(last, kind)[measure] - getattr(first, kind)[measure]
    expected = paired_contrast(differences[None], span=1.0)

    row = rows_of(first, last)[1, 1]

    assert interval(row, measure) == pytest.approx([expected.estimate, expected.low, expected.high])


def test_change_of_two_means_over_different_articles_is_the_difference_of_the_means():
    first = np.array([1.0, 0.0, 0.0, NAN, NAN, 1.0])
    last = np.array([1.0, 1.0, NAN, NAN, 0.0, 1.0])

    found = paired_differences(first, last, span=1.0)

    assert np.isnan(found.values).tolist() == [False, False, False, True, False, False]
    assert np.nanmean(found.values) == pytest.approx(3 / 4 - 2 / 4)
    # Five articles take part in one of them, and four in each.
    assert found.span == 5 / 4


def test_articles_of_which_none_takes_part_in_both_are_independent_samples():
    generator = np.random.default_rng(0)
    values, of_first = generator.normal(2, 1, 3000), np.arange(3000) < 1000
    first, last = np.where(of_first, values, NAN), np.where(of_first, NAN, values)

    found = paired_contrast(paired_differences(first, last, 0.0).values[None])

    expected = stats.ttest_ind(values[~of_first], values[of_first], equal_var=False)
    assert found.standard_error == pytest.approx(expected._standard_error, rel=2e-3)
    assert found.estimate == pytest.approx(np.nanmean(last) - np.nanmean(first))


def test_error_of_means_over_articles_that_partly_agree_is_that_of_a_bootstrap():
    """The oracle draws 4,000 times the articles with replacement; it knows a standard error to 1.1%, tolerance 5%."""
    generator = np.random.default_rng(1)
    common = generator.normal(size=400)
    ends = [common + generator.normal(size=400) + 0.5 for _ in range(2)]
    # Whether an article takes part depends on its number.
    first, last = (np.where(end + generator.normal(size=400) > 0.3, end > 0.8, NAN) for end in ends)
    drawn = generator.integers(400, size=(4000, 400))
    oracle = (np.nanmean(last[drawn], axis=1) - np.nanmean(first[drawn], axis=1)).std()

    found = paired_contrast(paired_differences(first, last, 0.0).values[None])

    assert found.standard_error == pytest.approx(oracle, rel=0.05)


def test_replicates_together_have_the_contrast_of_their_common_articles():
    versions = [version(seed) for seed in range(6)]
    ids = np.array([np.arange(40), np.arange(40), np.arange(20, 60)])
    shares = [one.shares["share_up"] for one in versions]
    differences = np.array([last - first for first, last in zip(shares[::2], shares[1::2], strict=True)])
    expected = paired_contrast(differences, ids, span=1.0)

    rows = rows_of(*versions, replicates=3, ids=ids)

    assert list(rows) == [(1, 1), (2, 1), (3, 1), (None, 1)]
    assert interval(rows[None, 1], "share_up") == pytest.approx([expected.estimate, expected.low, expected.high])
    assert rows[2, 1]["share_up"] == pytest.approx(differences[1].mean())


def test_one_replicate_is_all_of_the_round():
    rows = rows_of(version(1), version(2))
    assert rows[None, 1] == rows[1, 1] | {"replicate": None}


def test_generation_0_changes_from_the_base_model_with_the_same_articles():
    changes = PairedChanges(LABELS)
    changes.add_base("one", version(share_up=np.zeros(40)))
    changes.add_base("two", version(share_up=np.ones(40)))
    for place, draw in enumerate(("one", "two"), start=1):
        changes.add(("mine", place), 0, draw, np.arange(40), version(share_up=np.repeat([0.0, 1.0], [30, 10])))

    assert [(row["replicate"], row["share_up"]) for row in changes.rows] == [(1, 0.25), (2, -0.75)]


def test_version_without_its_generation_0_has_no_row():
    changes = PairedChanges(LABELS)
    changes.add(("mine", 1), 0, "set", np.arange(40), version(1))
    changes.add(("other", 1), 1, "set", np.arange(40), version(2))
    changes.finish_round()
    assert changes.rows == []


def test_measure_that_one_version_lacks_has_no_change():
    row = rows_of(version(1, share_second_up=np.full(40, NAN)), version(2, share_second_up=np.ones(40)))[1, 1]
    assert "share_second_up" not in row and "share_up" in row


def test_interval_ends_at_the_largest_change():
    row = rows_of(version(share_up=np.zeros(3), articles=3), version(share_up=np.ones(3), articles=3))[1, 1]
    assert row["share_up_low"] < interval(row, "share_up")[0] == row["share_up_high"] == 1


def test_adjusted_shares_change_with_the_error_of_the_confusion_matrix():
    resamples = Resamples(np.array([[90, 10], [20, 80]]), 0)
    adjusted = [adjust(np.repeat([0, 1], counts), resamples) for counts in ((20, 20), (12, 28), (16, 24), (10, 30))]
    plain = [version(seed) for seed in range(4)]
    versions = [VersionMeasures(one.shares, one.means, each) for one, each in zip(plain, adjusted, strict=True)]

    rows = rows_of(*versions, replicates=2)

    expected = [adjusted_change(*adjusted[place : place + 2], 0) for place in (0, 2)]
    assert interval(rows[1, 1], "share_adjusted_up") == pytest.approx(expected[0])
    value, low, high = interval(rows[None, 1], "share_adjusted_up")
    assert value == pytest.approx((expected[0][0] + expected[1][0]) / 2)
    # The error of the matrix is in both, so the interval of two replicates is no narrower than theirs.
    assert value - low >= np.mean([each[0] - each[1] for each in expected]) - 1e-12 and high > value
