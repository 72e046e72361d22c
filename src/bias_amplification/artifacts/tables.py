"""Parquet tables with a declared schema."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bias_amplification.artifacts.atomic import StudyError, new_file
from bias_amplification.artifacts.identity import check_identity, identity

_MADE_AS = "made_as"


def write_table(table: pa.Table, path: Path | str, schema: pa.Schema) -> None:
    """Write a table whole or not at all, after checking it against its declared schema.

    The bytes depend on the table, its place among the like and the library's version alone: no times, no pandas
    metadata.

    Parameters
    ----------
    table
        Columns in any order; cast to `schema` and put in its order.
    path
        The Parquet file to make.
    schema
        Declared columns. A column that is not nullable must hold no null.

    Raises
    ------
    ValueError
        If a column is missing, unknown, of another type or holds a null where none is allowed: a fault of the
        program, not of the user.
    """
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
        place = identity(path)
        named = table.replace_schema_metadata({_MADE_AS: place} if place else None)
        pq.write_table(named, temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path | str, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table of this study and check that it is what it claims to be.

    Parameters
    ----------
    path
        A Parquet file that `write_table` made.
    schema
        The schema it must have.
    columns
        The columns to read; all by default.

    Returns
    -------
    pa.Table
        In the file's row order.

    Raises
    ------
    StudyError
        If the file is missing, damaged, of another schema or another one's file. The message names it and the remedy.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"{path} does not exist: run snakemake again to make it.")
    try:
        found = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(f"{path} is not a whole Parquet file ({error}): delete it and run snakemake again.") from error
    if not found.remove_metadata().equals(schema.remove_metadata()):
        differing = sorted({f"{f.name}: {f.type}" for f in schema} ^ {f"{f.name}: {f.type}" for f in found})
        raise StudyError(
            f"{path} has other columns than its kind of table (differing: {', '.join(differing) or 'nullability'}): "
            "delete it and run snakemake again."
        )
    check_identity(path, (found.metadata or {}).get(_MADE_AS.encode(), b"").decode() or None)
    try:
        return pq.read_table(
            path, columns=None if columns is None else list(columns), page_checksum_verification=True
        ).replace_schema_metadata(None)
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(f"{path} is damaged ({error}): delete it and run snakemake again.") from error


def write_csv(table: pa.Table, path: Path | str) -> None:
    """Write a table for people: a CSV with a header, made whole or not at all."""
    import pyarrow.csv as csv

    with new_file(path) as temporary:
        csv.write_csv(table, temporary)
