"""What generations are trained on, with properties that hold for every seed set, generation and seed."""

from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from annotated_types import Le
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    HUMAN_LIKENESS,
    QUALITY,
    TRAINING_SET,
    TRAINING_SET_WITH_TITLES,
    predictions,
)
from bias_amplification.study.sections import Round, Strategies, allowed_values
from bias_amplification.study.strategies import (
    REAL,
    SEED_SET,
    STRATEGIES,
    Material,
    control_names,
    generation_origin,
)
from bias_amplification.study.training_sets import Evidence, compose_training_set, origins, training_texts

ids_lists = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=60, unique=True)
generations = st.integers(1, 12)
seeds = st.integers(0, 2**31 - 1)
shares = st.floats(0.001, 1)
LABELS = ("red", "green", "blue")
strategies = st.sampled_from(sorted(STRATEGIES))


def option_values(field: FieldInfo) -> st.SearchStrategy:
    """Return values of an option by its type: one of its words, a number up to 1 or more, or a whole number."""
    if words := get_args(field.annotation):
        return st.sampled_from(words)
    most = 1 if Le(1) in field.metadata else 3
    return st.floats(0.001, most) if field.annotation is float else st.integers(20, 1000)


values = {name: option_values(field) for name, field in Strategies.model_fields.items()}
all_options = st.builds(Strategies, **values)


def material(ids: list, generation: int, seed: int = 0, **parts) -> Material:
    """Return what every strategy can choose from, made up from a seed."""
    rng, count = np.random.default_rng(seed), len(ids)
    made = {
        "labels": [LABELS[k % 3] for k in range(count)],
        "predicted": rng.choice(LABELS, count).tolist(),
        "texts": [f"text {k}" for k in range(count)],
        "quality": np.where(rng.random(count) < 0.1, np.nan, rng.integers(0, 4, count)),
        "human": {SEED_SET: rng.random(count), generation_origin(generation - 1): rng.random(count)},
        "real": [f"real {k}" for k in range(12 * count)],
    }
    return Material(ids, generation, **(made | parts))


def training_rows(strategy: str, ids: list, generation: int, options: Strategies, seed: int, **parts):
    return training_texts(strategy, material(ids, generation, seed, **parts), options, seed)


def pairs(table) -> list[tuple[str, str]]:
    """Return the rows of a training set: origin and article id."""
    assert table.column("position").to_pylist() == list(range(table.num_rows))
    return list(zip(table.column("origin").to_pylist(), table.column("article_id").to_pylist(), strict=True))


