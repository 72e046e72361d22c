"""The classifier's articles: their splits and copies."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES
from bias_amplification.corpus.classifier_articles import classifier_articles
from bias_amplification.corpus.splits import PARTS
from bias_amplification.study.sections import Classifier

LABELS = ["a", "b", "c"]
NO_SEEDS = ARTICLES.empty_table()

counts = st.fixed_dictionaries({label: st.integers(11, 60) for label in LABELS})


@settings(max_examples=40, deadline=None)
@given(counts, st.integers(0, 3))
def test_copies_are_in_one_part_and_seed_articles_are_left_out(make_articles, sizes, seed):
    articles = make_articles(sizes)
    seeds = articles.take([0, articles.num_rows - 1])

    table = classifier_articles(articles, seeds, LABELS, Classifier(), seed)

    assert table.schema == CLASSIFIER_ARTICLES
    rows = table.to_pylist()
    assert {row["article_id"] for row in rows} == set(articles["article_id"].to_pylist()) - {
        row["article_id"] for row in seeds.to_pylist()
    }
    for split in ("split_random", "split_event", "split_outlet"):
        parts = defaultdict(set)
        for row in rows:
            parts[row["article_id"]].add(row[split])
        assert all(len(found) == 1 for found in parts.values())
    copies = defaultdict(list)
    for row in rows:
        copies[row["article_id"]].append(row["copy"])
    assert all(sorted(numbers) == list(range(len(numbers))) for numbers in copies.values())


@settings(max_examples=40, deadline=None)
@given(counts, st.integers(0, 3))
def test_every_part_has_equally_many_articles_of_each_label(make_articles, sizes, seed):
    rows = classifier_articles(make_articles(sizes), NO_SEEDS, LABELS, Classifier(), seed).to_pylist()

    levels = Counter((row["split_random"], row["label"]) for row in rows)
    for part in PARTS:
        assert len({levels[part, label] for label in LABELS}) == 1
        for label in LABELS:
            times = Counter(r["article_id"] for r in rows if r["split_random"] == part and r["label"] == label)
            assert max(times.values()) - min(times.values()) <= 1, "copies are spread evenly over articles"


def test_without_resampling_there_are_no_copies(make_articles):
    articles = make_articles({"a": 40, "b": 12})

    table = classifier_articles(articles, NO_SEEDS, ["a", "b"], Classifier(resample=False), 0)

    assert table.num_rows == 52
    assert set(table["copy"].to_pylist()) == {0}


def test_every_part_has_every_label_if_outlets_have_one_label_each(make_articles):
    articles = make_articles({"a": 100, "b": 30, "c": 12}, outlets=3)

    rows = classifier_articles(articles, NO_SEEDS, LABELS, Classifier(), 0).to_pylist()

    assert {(row["split_outlet"], row["label"]) for row in rows} == {
        (part, label) for part in PARTS for label in LABELS
    }


def test_unknown_events_and_outlets_give_no_split(make_articles):
    articles = make_articles({"a": 20, "b": 20}, events=0, outlets=0)

    table = classifier_articles(articles, NO_SEEDS, ["a", "b"], Classifier(), 0)

    assert table["split_event"].null_count == table["split_outlet"].null_count == table.num_rows
    assert table["split_random"].null_count == 0


def test_table_depends_on_the_seed_only(make_articles):
    articles = make_articles({"a": 30, "b": 20})
    tables = [classifier_articles(articles, NO_SEEDS, ["a", "b"], Classifier(), seed) for seed in (1, 1, 2)]

    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_too_few_articles_are_an_error_that_names_the_label(make_articles):
    articles = make_articles({"a": 20, "b": 12})

    with pytest.raises(StudyError, match="seed_sets leave 9 articles of b to the classifier, which needs at least 10"):
        classifier_articles(articles, articles.slice(20, 3), ["a", "b"], Classifier(), 0)


def test_resampling_before_the_split_puts_copies_into_several_parts(make_articles):
    articles = make_articles({"a": 200, "b": 60})

    table = classifier_articles(articles, NO_SEEDS, ["a", "b"], Classifier(resample_first=True), 3).to_pandas()

    levels = table.groupby(["split_random", "label"]).size()
    assert levels["train", "a"] == levels["train", "b"] == 140
    assert levels["test", "a"] == levels["test", "b"] == 30
    parts = table[table["label"] == "b"].groupby("article_id")["split_random"].nunique()
    assert parts.max() > 1
    assert table.groupby("article_id")["split_event"].nunique().max() == 1
    copies = table.groupby("article_id")["copy"].apply(sorted)
    assert all(list(numbers) == list(range(len(numbers))) for numbers in copies)
