"""Columns that schemas are built from."""

from collections.abc import Iterable

import pyarrow as pa

from bias_amplification.artifacts.tables import MAY_BE_ABSENT

TEXT, COUNT, GENERATION, REAL, FLAG = pa.string(), pa.int32(), pa.int16(), pa.float64(), pa.bool_()


def required(kind: pa.DataType, *names: str) -> list[pa.Field]:
    """Return columns of one type without nulls."""
    return [pa.field(name, kind, nullable=False) for name in names]


def optional(kind: pa.DataType, *names: str) -> list[pa.Field]:
    """Return columns of one type that may have nulls."""
    return [pa.field(name, kind) for name in names]


def possible(kind: pa.DataType, *names: str) -> list[pa.Field]:
    """Return columns of one type that may have nulls, and that a table may be without."""
    return [pa.field(name, kind, metadata={MAY_BE_ABSENT: ""}) for name in names]


def interval(name: str, nullable: bool = True) -> list[pa.Field]:
    """Return the columns of a number and of the lower and upper end of its 95% interval."""
    return [pa.field(name + end, REAL, nullable=nullable) for end in ("", "_low", "_high")]


def table(*columns: Iterable[pa.Field]) -> pa.Schema:
    """Join groups of columns to a schema."""
    return pa.schema([field for group in columns for field in group])