def test_config_and_functions_have_the_same_strategies() -> None:
    assert allowed_values(Round, "strategy") == tuple(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_generation_0_needs_no_options(strategy: str) -> None:
    # Rules leave out the options of generation 0, so that they have no value at all.
    options = Strategies()
    for name in list(vars(options)):
        del vars(options)[name]

    assert pairs(training_rows(strategy, ["a", "b"], 0, options, 1)) == [("seed_set", "a"), ("seed_set", "b")]


@given(strategy=strategies, ids=ids_lists, options=all_options, seed=seeds)
def test_generation_0_is_trained_on_the_seed_set(strategy: str, ids: list, options: Strategies, seed: int) -> None:
    table = training_rows(strategy, ids, 0, options, seed)

    assert pairs(table) == [(SEED_SET, i) for i in ids]
    assert table.schema.types == TRAINING_SET.types


@given(strategy=strategies, ids=ids_lists, generation=generations, options=all_options, seed=seeds)
def test_a_training_set_is_never_empty_and_depends_only_on_its_seed(
    strategy: str, ids: list, generation: int, options: Strategies, seed: int
) -> None:
    table = training_rows(strategy, ids, generation, options, seed)

    assert table.num_rows > 0
    assert table.equals(training_rows(strategy, ids, generation, options, seed))


@given(strategy=st.sampled_from(["synthetic", "overfitting"]), ids=ids_lists, generation=generations, seed=seeds)
def test_synthetic_is_the_previous_generation(strategy: str, ids: list, generation: int, seed: int) -> None:
    table = training_rows(strategy, ids, generation, Strategies(), seed)

    assert pairs(table) == [(generation_origin(generation - 1), i) for i in ids]


@given(ids=ids_lists, generation=generations, share=shares, seed=seeds)
def test_preservation_adds_real_articles(ids: list, generation: int, share: float, seed: int) -> None:
    rows = pairs(training_rows("preservation", ids, generation, Strategies(preserved_share=share), seed))

    real = [i for origin, i in rows if origin == SEED_SET]
    assert [i for origin, i in rows if origin == generation_origin(generation - 1)] == ids
    assert len(rows) == len(ids) + round(share * len(ids))
    assert len(set(real)) == len(real) == round(share * len(ids))
    assert set(real) <= set(ids)


@given(ids=ids_lists, generation=generations, share=shares, seed=seeds)
def test_preservation_replaces_synthetic_articles(ids: list, generation: int, share: float, seed: int) -> None:
    options = Strategies(preserved_share=share, preservation="replace")

    rows = pairs(training_rows("preservation", ids, generation, options, seed))

    assert sorted(i for _, i in rows) == sorted(ids)
    assert sum(origin == SEED_SET for origin, _ in rows) == round(share * len(ids))
    assert {origin for origin, _ in rows} <= {SEED_SET, generation_origin(generation - 1)}


def test_preservation_of_the_papers_seed_set() -> None:
    ids = [str(k) for k in range(1518)]

    rows = pairs(training_rows("preservation", ids, 1, Strategies(), seed=0))

    assert sum(origin == SEED_SET for origin, _ in rows) == 152


def test_preservation_depends_on_its_seed() -> None:
    ids = [str(k) for k in range(100)]

    draws = [tuple(pairs(training_rows("preservation", ids, 1, Strategies(), seed))) for seed in (1, 1, 2, 3)]

    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


@given(ids=ids_lists, generation=generations, seed=seeds)
def test_accumulation_has_every_earlier_set(ids: list, generation: int, seed: int) -> None:
    sizes = {}
    for kind in ("with_seed_set", "synthetic_only"):
        rows = pairs(training_rows("accumulation", ids, generation, Strategies(accumulation=kind), seed))
        sizes[kind] = len(rows)
        assert len(set(rows)) == len(rows)
        assert {(generation_origin(k), i) for k in range(generation) for i in ids} <= set(rows)
        assert ((SEED_SET, ids[0]) in rows) == (kind == "with_seed_set")

    assert sizes == {"with_seed_set": (generation + 1) * len(ids), "synthetic_only": generation * len(ids)}


@given(strategy=strategies, ids=ids_lists, generation=generations, options=all_options, seed=seeds, data=st.data())
def test_other_options_than_the_declared_ones_have_no_effect(
    strategy: str, ids: list, generation: int, options: Strategies, seed: int, data: st.DataObject
) -> None:
    others = {name: data.draw(values[name]) for name in values if name not in STRATEGIES[strategy].options}

    changed = training_rows(strategy, ids, generation, options.model_copy(update=others), seed)

    assert changed.equals(training_rows(strategy, ids, generation, options, seed))


@given(strategy=strategies, ids=ids_lists, generation=st.integers(0, 12), options=all_options, seed=seeds)
def test_origins_include_every_origin_of_the_rows(
    strategy: str, ids: list, generation: int, options: Strategies, seed: int
) -> None:
    found = {origin for origin, _ in pairs(training_rows(strategy, ids, generation, options, seed))}

    assert found <= set(origins(strategy, generation, options))


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("synthetic", {}, ["generation_02"]),
        ("overfitting", {}, ["generation_02"]),
        ("preservation", {}, [SEED_SET, "generation_02"]),
        # Also if the share rounds to no article.
        ("preservation", {"preserved_share": 0.001}, [SEED_SET, "generation_02"]),
        ("preservation", {"preservation": "replace"}, [SEED_SET, "generation_02"]),
        ("accumulation", {}, [SEED_SET, "generation_00", "generation_01", "generation_02"]),
        ("accumulation", {"accumulation": "synthetic_only"}, ["generation_00", "generation_01", "generation_02"]),
        ("subsampled_accumulation", {}, [SEED_SET, "generation_00", "generation_01", "generation_02"]),
        ("human_likeness", {}, [SEED_SET, "generation_02"]),
        ("label_weighted_preservation", {}, [SEED_SET, "generation_02"]),
        ("label_weighted_synthetic", {}, ["generation_02"]),
        ("quality_pruning", {}, ["generation_02"]),
        ("real", {}, [REAL]),
        ("fixed", {}, [SEED_SET]),
        ("shuffled", {}, ["generation_02"]),
    ],
)
def test_origins_of_generation_3(strategy: str, options: dict, expected: list[str]) -> None:
    assert origins(strategy, 3, Strategies(**options)) == expected
    assert origins(strategy, 0, Strategies(**options)) == [SEED_SET]


