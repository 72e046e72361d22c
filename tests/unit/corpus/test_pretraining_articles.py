"""The articles that the base model is pretrained on."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.pretraining_articles import pretraining_articles
from bias_amplification.study.sections import Pretraining

NO_SEEDS = ARTICLES.empty_table()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.05, 0.95))
def test_largest_draw_has_the_label_mix(make_articles, first, second, share):
    articles = make_articles({"a": first, "b": second, "c": 5})
    mix = Pretraining(label_mix={"a": share, "b": 1 - share, "c": None})

    table = pretraining_articles(articles, NO_SEEDS, mix, 0)

    drawn = Counter(table["label"].to_pylist())
    assert 0 <= int(min(first / share, second / (1 - share)) + 1e-9) - table.num_rows <= 1
    assert abs(drawn["a"] - share * table.num_rows) <= 1
    assert drawn["c"] == 0
    assert len(set(table["article_id"].to_pylist())) == table.num_rows


def test_number_of_articles_can_be_set(make_articles):
    articles = make_articles({"a": 50, "b": 50})

    table = pretraining_articles(articles, NO_SEEDS, Pretraining(label_mix={"a": 3.0, "b": 1.0}, articles=20), 0)

    assert Counter(table["label"].to_pylist()) == {"a": 15, "b": 5}


def test_seed_articles_are_left_out(make_articles):
    articles = make_articles({"a": 6})

    table = pretraining_articles(articles, articles.slice(2, 2), Pretraining(label_mix={"a": 1.0}), 0)

    assert sorted(table["article_id"].to_pylist()) == ["a0", "a1", "a4", "a5"]


def test_errors_name_the_key(make_articles):
    articles = make_articles({"a": 10, "b": 4})

    with pytest.raises(StudyError, match="label_mix gives c a share, but the corpus has no article of c outside"):
        pretraining_articles(articles, NO_SEEDS, Pretraining(label_mix={"a": 0.5, "c": 0.5}), 0)
    with pytest.raises(
        StudyError, match="needs 10 articles of b, but the corpus has 4 outside the seed sets: set it to at most 8"
    ):
        pretraining_articles(articles, NO_SEEDS, Pretraining(label_mix={"a": 0.5, "b": 0.5}, articles=20), 0)
