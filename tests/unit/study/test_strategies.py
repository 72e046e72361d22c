"""What generations are trained on, with properties that hold for every seed set, generation and seed."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, TRAINING_SET
from bias_amplification.study.sections import Strategies, StrategyName
from bias_amplification.study.strategies import (
    SEED_SET,
    STRATEGIES,
    compose_training_set,
    generation_origin,
    origins,
    training_rows,
)

ids_lists = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=60, unique=True)
generations = st.integers(1, 12)
seeds = st.integers(0, 2**31 - 1)
shares = st.floats(0.001, 1)
strategies = st.sampled_from(sorted(STRATEGIES))
values = {
    "preserved_share": shares,
    "preservation": st.sampled_from(["add", "replace"]),
    "accumulation": st.sampled_from(["with_seed_set", "synthetic_only"]),
}
all_options = st.builds(Strategies, **values)


def pairs(table) -> list[tuple[str, str]]:
    """Return the rows of a training set: origin and article id."""
    assert table.column("position").to_pylist() == list(range(table.num_rows))
    return list(zip(table.column("origin").to_pylist(), table.column("article_id").to_pylist(), strict=True))


def test_config_and_functions_have_the_same_strategies() -> None:
    assert list(get_args(StrategyName)) == list(STRATEGIES)
    assert set(values) == set(Strategies.model_fields)


@given(strategy=strategies, ids=ids_lists, options=all_options, seed=seeds)
def test_generation_0_is_trained_on_the_seed_set(strategy: str, ids: list, options: Strategies, seed: int) -> None:
    table = training_rows(strategy, ids, 0, options, seed)

    assert pairs(table) == [(SEED_SET, i) for i in ids]
    assert table.schema.types == TRAINING_SET.types


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
    ],
)
def test_origins_of_generation_3(strategy: str, options: dict, expected: list[str]) -> None:
    assert origins(strategy, 3, Strategies(**options)) == expected
    assert origins(strategy, 0, Strategies(**options)) == [SEED_SET]


def test_training_set_is_written_for_the_seed_sets_articles(tmp_path: Path) -> None:
    columns = {"article_id": ["b", "a"], "title": ["B", "A"], "body": ["b b", "a a"], "label": ["left", "right"]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    seed_set, out = tmp_path / "seed_set.parquet", tmp_path / "training_set.parquet"
    write_table(ARTICLES.empty_table().from_pylist(rows, schema=ARTICLES), seed_set, ARTICLES)

    compose_training_set(seed_set, out, "accumulation", 1, Strategies(), seed=3)

    assert pairs(read_table(out, TRAINING_SET)) == [
        (SEED_SET, "b"),
        (SEED_SET, "a"),
        ("generation_00", "b"),
        ("generation_00", "a"),
    ]