@given(ids=ids_lists, generation=generations, seed=seeds, budget=st.floats(0.01, 3))
def test_subsampled_accumulation_is_a_part_of_accumulation(
    ids: list, generation: int, seed: int, budget: float
) -> None:
    whole = pairs(training_rows("accumulation", ids, generation, Strategies(), seed))

    part = pairs(training_rows("subsampled_accumulation", ids, generation, Strategies(budget=budget), seed))

    assert set(part) <= set(whole)
    assert len(part) == len(set(part)) == min(len(whole), max(1, round(budget * len(ids))))


def test_label_weighted_preservation_adds_the_labels_that_are_missing() -> None:
    ids = [str(k) for k in range(12)]
    # The seed set has four of each label; the previous generation wrote eight red, three green and one blue.
    predicted = ["red"] * 8 + ["green"] * 3 + ["blue"]

    rows = pairs(
        training_rows(
            "label_weighted_preservation", ids, 2, Strategies(preserved_share=1 / 3), seed=1, predicted=predicted
        )
    )

    real = [int(i) % 3 for origin, i in rows if origin == SEED_SET]
    # 1 of green and 3 of blue are missing: the four real articles are one green and three blue.
    assert sorted(real) == [1, 2, 2, 2]
    assert [i for origin, i in rows if origin == "generation_01"] == ids


def test_label_weighted_preservation_compares_shares_of_the_texts_with_a_label() -> None:
    ids = [str(k) for k in range(12)]
    # Of the six labels red has a half, green a third and blue a sixth. In the seed set each has a third.
    predicted = ["red"] * 3 + ["green"] * 2 + ["blue"] + [None] * 6
    options = Strategies(preserved_share=1 / 3)

    rows = pairs(training_rows("label_weighted_preservation", ids, 2, options, seed=1, predicted=predicted))

    assert [int(i) % 3 for origin, i in rows if origin == SEED_SET] == [2, 2, 2, 2]


def test_label_weighted_preservation_fills_up_if_a_label_has_too_few_articles() -> None:
    ids = [str(k) for k in range(12)]
    options = Strategies(preserved_share=0.75, preservation="replace")

    rows = pairs(training_rows("label_weighted_preservation", ids, 1, options, seed=1, predicted=["red", "green"] * 6))

    real = [int(i) % 3 for origin, i in rows if origin == SEED_SET]
    # Only blue is missing, of which the seed set has four.
    assert real.count(2) == 4
    assert len(real) == 9
    assert sorted(i for _, i in rows) == sorted(ids)


def test_label_weighted_preservation_without_missing_labels_is_preservation_of_any() -> None:
    ids = [str(k) for k in range(12)]
    same = [LABELS[k % 3] for k in range(12)]

    rows = pairs(
        training_rows("label_weighted_preservation", ids, 1, Strategies(preserved_share=0.5), seed=1, predicted=same)
    )

    assert sum(origin == SEED_SET for origin, _ in rows) == 6


def test_label_weighted_synthetic_restores_the_labels_of_the_seed_set() -> None:
    ids = [str(k) for k in range(12)]
    predicted = dict(zip(ids, ["red"] * 9 + ["green"] * 2 + ["blue"], strict=True))

    rows = pairs(
        training_rows("label_weighted_synthetic", ids, 3, Strategies(), seed=1, predicted=list(predicted.values()))
    )

    labels = [predicted[i] for origin, i in rows if origin == "generation_02"]
    assert [labels.count(label) for label in LABELS] == [4, 4, 4]
    # Four different red articles, both green ones twice, the blue one four times.
    assert len({i for _, i in rows}) == 4 + 2 + 1


