"""Read Parquet files: single columns, single rows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.core.errors import InputError

_BATCH_ROWS = 16
_BUFFER_BYTES = 1 << 20  # read pages through a buffer, not a row group's whole column at once


def read_parquet_table(file: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of a file, without reading other columns from disk.

    Raises:
        InputError: a column is missing, or the file is not Parquet.
    """
    with _open(file, columns) as parquet:
        table = parquet.read(columns=list(columns))
        table.validate(full=True)
        return table


def row_count(file: Path) -> int:
    """Return the number of rows of a file.

    Raises:
        InputError: the file is not Parquet.
    """
    with _open(file, ()) as parquet:
        return int(parquet.metadata.num_rows)


def read_parquet_rows(
    file: Path, columns: Sequence[str], rows: Iterable[int]
) -> tuple[int, dict[int, dict[str, Any]]]:
    """Read a few rows of a file by their numbers; only the row groups that hold them are read.

    Returns:
        The number of rows, and each row's columns by its number; numbers beyond the last row are left out.

    Raises:
        InputError: a column is missing, or the file is not Parquet.
    """
    with _open(file, columns) as parquet:
        return int(parquet.metadata.num_rows), dict(_rows(parquet, columns, set(rows)))


def _rows(
    parquet: pq.ParquetFile, columns: Sequence[str], wanted: set[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    start = 0
    for group in range(parquet.num_row_groups):
        stop = start + parquet.metadata.row_group(group).num_rows
        left = sorted(number for number in wanted if start <= number < stop)
        # In small batches: a row group may hold hundreds of megabytes of images.
        batches = parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(columns))
        for batch in batches if left else ():
            while left and left[0] < start + len(batch):
                number = left.pop(0)
                yield number, batch.slice(number - start, 1).to_pylist()[0]
            start += len(batch)
            if not left:
                break
        start = stop


@contextmanager
def _open(file: Path, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Open a file and check that it has the columns; turn any read error into one that names the file."""
    with refusing_damage(file), pq.ParquetFile(file, buffer_size=_BUFFER_BYTES) as parquet:
        missing = [column for column in columns if column not in parquet.schema_arrow.names]
        if missing:
            raise InputError(f"{file}: the column '{missing[0]}' is missing; this is another dataset.")
        yield parquet


@contextmanager
def refusing_damage(path: Path, format_: str = "Parquet") -> Iterator[None]:
    """Turn whatever reading a file raises in the with block into one sentence that names file and format.

    Raises:
        InputError: the file is missing or no ordinary one, or reading it failed.
    """
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: cannot be read as {format_} (there is no ordinary file).")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damaged pages raise errors of Arrow, of text, of numbers and of memory
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{path}: cannot be read as {format_} ({reason}); the file is damaged: make or fetch it again."
        ) from None
