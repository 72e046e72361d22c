"""Division of a number by shares, and the sizes of a sample."""

from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.corpus.sizes import articles_wanted, sample_counts
from bias_amplification.study import Plan, read_study
from bias_amplification.study.apportion import apportion


@given(st.integers(0, 500), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_apportioned_counts_sum_to_the_number_and_differ_by_less_than_one_from_their_shares(size, shares):
    counts = apportion(size, shares)

    assert sum(counts) == size
    assert all(abs(count - size * share / sum(shares)) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))


@given(st.lists(st.integers(1, 400), min_size=2, max_size=4), st.integers(0, 40), st.floats(0, 1))
def test_a_sample_keeps_the_shares_of_labels_above_what_the_rounds_need(sizes, wanted, share):
    available = {str(number): size for number, size in enumerate(sizes)}
    least = {label: min(size, wanted + max(10, wanted)) for label, size in available.items()}
    sample = sum(least.values()) + int(share * (sum(sizes) - sum(least.values())))

    counts = sample_counts(available, sample, dict.fromkeys(available, wanted))

    assert sum(counts.values()) == sample
    assert all(least[label] <= count <= available[label] for label, count in counts.items())
    free = [label for label, count in counts.items() if count > least[label]]
    if free:
        # The labels above their minimum share what the others leave, in proportion.
        rate = sum(counts[label] for label in free) / sum(available[label] for label in free)
        assert all(abs(counts[label] - rate * available[label]) < 1 + len(sizes) for label in free)


def test_a_sample_of_a_corpus_with_a_rare_label():
    assert sample_counts({"a": 9_000, "b": 1_000}, 500, {"a": 20, "b": 20}) == {"a": 450, "b": 50}
    assert sample_counts({"a": 9_900, "b": 100}, 500, {"a": 20, "b": 20}) == {"b": 40, "a": 460}
    assert sample_counts({"a": 90, "b": 10}, 500, {"a": 20, "b": 20}) == {"a": 90, "b": 10}


def test_the_articles_of_the_rounds_are_counted_by_label(config):
    assert articles_wanted(Plan(read_study(config))) == {"red": 4, "green": 12, "blue": 4}

    config["replicates"] = {"number": 3, "articles": "redrawn", "reserve": 3}
    config["rounds"].append({"name": "real", "seed_set": "balanced", "strategy": "real", "tracked_label": "red"})

    # Three draws, and ten further sets beside each, of four articles of each label; three draws of twelve.
    assert articles_wanted(Plan(read_study(config))) == {"red": 132, "green": 132, "blue": 132}