def test_label_weighted_synthetic_of_one_written_label_keeps_the_size() -> None:
    ids = [str(k) for k in range(12)]

    rows = pairs(training_rows("label_weighted_synthetic", ids, 3, Strategies(), seed=1, predicted=["red"] * 12))

    assert sorted(i for _, i in rows) == sorted(ids)


def test_quality_pruning_leaves_out_the_lowest() -> None:
    ids = list("abcdefgh")
    quality = np.array([3, 1, np.nan, 2, 3, 0, 3, 1])

    rows = pairs(training_rows("quality_pruning", ids, 1, Strategies(kept_share=0.5), seed=1, quality=quality))

    assert rows == [("generation_00", i) for i in "adeg"]


def test_quality_pruning_chooses_among_equals_at_random() -> None:
    ids = list("abcdefgh")
    draws = {
        tuple(pairs(training_rows("quality_pruning", ids, 1, Strategies(), seed, quality=np.full(8, 2.0))))
        for seed in range(9)
    }

    assert len(draws) > 1
    assert {len(draw) for draw in draws} == {6}


def test_human_likeness_draws_by_the_detectors_probability() -> None:
    ids = [str(k) for k in range(2000)]
    # The detector takes real articles for human with 0.9, generated ones with 0.1, and articles 0 to 999 with 0.
    human = {SEED_SET: np.full(2000, 0.9), "generation_04": np.full(2000, 0.1)}
    for values in human.values():
        values[:1000] = 0

    rows = pairs(training_rows("human_likeness", ids, 5, Strategies(), seed=1, human=human))

    assert len(rows) == 2000
    assert all(int(i) >= 1000 for _, i in rows)
    # 0.9 of the draws, within four standard errors.
    assert abs(sum(origin == SEED_SET for origin, _ in rows) - 1800) < 4 * (2000 * 0.9 * 0.1) ** 0.5


def test_human_likeness_without_any_human_text_takes_all_as_likely() -> None:
    human = {SEED_SET: np.zeros(3), "generation_00": np.zeros(3)}

    assert len(pairs(training_rows("human_likeness", list("abc"), 1, Strategies(), seed=1, human=human))) == 3


@given(ids=ids_lists, seed=seeds)
def test_real_articles_are_used_once(ids: list, seed: int) -> None:
    used = [pairs(training_rows("real", ids, generation, Strategies(), seed)) for generation in (1, 2, 3)]

    assert [len(rows) for rows in used] == [len(ids)] * 3
    assert len({row for rows in used for row in rows}) == 3 * len(ids)
    assert {origin for rows in used for origin, _ in rows} == {REAL}


@given(ids=ids_lists, generation=generations, seed=seeds)
def test_fixed_is_the_seed_set_in_every_generation(ids: list, generation: int, seed: int) -> None:
    assert pairs(training_rows("fixed", ids, generation, Strategies(), seed)) == [(SEED_SET, i) for i in ids]


@given(ids=ids_lists, generation=generations, seed=seeds)
def test_shuffled_texts_stand_under_other_titles(ids: list, generation: int, seed: int) -> None:
    table = training_rows("shuffled", ids, generation, Strategies(), seed)

    assert pairs(table) == [(generation_origin(generation - 1), i) for i in ids]
    titles = table["title_id"].to_pylist()
    assert sorted(titles) == sorted(ids)
    assert len(ids) == 1 or all(title != i for title, i in zip(titles, ids, strict=True))
    assert table.schema.types == TRAINING_SET_WITH_TITLES.types


def test_controls_are_strategies() -> None:
    assert control_names() == ["real", "fixed", "shuffled"]


EVIDENCE_LABELS = ["left", "right"]


