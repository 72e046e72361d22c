"""N-grams, against NLTK, SciPy, plain loops and numbers computed by hand."""

import math
from collections import Counter

import nltk
import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from scipy import stats

from bias_amplification.measures.ngrams import (
    BLEU_ORDER,
    count_ngrams,
    distinct,
    entropy,
    jackknife_interval,
    repeated,
    self_bleu,
)


def words(*articles: str) -> list[list[str]]:
    return [article.split() for article in articles]


CATS = words("the cat sat the cat sat", "the dog sat")


def random_articles(seed: int, number: int = 9, longest: int = 40) -> list[list[str]]:
    """Return articles of few different words, so that n-grams recur within and between them."""
    rng = np.random.default_rng(seed)
    return [list(rng.choice(list("aaabbcdefg"), rng.integers(1, longest))) for _ in range(number)]


@pytest.fixture(params=range(6), scope="module")
def articles(request) -> list[list[str]]:
    return random_articles(request.param)


def left_out(articles: list) -> list[list]:
    return [[*articles[:place], *articles[place + 1 :]] for place in range(len(articles))]


def expected_ends(value: float, without: list[float]) -> tuple[float, float]:
    """Return the ends of the jackknife interval from pseudovalues, whose mean has the jackknife's standard error."""
    count = len(without)
    pseudo = [count * value - (count - 1) * other for other in without]
    half = stats.t.ppf(0.975, count - 1) * stats.sem(pseudo)
    return value - half, value + half


def test_counts_equal_those_of_nltk(articles):
    for n, counts in enumerate(count_ngrams(articles, 4), start=1):
        expected = [sorted(Counter(nltk.ngrams(article, n)).values()) for article in articles]
        assert [sorted(counts[[row]].data.tolist()) for row in range(len(articles))] == expected
        together = Counter(gram for article in articles for gram in nltk.ngrams(article, n))
        assert sorted(counts.sum(axis=0).tolist()) == sorted(together.values())


def test_distinct_of_a_small_set():
    # Among 9 words, "the" and "sat" occur 3 times, "cat" twice, "dog" once. Of the 84 draws of 3 words, 20, 20, 35 and
    # 56 miss them.
    value, _, _ = distinct(count_ngrams(CATS, 1)[0], 3)

    assert value == pytest.approx((4 - (20 + 20 + 35 + 56) / 84) / 3, abs=1e-12)
    assert value == pytest.approx(0.8134921, abs=1e-7)


@pytest.mark.parametrize("drawn", [1, 7, 50])
def test_distinct_equals_the_hypergeometric_expectation(articles, drawn):
    for counts in count_ngrams(articles, 3):
        frequencies = counts.sum(axis=0)
        expected = (1 - stats.hypergeom.pmf(0, frequencies.sum(), frequencies, drawn)).sum() / drawn

        assert distinct(counts, drawn)[0] == pytest.approx(expected, rel=1e-10)


def test_distinct_does_not_depend_on_the_number_of_articles():
    rng = np.random.default_rng(1)
    known = [f"w{number}" for number in range(3000)]
    chances = 1 / np.arange(1, 3001)
    many = [list(rng.choice(known, 200, p=chances / chances.sum())) for _ in range(200)]
    whole, part = (count_ngrams(some, 1)[0] for some in (many, many[:20]))

    assert distinct(whole, 1000)[0] == pytest.approx(distinct(part, 1000)[0], rel=0.02)
    # The plain ratio is three times as high in the small set.
    assert part.shape[1] / part.sum() > 2.5 * whole.shape[1] / whole.sum()


def test_distinct_is_unknown_with_too_few_words():
    counts = count_ngrams(CATS, 1)[0]

    assert all(math.isnan(value) for value in distinct(counts, 4))  # without the first article, 3 words are left
    assert not any(math.isnan(value) for value in distinct(counts, 3))
    assert all(math.isnan(value) for value in distinct(count_ngrams([], 1)[0], 1))


def test_entropy_of_a_small_set():
    # 7 pairs of words, of which 2 occur twice and 3 once.
    value, _, _ = entropy(count_ngrams(CATS, 2)[1])

    assert value == pytest.approx(4 / 7 * math.log2(7 / 2) + 3 / 7 * math.log2(7), abs=1e-12)
    assert value == pytest.approx(2.2359264, abs=1e-7)


def test_entropy_equals_that_of_scipy(articles):
    for counts in count_ngrams(articles, 3):
        assert entropy(counts)[0] == pytest.approx(stats.entropy(counts.sum(axis=0), base=2), abs=1e-10)


def test_repeated_ngrams_of_two_articles():
    # Of the 6 4-grams of the first article, 2 occur earlier. The third has none.
    articles = words("a b c d a b c d a", "a b c d", "a b")

    value, low, high = repeated(count_ngrams(articles, 4)[3])

    assert value == pytest.approx(1 / 6, abs=1e-12)
    # The standard deviation of 1/3 and 0 is 0.2357, two articles have values, and Student's quantile of 1 is 12.706.
    assert (low, high) == pytest.approx((1 / 6 - 12.706205 / 6, 1 / 6 + 12.706205 / 6), abs=1e-6)


def test_self_bleu_of_two_short_articles():
    # Precisions 3/4, 2/3, 1/2 and 0.1/1 in both directions; their product is 0.025.
    value, low, _ = self_bleu(count_ngrams(words("a b c d", "a b c e"), BLEU_ORDER))

    assert value == pytest.approx(0.3976354, abs=1e-7)
    assert math.isnan(low)


def bleu_of_nltk(articles: list[list[str]]) -> float:
    smooth = SmoothingFunction(epsilon=0.1).method1
    pairs = zip(left_out(articles), articles, strict=True)
    return float(np.mean([sentence_bleu(others, own, smoothing_function=smooth) for others, own in pairs]))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_self_bleu_and_its_interval_equal_those_of_nltk(articles):
    # One article shares no word with the others, and one is a copy.
    articles = [*articles, ["x", "y", "z"], articles[0]]

    value, *ends = self_bleu(count_ngrams(articles, BLEU_ORDER))

    assert value == pytest.approx(bleu_of_nltk(articles), abs=1e-12)
    assert ends == pytest.approx(expected_ends(value, [bleu_of_nltk(some) for some in left_out(articles)]), abs=1e-10)


def test_intervals_equal_those_from_counting_again_without_each_article(articles):
    for n in (1, 2, 3):
        for measure in (entropy, lambda counts: distinct(counts, 20)):
            value, *ends = measure(count_ngrams(articles, n)[n - 1])
            without = [measure(count_ngrams(some, n)[n - 1])[0] for some in left_out(articles)]

            assert ends == pytest.approx(expected_ends(value, without), abs=1e-9)


def test_jackknife_of_a_mean_is_its_interval():
    values = np.array([1.0, 4.0, 2.0, 7.0])
    without = (values.sum() - values) / 3

    found = jackknife_interval(float(values.mean()), without)

    assert found[0] == 3.5
    assert found[1:] == pytest.approx(stats.t.interval(0.95, 3, 3.5, stats.sem(values)), abs=1e-12)
    assert math.isnan(jackknife_interval(1.0, np.array([1.0]))[1])
