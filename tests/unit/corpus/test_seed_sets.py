"""Seed sets: balanced, one-label, and as large as possible."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.seed_sets import apportion, draw_seed_set


def make_articles(**counts):
    rows = [
        {
            "article_id": f"{label}{number}",
            "event_id": None,
            "outlet": None,
            "date": None,
            "title": "Title",
            "body": f"Body {number} of {label}",
            "label": label,
        }
        for label, count in counts.items()
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=ARTICLES)


def ids(table):
    return table["article_id"].to_pylist()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10), st.integers(0, 5))
def test_balanced_sets_have_equally_many_of_each_label(each, seed):
    articles = make_articles(a=12, b=10, c=11)

    drawn, findings = draw_seed_set(articles, ["a", "b", "c"], 3 * each, seed)

    labels = drawn["label"].to_pylist()
    assert [labels.count(label) for label in "abc"] == [each] * 3
    assert len(set(ids(drawn))) == 3 * each
    assert findings == []


def test_the_draw_depends_on_the_seed_and_not_on_the_files_order():
    articles = make_articles(a=30, b=30)
    reversed_rows = articles.take(list(range(59, -1, -1)))

    first = ids(draw_seed_set(articles, ["a", "b"], 20, 1)[0])

    assert ids(draw_seed_set(reversed_rows, ["a", "b"], 20, 1)[0]) == first
    assert ids(draw_seed_set(articles, ["a", "b"], 20, 2)[0]) != first
    assert first != sorted(first)


def test_seed_sets_of_one_seed_share_what_they_can():
    articles = make_articles(a=30, b=30)

    balanced = draw_seed_set(articles, ["a", "b"], 20, 1)[0]
    single = draw_seed_set(articles, ["a"], 15, 1)[0]

    assert {article for article in ids(balanced) if article.startswith("a")} <= set(ids(single))


def test_excluded_articles_are_never_drawn():
    articles = make_articles(a=6)

    drawn, _ = draw_seed_set(articles, ["a"], 4, 0, exclude_ids=["a1", "a3"])

    assert set(ids(drawn)) == {"a0", "a2", "a4", "a5"}


def test_a_one_label_set_takes_what_exists_beside_the_reserve_and_says_so():
    drawn, findings = draw_seed_set(make_articles(a=20), ["a"], 100, 0, name="only_a", reserve=5)

    assert drawn.num_rows == 15
    assert findings[0].articles == 15
    assert findings[0].finding.startswith("only_a has 15 articles of a and not 100")


def test_each_article_is_equally_likely():
    articles = make_articles(a=10)
    counts = dict.fromkeys(ids(articles), 0)
    for seed in range(600):
        for article in ids(draw_seed_set(articles, ["a"], 3, seed)[0]):
            counts[article] += 1

    # 600 draws at 3 of 10: mean 180, standard deviation 11.2; five deviations.
    assert all(abs(count - 180) < 56 for count in counts.values())


def test_faults_name_the_set_the_label_and_the_counts():
    articles = make_articles(a=5, b=2)

    with pytest.raises(StudyError, match="seed_sets main: size 5 cannot be shared equally by 2 labels"):
        draw_seed_set(articles, ["a", "b"], 5, 0, name="main")
    with pytest.raises(StudyError, match="seed_sets main needs 3 articles of b, and 2 are there: make size smaller"):
        draw_seed_set(articles, ["a", "b"], 6, 0, name="main")
    with pytest.raises(StudyError, match="needs 2 articles of b, and 0 are there beside 2 kept for the classifier"):
        draw_seed_set(articles, ["b"], 2, 0, reserve=2)


@given(st.integers(0, 500), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_apportioned_counts_sum_up_and_are_within_one(size, shares):
    counts = apportion(size, shares)

    assert sum(counts) == size
    assert all(abs(count - size * share / sum(shares)) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))


def test_the_published_draw_is_that_of_pandas():
    articles = make_articles(right=30, center=25, left=28)

    drawn, findings = draw_seed_set(articles, ["left", "center", "right"], 30, 1, random_state=42)

    frame = articles.to_pandas()
    chosen = frame.groupby("label", group_keys=False)[frame.columns.tolist()].apply(
        lambda rows: rows.sample(10, random_state=42)
    )
    assert ids(drawn) == chosen.sample(frac=1, random_state=42)["article_id"].tolist()
    assert findings == []
    assert ids(draw_seed_set(articles, ["left", "center", "right"], 30, 1, random_state=43)[0]) != ids(drawn)
    assert ids(draw_seed_set(articles, ["left", "center", "right"], 30, 2, random_state=42)[0]) == ids(drawn)


def test_the_published_draw_takes_all_that_there_is_of_one_label():
    articles = make_articles(center=25, left=28)

    drawn, findings = draw_seed_set(articles, ["center"], 40, 1, random_state=42)

    assert sorted(ids(drawn)) == sorted(f"center{number}" for number in range(25))
    assert ids(drawn) != sorted(ids(drawn))
    assert [finding.articles for finding in findings] == [25]