@pytest.fixture
def evidence(tmp_path: Path) -> dict[str, Path]:
    """Return the tables of a previous generation, with their rows in another order than the seed set's."""
    rows = {
        "predictions": (
            {"article_id": ["a", "b"], "predicted": ["left", "left"], "probability_left": [0.9, 0.8]}
            | {"probability_right": [0.1, 0.2]},
            predictions(EVIDENCE_LABELS),
        ),
        "quality": (
            {"article_id": ["a", "b"], "sentences": [0, 2], "quality": [None, 1.0], "quality_weighted": [None, 1.0]}
            | {
                f"share_{name}": [None, 0.25]
                for name in ("clean", "mild_gibberish", "word_salad", "repetition", "noise")
            },
            QUALITY,
        ),
        "human": ({"article_id": ["a", "b"], "probability_human": [0.0, 1.0]}, HUMAN_LIKENESS),
        "human_of_seed_set": ({"article_id": ["a", "b"], "probability_human": [0.0, 0.0]}, HUMAN_LIKENESS),
    }
    paths = {}
    for name, (columns, schema) in rows.items():
        paths[name] = tmp_path / f"{name}.parquet"
        write_table(pa.table(columns, schema=schema), paths[name], schema)
    return paths


def seed_articles(path: Path) -> Path:
    columns = {"article_id": ["b", "a"], "title": ["B", "A"], "body": ["b b", "a a"], "label": ["left", "right"]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    write_table(ARTICLES.empty_table().from_pylist(rows, schema=ARTICLES), path, ARTICLES)
    return path


@pytest.mark.parametrize(
    ("strategy", "names", "options", "expected"),
    [
        # Only right is missing; its one article is "a".
        (
            "label_weighted_preservation",
            ["predictions"],
            {"preserved_share": 0.5},
            [("generation_00", "b"), ("generation_00", "a"), (SEED_SET, "a")],
        ),
        ("label_weighted_synthetic", ["predictions"], {}, [("generation_00", "a"), ("generation_00", "b")]),
        ("quality_pruning", ["quality"], {"kept_share": 0.5}, [("generation_00", "b")]),
        ("human_likeness", ["human", "human_of_seed_set"], {}, [("generation_00", "b"), ("generation_00", "b")]),
    ],
)
def test_strategies_read_the_previous_generation(
    evidence: dict, tmp_path: Path, strategy: str, names: list, options: dict, expected: list
) -> None:
    seed_set, out = seed_articles(tmp_path / "seed_set.parquet"), tmp_path / "training_set.parquet"
    chosen = {name: evidence[name] for name in names}

    compose_training_set(seed_set, out, strategy, 1, Strategies(**options), 3, Evidence(chosen, EVIDENCE_LABELS))

    assert pairs(read_table(out, TRAINING_SET)) == expected


def test_evidence_of_other_articles_is_refused(evidence: dict, tmp_path: Path) -> None:
    seed_set = seed_articles(tmp_path / "seed_set.parquet")
    table = pa.table({"article_id": ["a"], "probability_human": [0.5]}, schema=HUMAN_LIKENESS)
    write_table(table, evidence["human"], HUMAN_LIKENESS)
    read = {name: evidence[name] for name in ("human", "human_of_seed_set")}

    with pytest.raises(StudyError, match=r"human\.parquet has other articles than the seed set"):
        compose_training_set(seed_set, tmp_path / "out.parquet", "human_likeness", 1, Strategies(), 3, Evidence(read))


def test_shuffled_titles_are_written(tmp_path: Path) -> None:
    seed_set, out = seed_articles(tmp_path / "seed_set.parquet"), tmp_path / "training_set.parquet"

    compose_training_set(seed_set, out, "shuffled", 1, Strategies(), seed=3)

    table = read_table(out, TRAINING_SET, or_schema=TRAINING_SET_WITH_TITLES)
    assert table["title_id"].to_pylist() == ["a", "b"]


def test_training_set_is_written_for_the_seed_sets_articles(tmp_path: Path) -> None:
    seed_set, out = seed_articles(tmp_path / "seed_set.parquet"), tmp_path / "training_set.parquet"

    compose_training_set(seed_set, out, "accumulation", 1, Strategies(), seed=3)

    assert pairs(read_table(out, TRAINING_SET)) == [
        (SEED_SET, "b"),
        (SEED_SET, "a"),
        ("generation_00", "b"),
        ("generation_00", "a"),
    ]
