"""The classifier's splits and the pretraining articles."""

from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES
from bias_amplification.corpus.splits import (
    PARTS,
    SHARES,
    classifier_articles,
    pretraining_articles,
    split_groups,
    split_random,
)

LABELS = ["a", "b", "c"]


def make_articles(counts, events=7, outlets=4):
    rows = [
        {
            "article_id": f"{label}{number}",
            "event_id": f"event {number % events}" if events else None,
            "outlet": f"outlet {label} {number % outlets}" if outlets else None,
            "date": None,
            "title": "Title",
            "body": f"Body {number} of {label}",
            "label": label,
        }
        for label, count in counts.items()
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=ARTICLES)


counts = st.fixed_dictionaries({label: st.integers(10, 60) for label in LABELS})


@settings(max_examples=40, deadline=None)
@given(counts, st.integers(0, 3))
def test_copies_never_leave_their_article_and_seed_articles_never_enter(sizes, seed):
    articles = make_articles(sizes)
    seeds = articles.take([0, articles.num_rows - 1])

    table = classifier_articles(articles, seeds, LABELS, seed, minimum=5)

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
def test_labels_are_level_in_every_part_and_copies_are_spread_evenly(sizes, seed):
    table = classifier_articles(make_articles(sizes), ARTICLES.empty_table(), LABELS, seed)

    rows = table.to_pylist()
    levels = Counter((row["split_random"], row["label"]) for row in rows)
    for part in PARTS:
        assert len({levels[part, label] for label in LABELS}) == 1
        for label in LABELS:
            times = Counter(r["article_id"] for r in rows if r["split_random"] == part and r["label"] == label)
            assert max(times.values()) - min(times.values()) <= 1


def test_without_resampling_every_article_stands_once():
    table = classifier_articles(
        make_articles({"a": 40, "b": 12}), ARTICLES.empty_table(), ["a", "b"], 0, resample=False
    )

    assert table.num_rows == 52
    assert set(table["copy"].to_pylist()) == {0}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=200), st.integers(0, 5))
def test_random_split_is_stratified_within_one_article(labels, seed):
    parts = split_random(labels, seed)

    for label in set(labels):
        own = [part for part, other in zip(parts, labels, strict=True) if other == label]
        for part, share in zip(PARTS, SHARES, strict=True):
            assert abs(own.count(part) - share * len(own)) < 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["x", "y", "z", "v", "w", None]), st.sampled_from(LABELS)), max_size=150),
    st.integers(0, 5),
)
def test_groups_are_never_divided(pairs, seed):
    groups, labels = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    parts = split_groups(groups, labels, seed)

    if len(set(groups) - {None}) < 3:
        assert parts is None
        return
    where = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        if group is not None:
            where[group].add(part)
    assert set(map(len, where.values())) == {1}
    assert set(parts) <= set(PARTS)


def test_group_split_keeps_shares_and_labels_when_groups_allow():
    generator = np.random.default_rng(0)
    groups = [f"g{number}" for number in generator.integers(0, 300, 3000)]
    labels = generator.choice(LABELS, 3000).tolist()

    parts = split_groups(groups, labels, 0)

    for label in LABELS:
        own = [part for part, other in zip(parts, labels, strict=True) if other == label]
        for part, share in zip(PARTS, SHARES, strict=True):
            assert abs(own.count(part) / len(own) - share) < 0.01


def test_every_part_has_every_label_when_outlets_give_the_label():
    articles = make_articles({"a": 100, "b": 30, "c": 12}, outlets=3)

    rows = classifier_articles(articles, ARTICLES.empty_table(), LABELS, 0).to_pylist()

    assert {(row["split_outlet"], row["label"]) for row in rows} == {
        (part, label) for part in PARTS for label in LABELS
    }


def test_unknown_events_and_outlets_give_no_split():
    table = classifier_articles(
        make_articles({"a": 20, "b": 20}, events=0, outlets=0), ARTICLES.empty_table(), ["a", "b"], 0
    )

    assert table["split_event"].null_count == table["split_outlet"].null_count == table.num_rows
    assert table["split_random"].null_count == 0


def test_bodies_of_seed_articles_are_excluded_under_other_ids():
    articles = make_articles({"a": 20, "b": 20})
    rows = articles.to_pylist()
    twin = rows[0] | {"article_id": "twin", "body": rows[0]["body"].upper() + " !"}
    articles = pa.Table.from_pylist([*rows, twin], schema=ARTICLES)

    table = classifier_articles(articles, articles.slice(0, 1), ["a", "b"], 0)
    pretraining = pretraining_articles(articles, ["a0"], {"a": 1}, None, 0)

    for found in (table, pretraining):
        assert {"a0", "twin"}.isdisjoint(found["article_id"].to_pylist())
        assert "a1" in found["article_id"].to_pylist()


def test_same_seed_same_table_other_seed_another():
    articles = make_articles({"a": 30, "b": 20})
    tables = [classifier_articles(articles, ARTICLES.empty_table(), ["a", "b"], seed) for seed in (1, 1, 2)]

    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_too_few_articles_left_name_label_and_key():
    articles = make_articles({"a": 20, "b": 12})

    with pytest.raises(StudyError, match="seed_sets: 9 articles of b are left for the classifier, which needs 10"):
        classifier_articles(articles, articles.slice(20, 3), ["a", "b"], 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.05, 0.95))
def test_the_largest_pretraining_draw_has_the_mix(first, second, share):
    articles = make_articles({"a": first, "b": second, "c": 5})

    table = pretraining_articles(articles, [], {"a": share, "b": 1 - share, "c": None}, None, 0)

    drawn = Counter(table["label"].to_pylist())
    assert 0 <= int(min(first / share, second / (1 - share)) + 1e-9) - table.num_rows <= 1
    assert abs(drawn["a"] - share * table.num_rows) <= 1
    assert drawn["c"] == 0
    assert len(set(table["article_id"].to_pylist())) == table.num_rows


def test_pretraining_faults_name_the_key():
    articles = make_articles({"a": 10, "b": 4})

    with pytest.raises(StudyError, match="label_mix gives c a share, but no article of it is left"):
        pretraining_articles(articles, [], {"a": 0.5, "c": 0.5}, None, 0)
    with pytest.raises(
        StudyError, match="needs 10 articles of b, and 4 are left outside the seed sets: ask for at most 8"
    ):
        pretraining_articles(articles, [], {"a": 0.5, "b": 0.5}, 20, 0)
    with pytest.raises(StudyError, match="no label with a share above 0"):
        pretraining_articles(articles, [], {"a": 0.0}, None, 0)


def test_an_asked_number_of_pretraining_articles_is_drawn():
    table = pretraining_articles(make_articles({"a": 50, "b": 50}), [], {"a": 3, "b": 1}, 20, 0)

    assert Counter(table["label"].to_pylist()) == {"a": 15, "b": 5}


def test_in_the_papers_order_copies_of_an_article_stand_in_several_parts():
    articles = make_articles({"a": 200, "b": 60})

    table = classifier_articles(articles, ARTICLES.empty_table(), ["a", "b"], 3, resample_first=True).to_pandas()

    levels = table.groupby(["split_random", "label"]).size()
    assert levels["train", "a"] == levels["train", "b"] == 140
    assert levels["test", "a"] == levels["test", "b"] == 30
    parts = table[table["label"] == "b"].groupby("article_id")["split_random"].nunique()
    assert parts.max() > 1
    assert table.groupby("article_id")["split_event"].nunique().max() == 1
    copies = table.groupby("article_id")["copy"].apply(sorted)
    assert all(list(numbers) == list(range(len(numbers))) for numbers in copies)
