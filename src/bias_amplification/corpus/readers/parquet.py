"""Rows of a Parquet file, and what is wrong with a file that has none."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.corpus.readers.columns import Columns, Row
from bias_amplification.corpus.readers.files import check_content, only_of_folders

#: Words in pyarrow's errors about whole files that use a feature which it does not support.
_UNSUPPORTED = ("not supported", "not implemented", "unsupported")
#: First bytes of a Parquet file, and of one with an encrypted footer.
_MARK, _ENCRYPTED_MARK = b"PAR1", b"PARE"
#: Stands for a day or time that Python does not have. It is read as no date.
_OUT_OF_RANGE = "out of range"


def parquet_rows(file: Path, partition: dict[str, str], choose: Callable[[Sequence[str]], Columns]) -> Iterator[Row]:
    """Yield the rows of a file. Only the wanted columns are read.

    Parameters
    ----------
    file
        The file.
    partition
        Columns that have one value for all rows.
    choose
        Returns, for the file's columns, the positions of the wanted ones.

    Raises
    ------
    StudyError
        If the file, or a value of a wanted column, cannot be read.
    """
    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            own = parquet.schema_arrow.names
            partition = only_of_folders(partition, own)
            names = [*own, *partition]
            columns = choose(names)
            # A column may be wanted twice. Faults of its values are told of the field of an article.
            uses = {position: name for part in columns[::-1] for name, position in part.items()}
            read = [names[position] for position in uses if position < len(own)]
            for batch in parquet.iter_batches(1000, columns=read):
                values = {
                    position: _values(batch.column(names[position]), f"{file} has as {use}", use)
                    if position < len(own)
                    else [partition[names[position]]] * batch.num_rows
                    for position, use in uses.items()
                }
                for row in zip(*values.values(), strict=True):
                    number += 1
                    yield columns.row(f"row {number}", dict(zip(values, row, strict=True)))
    except (pa.ArrowException, OSError) as error:
        raise _fault(file, error) from error


def parquet_bytes(file: Path) -> int:
    """Return how many bytes the columns of a file have unpacked; 0 if it cannot be read, as reading it then tells."""
    try:
        with pq.ParquetFile(file) as parquet:
            groups = range(parquet.metadata.num_row_groups)
            return sum(parquet.metadata.row_group(group).total_byte_size for group in groups)
    except (pa.ArrowException, OSError):
        return 0


def _values(column: pa.Array, place: str, name: str) -> list[Any]:
    """Return a column's values. Text that is not UTF-8, which Parquet does not check, is returned as bytes."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return column.cast(pa.large_binary()).to_pylist()
    except OverflowError as error:
        if name == "date" and pa.types.is_temporal(column.type):
            return [_date(value) for value in column]
        raise StudyError(
            f"{place} a date or time that no calendar of Python has ({column.type}): convert that column to text, or "
            "correct corpus.columns."
        ) from error
    except pa.ArrowException as error:
        raise StudyError(
            f"{place} values that cannot be read ({column.type}: {one_line(error)}): convert that column to text, or "
            "correct corpus.columns."
        ) from error


def _date(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except OverflowError:
        return _OUT_OF_RANGE


def _fault(file: Path, error: Exception) -> StudyError:
    """Return an error that says what is wrong with a file, judged by its first bytes and by pyarrow's message."""
    said = one_line(error)
    if isinstance(error, OSError) and error.errno is not None:
        return StudyError(f"{file} cannot be read ({error.strerror or said}): change its access rights.")
    with file.open("rb") as stream:
        start = stream.read(100)
    check_content(file, start)
    if start.startswith(_ENCRYPTED_MARK) or "crypt" in said.lower():
        return StudyError(f"{file} is encrypted ({said}): write it again without encryption.")
    if not start.startswith(_MARK):
        return StudyError(
            f"{file} is no Parquet file (it begins with {start[:4]!r}): name a Parquet file, or give the file the "
            "ending of its own format."
        )
    if any(word in said.lower() for word in _UNSUPPORTED):
        return StudyError(
            f"{file} is written in a way that pyarrow {pa.__version__} cannot read ({said}): write it again with "
            "another compression, such as zstd, and plain column types."
        )
    return StudyError(f"{file} is not a whole Parquet file ({said}): copy or write it again.")
