"""Files that are in another file's place."""

import shutil

import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.placement import place_in_study

SCHEMA = pa.schema([pa.field("x", pa.int64(), nullable=False)])


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("results/rounds/a/generation_01/articles.parquet", "rounds/a/generation_01/articles.parquet"),
        ("/x/y/base/generated/balanced/quality.parquet", "base/generated/balanced/quality.parquet"),
        ("r/corpus/seed_sets/center.parquet", "corpus/seed_sets/center.parquet"),
        (
            "results/interventions/a/replicate_02/generation_01/articles.parquet",
            "interventions/a/replicate_02/generation_01/articles.parquet",
        ),
        ("results/interventions/effects.parquet", None),
        ("results/rounds/a/held.parquet", "rounds/a/held.parquet"),
        ("results/rounds/a/replicate_02/held.parquet", "rounds/a/replicate_02/held.parquet"),
        ("results/metrics.parquet", None),
        ("articles.parquet", None),
    ],
)
def test_place_is_the_end_of_the_path(path, place):
    assert place_in_study(path) == place


def test_tables_of_another_round_are_refused(tmp_path):
    one, other, shared = (
        tmp_path / "rounds" / name / "articles.parquet"
        for name in ("a/generation_01", "b/generation_01", "b/generation_00")
    )
    changed = tmp_path / "interventions" / "a/generation_01" / "articles.parquet"
    write_table(pa.table({"x": [1]}), one, SCHEMA)
    assert read_table(one, SCHEMA).to_pydict() == {"x": [1]}
    for place in (other, shared, changed):
        place.parent.mkdir(parents=True)
        shutil.copy(one, place)
        with pytest.raises(StudyError, match=r"was made as rounds/a/generation_01/articles.parquet .* delete it"):
            read_table(place, SCHEMA)


def test_rounds_can_share_generation_0(tmp_path):
    one, other = (tmp_path / "rounds" / name / "generation_00" / "articles.parquet" for name in "ab")
    write_table(pa.table({"x": [1]}), one, SCHEMA)
    other.parent.mkdir(parents=True)
    shutil.copy(one, other)

    assert read_table(other, SCHEMA).num_rows == 1
    shutil.copy(one, tmp_path / "anywhere.parquet")
    assert read_table(tmp_path / "anywhere.parquet", SCHEMA).num_rows == 1
