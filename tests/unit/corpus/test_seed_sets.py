"""Seed sets: balanced ones, one-label ones, and the published draw."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.seed_sets import (
    RealSets,
    draw_real_articles,
    draw_seed_set,
    draw_seed_sets,
    without_seed_articles,
)
from bias_amplification.study.sections import SeedSet


def seed_set(labels, size, **changes):
    return SeedSet(name="main", labels=list(labels), size=size, **changes)


def published(labels, size, **changes):
    return seed_set(labels, size, draw="pandas", **changes)


def ids(table):
    return table["article_id"].to_pylist()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10), st.integers(0, 5))
def test_balanced_sets_have_equally_many_articles_of_each_label(make_articles, each, seed):
    articles = make_articles({"a": 12, "b": 10, "c": 11})

    drawn = draw_seed_set(articles, seed_set("abc", 3 * each), seed, 0)

    labels = drawn["label"].to_pylist()
    assert [labels.count(label) for label in "abc"] == [each] * 3
    assert len(set(ids(drawn))) == 3 * each


def test_draw_depends_on_the_seed_but_not_on_the_order_of_the_file(make_articles):
    articles = make_articles({"a": 30, "b": 30})
    reversed_rows = articles.take(list(range(59, -1, -1)))

    first = ids(draw_seed_set(articles, seed_set("ab", 20), 1, 0))

    assert ids(draw_seed_set(reversed_rows, seed_set("ab", 20), 1, 0)) == first
    assert ids(draw_seed_set(articles, seed_set("ab", 20), 2, 0)) != first
    assert first != sorted(first)


def test_seed_sets_with_one_seed_overlap_as_much_as_possible(make_articles):
    articles = make_articles({"a": 30, "b": 30})

    balanced = draw_seed_set(articles, seed_set("ab", 20), 1, 0)
    single = draw_seed_set(articles, seed_set("a", 15), 1, 0)

    assert {article for article in ids(balanced) if article.startswith("a")} <= set(ids(single))


def test_each_article_is_equally_likely(make_articles):
    articles = make_articles({"a": 13})
    counts = dict.fromkeys(ids(articles), 0)
    for seed in range(600):
        for article in ids(draw_seed_set(articles, seed_set("a", 3), seed, 0)):
            counts[article] += 1

    # 600 draws with probability 3/13: mean 138.5, standard deviation 10.3. The tolerance is five deviations.
    assert all(abs(count - 138.5) < 52 for count in counts.values())


@pytest.mark.parametrize(("available", "drawn"), [(20, 10), (100, 75)])
def test_one_label_sets_leave_a_quarter_and_at_least_ten_articles_to_the_classifier(make_articles, available, drawn):
    articles = make_articles({"a": available, "b": 5})

    assert draw_seed_set(articles, seed_set("a", 100), 0, 0).num_rows == drawn


def test_sets_that_are_too_small_are_reported(make_articles, tmp_path, capsys):
    write_table(make_articles({"a": 20, "b": 20}), tmp_path / "articles.parquet", ARTICLES)
    wanted = {"even": seed_set("ab", 10), "small": seed_set("a", 100), "shared": seed_set("b", 30)}
    wanted["shared"] = wanted["shared"].model_copy(update={"shared_with_classifier": True})
    out = {name: tmp_path / "seed_sets" / f"{name}.parquet" for name in wanted}

    draw_seed_sets(tmp_path / "articles.parquet", out, wanted, 0, 0)

    assert {name: read_table(path, ARTICLES).num_rows for name, path in out.items()} == {
        "even": 10,
        "small": 10,
        "shared": 20,
    }
    assert capsys.readouterr().out.splitlines() == [
        "seed_sets main: 10 articles instead of 100, because the corpus has 20 articles of a and 10 of them stay for "
        "the classifier",
        "seed_sets main: 20 articles instead of 30, because the corpus has 20 articles of b",
    ]


def test_errors_name_the_seed_set_the_label_and_the_counts(make_articles):
    articles = make_articles({"a": 5, "b": 2})

    with pytest.raises(StudyError, match="seed_sets main needs 3 articles of b, but the corpus has 2: make size small"):
        draw_seed_set(articles, seed_set("ab", 6), 0, 0)
    with pytest.raises(StudyError, match="needs 2 articles of b, but the corpus has 0 beside 10 kept for the classif"):
        draw_seed_set(articles, seed_set("b", 2), 0, 0)


def test_published_draw_equals_pandas(make_articles):
    articles = make_articles({"right": 30, "center": 25, "left": 28})
    wanted = published(["left", "center", "right"], 30)

    drawn = draw_seed_set(articles, wanted, 1, 42)

    frame = articles.to_pandas()
    chosen = frame.groupby("label", group_keys=False)[frame.columns.tolist()].apply(
        lambda rows: rows.sample(10, random_state=42)
    )
    assert ids(drawn) == chosen.sample(frac=1, random_state=42)["article_id"].tolist()
    assert ids(draw_seed_set(articles, wanted, 1, 43)) != ids(drawn)
    assert ids(draw_seed_set(articles, wanted, 2, 42)) == ids(drawn)


def test_published_draw_takes_all_articles_of_a_label_shared_with_the_classifier(make_articles):
    articles = make_articles({"center": 25, "left": 28})

    drawn = draw_seed_set(articles, published(["center"], 40, shared_with_classifier=True), 1, 42)

    assert sorted(ids(drawn)) == sorted(f"center{number}" for number in range(25))
    assert ids(drawn) != sorted(ids(drawn))


def test_seed_articles_and_articles_with_their_bodies_are_left_out(make_articles):
    rows = make_articles({"a": 3}).to_pylist()
    twins = [
        rows[0] | {"article_id": "twin of a seed article", "body": rows[0]["body"].upper() + " !"},
        rows[2] | {"article_id": "twin of a2"},
    ]
    articles = pa.Table.from_pylist([*rows, *twins], schema=ARTICLES)

    left = without_seed_articles(articles, articles.slice(0, 1))

    assert ids(left) == ["a1", "a2"]


@pytest.mark.parametrize("draw", ["shuffled", "pandas"])
def test_replicates_take_other_articles_as_long_as_there_are_any(make_articles, draw):
    articles = make_articles({"a": 40, "b": 40})
    wanted = seed_set("ab", 20, draw=draw)
    # 30 of each label are available, because the classifier keeps a quarter: three draws of ten.
    draws = [ids(draw_seed_set(articles, wanted, 1, 42, replicate)) for replicate in (1, 2, 3, 4)]

    assert draws[0] == ids(draw_seed_set(articles, wanted, 1, 42))
    assert len({article for own in draws[:3] for article in own}) == 60
    assert sorted(draws[3]) == sorted(draws[0])
    for own in draws:
        assert sum(article.startswith("a") for article in own) == len(set(own)) - 10 == 10


def test_articles_that_replicates_have_in_common_are_reported(make_articles, tmp_path, capsys):
    write_table(make_articles({"a": 40, "b": 40}), tmp_path / "articles.parquet", ARTICLES)
    common = {}
    for replicate in (1, 2, 3):
        out = {"main": tmp_path / f"replicate_0{replicate}.parquet"}
        draw_seed_sets(tmp_path / "articles.parquet", out, {"main": seed_set("ab", 26)}, 0, 0, replicate)
        common[replicate] = set(ids(read_table(out["main"], ARTICLES)))

    # Of each label 30 may be taken, and two draws take 26: the third has four new ones.
    assert len(common[3] - common[1] - common[2]) == 8
    assert capsys.readouterr().out.splitlines() == [
        "seed_sets main, replicate 3: 18 of 26 articles are in earlier replicates too, because the corpus has too few "
        "others"
    ]


def real_articles(folder, articles, seed_articles, taken, need):
    tables = {"articles": articles, "seed_set": seed_articles, "taken": taken}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", ARTICLES)
    draw_real_articles(
        folder / "articles.parquet",
        folder / "seed_set.parquet",
        [folder / "taken.parquet"],
        folder / "real.parquet",
        need,
        seed=3,
    )
    return ids(read_table(folder / "real.parquet", ARTICLES))


def test_real_articles_are_new_in_every_generation_and_replicate(make_articles, tmp_path):
    articles = make_articles({"a": 60, "b": 60})
    seeds = draw_seed_set(articles, seed_set("ab", 8), 1, 0)

    first, second = (
        real_articles(tmp_path, articles, seeds, seeds, RealSets(3, replicate, distinct=2)) for replicate in (1, 2)
    )

    assert len({*first, *second, *ids(seeds)}) == 24 + 24 + 8
    for own in (first[:8], first[8:16], first[16:]):
        assert sum(article.startswith("a") for article in own) == 4


def test_too_few_real_articles_are_refused_or_used_again(make_articles, tmp_path, capsys):
    articles = make_articles({"a": 30, "b": 60})
    seeds = draw_seed_set(articles, seed_set("ab", 8), 1, 0)
    # Of a, 26 are left; ten stay for the classifier, which leaves 16 for 20.
    message = (
        "rounds of strategy real need 20 articles of a for 5 generations, but the corpus has 16 outside the seed sets "
        "and the classifier's part: make the seed sets smaller, lower generations, or set strategies.real_articles to"
    )
    with pytest.raises(StudyError, match=message):
        real_articles(tmp_path, articles, seeds, seeds, RealSets(5, 1, distinct=1))

    again = real_articles(tmp_path, articles, seeds, seeds, RealSets(5, 1, distinct=0))

    assert len(again) == 40
    assert len(set(again)) == 16 + 20
    assert all(len(set(again[k : k + 8])) == 8 for k in range(0, 40, 8))
    assert capsys.readouterr().out.splitlines() == [
        "strategy real, replicate 1: 4 of 20 articles of a are in earlier generations or replicates too, because the "
        "corpus has only 16"
    ]
    # An article is never used twice in one generation.
    with pytest.raises(StudyError, match=r"need 17 articles of a for a generation, but the corpus has 3 .* smaller\.$"):
        many = draw_seed_set(articles, seed_set("ab", 34), 1, 0)
        real_articles(tmp_path, articles, many, many, RealSets(5, 1, distinct=0))


def test_real_articles_that_replicates_would_share_are_refused_or_reported(make_articles, tmp_path, capsys):
    articles = make_articles({"a": 40})
    seeds = draw_seed_set(articles, seed_set("a", 4), 1, 0)
    # Of a, 36 are left; ten stay for the classifier. The 26 are enough for two replicates of three generations.
    message = (
        r"need 36 articles of a for 3 generations of 3 replicates, but the corpus has 26 .*, lower generations, "
        r"replicates\.reserve \(and replicates\.number, if it is not below it\), or set"
    )
    for replicate in (1, 2, 3):
        with pytest.raises(StudyError, match=message):
            real_articles(tmp_path, articles, seeds, seeds, RealSets(3, replicate, distinct=3))

    # Two replicates must be distinct; the third may use articles again.
    found = [
        set(real_articles(tmp_path, articles, seeds, seeds, RealSets(3, replicate, distinct=2)))
        for replicate in (1, 2, 3)
    ]

    assert len(found[0] | found[1]) == 24
    assert len(found[2] & (found[0] | found[1])) == 10
    assert capsys.readouterr().out.splitlines() == [
        "strategy real, replicate 3: 10 of 12 articles of a are in earlier generations or replicates too, because the "
        "corpus has only 26"
    ]


def test_real_articles_beside_all_seed_sets_leave_a_quarter_to_the_classifier(make_articles, tmp_path):
    articles = make_articles({"a": 80, "b": 80})
    both, single = (draw_seed_set(articles, seed_set(labels, 8), 1, 0) for labels in ("ab", "a"))
    taken = pa.concat_tables([both, single])

    found = [real_articles(tmp_path, articles, own, taken, RealSets(10, 1, distinct=0)) for own in (both, single)]

    # Of 80 articles of a, 8 are in seed sets and 20 stay for the classifier. One chain uses 40 of the 52 others, the
    # other all of them.
    assert [sum(article.startswith("a") for article in set(own)) for own in found] == [40, 52]
    used = {*found[0], *found[1], *ids(taken)}
    assert sum(article.startswith("a") for article in used) == 60
