"""Parquet tables with a declared schema."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError, read_table, write_csv, write_table
from bias_amplification.artifacts.schemas import ARTICLES, QUALITY, metrics, predictions
from bias_amplification.artifacts.schemas.fields import possible, required, table

SCHEMA = pa.schema(
    [
        pa.field("article_id", pa.string(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("perplexity", pa.float64()),
    ]
)
COLUMNS = {"article_id": ["a", "b"], "tokens": [3, 4], "perplexity": [1.5, None]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "round=one" / "table.parquet"
    write_table(pa.table(COLUMNS), path, SCHEMA)
    return path


def test_columns_are_cast_and_put_in_order(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_table(pa.table(dict(reversed(COLUMNS.items()))), path, SCHEMA)

    table = read_table(path, SCHEMA)

    assert table.to_pydict() == COLUMNS
    assert table.schema.equals(SCHEMA)


def test_paths_add_no_columns(file: Path) -> None:
    # In partitioned data sets, "round=one" in the path becomes a column.
    assert read_table(file, SCHEMA).column_names == SCHEMA.names
    assert read_table(file, SCHEMA, ["tokens"]).to_pydict() == {"tokens": [3, 4]}


@settings(max_examples=25)
@given(
    rows=st.lists(st.tuples(st.text(), st.integers(-(2**31), 2**31 - 1), st.none() | st.floats(allow_nan=False))),
    cut=st.integers(0, 5),
)
def test_equal_tables_have_equal_bytes(tmp_path_factory: pytest.TempPathFactory, rows: list, cut: int) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    whole = pa.table(columns, schema=SCHEMA)
    pieces = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)]).replace_schema_metadata({"made": "today"})

    write_table(whole, folder / "one.parquet", SCHEMA)
    write_table(pieces, folder / "two.parquet", SCHEMA)

    assert (folder / "one.parquet").read_bytes() == (folder / "two.parquet").read_bytes()
    assert read_table(folder / "two.parquet", SCHEMA).to_pydict() == dict(zip(SCHEMA.names, columns, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": ...}, r"columns missing \['tokens'\]"),
        ({"extra": [1, 2]}, r"columns unknown \['extra'\]"),
        ({"article_id": ["a", None]}, "null"),
        ({"tokens": [1, 2**40]}, "not in range"),
        ({"tokens": ["one", "two"]}, "tokens|int32"),
        ({"tokens": [[1], [2]]}, "int32"),
    ],
)
def test_tables_that_do_not_fit_their_schema_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    columns = {name: values for name, values in (COLUMNS | change).items() if values is not ...}

    with pytest.raises(ValueError, match=message):
        write_table(pa.table(columns), tmp_path / "table.parquet", SCHEMA)

    assert list(tmp_path.iterdir()) == []


def _fault(path: Path, schema: pa.Schema = SCHEMA) -> str:
    """Return the message for a file that cannot be read."""
    with pytest.raises(StudyError) as caught:
        read_table(path, schema)
    message = str(caught.value)
    assert str(path) in message
    assert "run snakemake again" in message
    return message


def test_missing_files_are_reported(tmp_path: Path) -> None:
    assert "does not exist" in _fault(tmp_path / "none.parquet")


@pytest.mark.parametrize("length", [0, 1, 4, 100, -8, -1])
def test_truncated_files_are_reported(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])

    assert "is not a whole Parquet file" in _fault(file)


def test_every_truncation_is_noticed(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        _fault(file)


def test_damaged_pages_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pa.table(
        {"article_id": [f"article {k * k}" for k in range(5000)], "tokens": range(5000), "perplexity": [0.5] * 5000}
    )
    write_table(table, path, SCHEMA)
    content = bytearray(path.read_bytes())
    content[100:2000] = bytes(1900)
    path.write_bytes(content)

    assert "is damaged" in _fault(path)


def test_flipped_bits_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    schema = pa.schema([pa.field("x", pa.int64(), nullable=False)])
    write_table(pa.table({"x": list(range(1000))}), path, schema)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)

    with pytest.raises(StudyError, match="delete it and run snakemake again"):
        read_table(path, schema)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (SCHEMA.remove(1), "tokens"),
        (SCHEMA.append(pa.field("new", pa.bool_())), "new: bool"),
        (SCHEMA.set(1, pa.field("tokens", pa.int64(), nullable=False)), "tokens: int64"),
        (SCHEMA.set(2, pa.field("perplexity", pa.float64(), nullable=False)), "nullability"),
    ],
)
def test_other_schemas_are_reported(file: Path, other: pa.Schema, named: str) -> None:
    assert named in _fault(file, other)


def test_schemas_work_with_any_labels() -> None:
    assert predictions(["x", "y"]).names == ["article_id", "predicted", "probability_x", "probability_y"]
    assert {"share_x", "share_x_low", "share_x_high", "mean_probability_y"} <= set(metrics(["x", "y"]).names)
    assert not metrics(["x", "y"]).field("labelled").nullable
    assert metrics(["x", "y"]).field("share_x").nullable
    assert QUALITY.field("quality").nullable
    assert ARTICLES.names[0] == "article_id"


def test_a_column_that_may_be_absent_is_written_and_read_with_and_without(tmp_path: Path) -> None:
    schema = table(required(pa.string(), "id"), possible(pa.float64(), "share"))
    whole = pa.table({"share": [0.5], "id": ["a"]})

    write_table(whole, tmp_path / "with.parquet", schema)
    write_table(whole.select(["id"]), tmp_path / "without.parquet", schema)

    assert read_table(tmp_path / "with.parquet", schema).column_names == ["id", "share"]
    assert read_table(tmp_path / "without.parquet", schema).column_names == ["id"]
    assert pq.read_schema(tmp_path / "with.parquet").field("share").metadata in (None, {b"PARQUET:field_id": b"2"})
    with pytest.raises(ValueError, match=r"columns missing \['id'\]"):
        write_table(whole.select(["share"]), tmp_path / "none.parquet", schema)


def test_csv(tmp_path: Path) -> None:
    write_csv(pa.table({"step": ["a,b"], "articles": [3]}), tmp_path / "table.csv")

    assert (tmp_path / "table.csv").read_text() == '"step","articles"\n"a,b",3\n'


def test_files_have_no_metadata_of_the_writer(file: Path) -> None:
    assert pq.read_schema(file).metadata is None
