"""Parquet tables with a declared schema."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bias_amplification.artifacts.atomic import StudyError, new_file, one_line
from bias_amplification.artifacts.placement import check_place, place_in_study

#: Key of the place in a file's metadata.
_MADE_AS = "made_as"

#: Key in the metadata of a schema's column that a table may be without.
MAY_BE_ABSENT = "may_be_absent"


def write_table(table: pa.Table, path: Path | str, schema: pa.Schema) -> None:
    """Write a table to Parquet, completely or not at all, after checking it against its schema.

    The file's bytes depend only on the table, its place in the study and the version of pyarrow. They contain no times
    and no pandas metadata.

    Parameters
    ----------
    table
        Has the columns of `schema` in any order, perhaps without those that may be absent. It is cast to the schema and
        its columns are put in order.
    path
        The Parquet file to make.
    schema
        The declared columns.

    Raises
    ------
    ValueError
        If a column is missing or unknown, cannot be cast, or has a null although it is not nullable. This is an error
        of the program, not of the user.
    """
    schema = _present(schema, table.column_names)
    missing = [name for name in schema.names if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in schema.names]
    if missing or unknown:
        raise ValueError(f"{path}: columns missing {missing}, columns unknown {unknown}")
    try:
        table = table.select(schema.names).cast(schema.remove_metadata())
    except pa.ArrowNotImplementedError as error:
        raise ValueError(f"{path}: {error}") from error
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise ValueError(f"{path}: column {field.name} holds a null")
    with new_file(path) as temporary:
        place = place_in_study(path)
        named = table.replace_schema_metadata({_MADE_AS: place} if place else None)
        pq.write_table(named, temporary, compression="zstd", write_page_checksum=True)


def read_table(
    path: Path | str, schema: pa.Schema, columns: Sequence[str] | None = None, *, or_schema: pa.Schema | None = None
) -> pa.Table:
    """Read a table of the study and check its schema, its page checksums and its place.

    Parameters
    ----------
    path
        A Parquet file that `write_table` has made.
    schema
        The schema that the file must have.
    columns
        Names of the columns to read; all by default.
    or_schema
        A second schema that the file may have.

    Returns
    -------
    pa.Table
        Rows in the order of the file.

    Raises
    ------
    StudyError
        If the file is missing, damaged, of another schema, or was made for another place. The message names the file
        and the remedy.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"{path} does not exist: run snakemake again to make it.")
    try:
        found = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(
            f"{path} is not a whole Parquet file ({one_line(error)}): delete it and run snakemake again."
        ) from error
    if or_schema is not None and found.names == or_schema.names:
        schema = or_schema
    schema = _present(schema, found.names)
    if not found.remove_metadata().equals(schema.remove_metadata()):
        differing = sorted({f"{f.name}: {f.type}" for f in schema} ^ {f"{f.name}: {f.type}" for f in found})
        raise StudyError(
            f"{path} does not have the columns of its kind of table (they differ in "
            f"{', '.join(differing) or 'nullability'}): delete it and run snakemake again."
        )
    check_place(path, (found.metadata or {}).get(_MADE_AS.encode(), b"").decode() or None)
    try:
        return pq.read_table(
            path, columns=None if columns is None else list(columns), page_checksum_verification=True
        ).replace_schema_metadata(None)
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(f"{path} is damaged ({one_line(error)}): delete it and run snakemake again.") from error


def _present(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """Return a schema without the columns that may be absent and are not among the names of a table's columns."""
    absent = MAY_BE_ABSENT.encode()
    kept = (field for field in schema if field.name in names or absent not in (field.metadata or {}))
    return pa.schema([field.remove_metadata() for field in kept])


def write_csv(table: pa.Table, path: Path | str) -> None:
    """Write a table as CSV with a header, completely or not at all."""
    import pyarrow.csv as csv

    with new_file(path) as temporary:
        csv.write_csv(table, temporary)
