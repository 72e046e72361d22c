"""What generations are trained on: properties that hold for every seed set, generation and seed."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.artifacts.schemas import TRAINING_SET
from bias_amplification.strategies import SEED_SET, STRATEGIES, Options, generation_origin, origins, training_rows

ids_lists = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=60, unique=True)
generations = st.integers(1, 12)
seeds = st.integers(0, 2**31 - 1)
shares = st.floats(0.001, 1)
options_of_all_kinds = st.builds(
    Options,
    preserved_share=shares,
    preservation=st.sampled_from(["add", "replace"]),
    accumulation=st.sampled_from(["with_seed_set", "synthetic_only"]),
)


def pairs(table) -> list[tuple[str, str]]:
    assert table.column("position").to_pylist() == list(range(table.num_rows))
    return list(zip(table.column("origin").to_pylist(), table.column("article_id").to_pylist(), strict=True))


@given(strategy=st.sampled_from(sorted(STRATEGIES)), ids=ids_lists, options=options_of_all_kinds, seed=seeds)
def test_generation_0_is_trained_on_the_seed_set(strategy: str, ids: list, options: Options, seed: int) -> None:
    table = training_rows(strategy, ids, 0, options, seed)

    assert pairs(table) == [(SEED_SET, i) for i in ids]
    assert table.schema.types == TRAINING_SET.types


@given(strategy=st.sampled_from(["synthetic", "overfitting"]), ids=ids_lists, generation=generations, seed=seeds)
def test_synthetic_is_exactly_the_previous_set(strategy: str, ids: list, generation: int, seed: int) -> None:
    table = training_rows(strategy, ids, generation, Options(), seed)

    assert pairs(table) == [(generation_origin(generation - 1), i) for i in ids]


@given(ids=ids_lists, generation=generations, share=shares, seed=seeds)
def test_preservation_adds_real_articles(ids: list, generation: int, share: float, seed: int) -> None:
    rows = pairs(training_rows("preservation", ids, generation, Options(preserved_share=share), seed))

    real = [i for origin, i in rows if origin == SEED_SET]
    assert [i for origin, i in rows if origin == generation_origin(generation - 1)] == ids
    assert len(rows) == len(ids) + round(share * len(ids))
    assert len(set(real)) == len(real) == round(share * len(ids))
    assert set(real) <= set(ids)


@given(ids=ids_lists, generation=generations, share=shares, seed=seeds)
def test_preservation_replaces_synthetic_articles(ids: list, generation: int, share: float, seed: int) -> None:
    options = Options(preserved_share=share, preservation="replace")

    rows = pairs(training_rows("preservation", ids, generation, options, seed))

    assert sorted(i for _, i in rows) == sorted(ids)
    assert sum(origin == SEED_SET for origin, _ in rows) == round(share * len(ids))
    assert {origin for origin, _ in rows} <= {SEED_SET, generation_origin(generation - 1)}


def test_preservation_of_the_papers_seed_set() -> None:
    ids = [str(k) for k in range(1518)]

    rows = pairs(training_rows("preservation", ids, 1, Options(), seed=0))

    assert sum(origin == SEED_SET for origin, _ in rows) == 152


def test_preservation_draws_by_its_seed() -> None:
    ids = [str(k) for k in range(100)]

    draws = [tuple(pairs(training_rows("preservation", ids, 1, Options(), seed))) for seed in (1, 1, 2, 3)]

    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


@given(ids=ids_lists, generation=generations, seed=seeds)
def test_accumulation_keeps_every_earlier_set(ids: list, generation: int, seed: int) -> None:
    sizes = {}
    for kind in ("with_seed_set", "synthetic_only"):
        rows = pairs(training_rows("accumulation", ids, generation, Options(accumulation=kind), seed))
        sizes[kind] = len(rows)
        assert len(set(rows)) == len(rows)
        assert {(generation_origin(k), i) for k in range(generation) for i in ids} <= set(rows)
        assert ((SEED_SET, ids[0]) in rows) == (kind == "with_seed_set")

    assert sizes == {"with_seed_set": (generation + 1) * len(ids), "synthetic_only": generation * len(ids)}


@given(
    strategy=st.sampled_from(sorted(STRATEGIES)),
    ids=ids_lists,
    generation=st.integers(0, 12),
    options=options_of_all_kinds,
    seed=seeds,
)
def test_origins_cover_whatever_is_drawn(
    strategy: str, ids: list, generation: int, options: Options, seed: int
) -> None:
    drawn = {origin for origin, _ in pairs(training_rows(strategy, ids, generation, options, seed))}

    assert drawn <= set(origins(strategy, generation, options))


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("synthetic", Options(), ["generation_02"]),
        ("overfitting", Options(), ["generation_02"]),
        ("preservation", Options(), [SEED_SET, "generation_02"]),
        ("preservation", Options(preserved_share=0.001), [SEED_SET, "generation_02"]),
        ("preservation", Options(preservation="replace"), [SEED_SET, "generation_02"]),
        ("accumulation", Options(), [SEED_SET, "generation_00", "generation_01", "generation_02"]),
        ("accumulation", Options(accumulation="synthetic_only"), ["generation_00", "generation_01", "generation_02"]),
    ],
)
def test_origins_of_generation_3(strategy: str, options: Options, expected: list[str]) -> None:
    assert origins(strategy, 3, options) == expected
    assert origins(strategy, 0, options) == [SEED_SET]


def test_options_are_those_of_the_config() -> None:
    from bias_amplification.study.sections import Strategies

    assert asdict(Options()) == Strategies().model_dump()
