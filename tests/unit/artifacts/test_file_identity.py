"""Files in one another's place."""

import json
import shutil

import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.identity import identity
from bias_amplification.artifacts.provenance import check_made_here, checksum, write_metadata

SCHEMA = pa.schema([pa.field("x", pa.int64(), nullable=False)])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("results/rounds/a/generation_01/articles.parquet", "rounds/a/generation_01/articles.parquet"),
        ("/x/y/base/generated/balanced/quality.parquet", "base/generated/balanced/quality.parquet"),
        ("r/corpus/seed_sets/center.parquet", "corpus/seed_sets/center.parquet"),
        ("results/metrics.parquet", None),
        ("articles.parquet", None),
    ],
)
def test_places_are_told_apart_below_the_results(path, name):
    assert identity(path) == name


def test_a_table_of_another_round_is_noticed(tmp_path):
    one, other, shared = (
        tmp_path / "rounds" / name / "articles.parquet"
        for name in ("a/generation_01", "b/generation_01", "b/generation_00")
    )
    write_table(pa.table({"x": [1]}), one, SCHEMA)
    assert read_table(one, SCHEMA).to_pydict() == {"x": [1]}
    for place in (other, shared):
        place.parent.mkdir(parents=True)
        shutil.copy(one, place)
        with pytest.raises(StudyError, match=r"was made as rounds/a/generation_01/articles.parquet .* delete it"):
            read_table(place, SCHEMA)


def test_rounds_may_share_generation_0(tmp_path):
    one, other = (tmp_path / "rounds" / name / "generation_00" / "articles.parquet" for name in "ab")
    write_table(pa.table({"x": [1]}), one, SCHEMA)
    other.parent.mkdir(parents=True)
    shutil.copy(one, other)

    assert read_table(other, SCHEMA).num_rows == 1
    shutil.copy(one, tmp_path / "anywhere.parquet")
    assert read_table(tmp_path / "anywhere.parquet", SCHEMA).num_rows == 1


def test_a_flipped_bit_in_a_table_is_noticed(tmp_path):
    path = tmp_path / "x.parquet"
    write_table(pa.table({"x": list(range(1000))}), path, SCHEMA)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)

    with pytest.raises(StudyError, match="delete it and run snakemake again"):
        read_table(path, SCHEMA)


def test_weights_are_checked_against_their_metadata(tmp_path):
    folders = [tmp_path / "rounds" / name / "generation_02" for name in "ab"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(folder.parent.name.encode() * 1000)
        write_metadata(
            folder / "metadata.json", checksums={"model.safetensors": checksum(folder / "model.safetensors")}
        )
        check_made_here(folder)

    shutil.copy(folders[0] / "model.safetensors", folders[1])
    with pytest.raises(StudyError, match="is not the file that"):
        check_made_here(folders[1])
    shutil.copy(folders[0] / "metadata.json", folders[1])
    with pytest.raises(StudyError, match=r"was made as rounds/a/generation_02/metadata\.json"):
        check_made_here(folders[1])
    (folders[0] / "metadata.json").write_text("{}")
    with pytest.raises(StudyError, match="is damaged"):
        check_made_here(folders[0])


def test_metadata_tell_this_process_s_memory(tmp_path):
    write_metadata(tmp_path / "metadata.json", seed=1)

    facts = json.loads((tmp_path / "metadata.json").read_text())
    assert 20 < facts["peak_memory_mb"] < 20_000
    assert {"seed", "libraries", "commit", "finished", "host"} <= facts.keys()
