"""Read Parquet files, and those of a dataset: the files of a split, single columns, single rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pandas import DataFrame

from weighbridge.core.errors import InputError

_BATCH_ROWS = 16
_BUFFER_BYTES = 1 << 20  # read pages through a buffer, not a row group's whole column at once


def split_files(dataset: Path, splits: Sequence[str]) -> list[Path]:
    """Return the files of the splits, in the order that numbers the samples.

    A split's files are named as on the hub: SPLIT.parquet, SPLIT-00000-of-00003.parquet, or any name in a
    folder SPLIT.

    Raises:
        InputError: the folder is missing, or a split has no file.
    """
    if not dataset.is_dir():
        raise InputError(f"{dataset}: this dataset folder does not exist; fetch the dataset first.")
    files = sorted(dataset.rglob("*.parquet"))
    chosen = []
    for split in splits:
        of_split = [file for file in files if _belongs(file.relative_to(dataset), split)]
        if not of_split:
            raise InputError(f"{dataset}: no Parquet file of the split '{split}'; fetch the whole dataset.")
        chosen += of_split
    return chosen


def _belongs(file: Path, split: str) -> bool:
    if any(part.startswith(".") for part in file.parts):
        return False
    return file.stem == split or file.stem.startswith(f"{split}-") or file.parent.name == split


def read_columns(dataset: Path, splits: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """Read columns of all samples of the splits, in order, without reading other columns from disk.

    Returns:
        One row a sample, one column each.

    Raises:
        InputError: a split or column is missing, or a file is not Parquet.
    """
    tables = [_read(file, list(columns)) for file in split_files(dataset, splits)]
    with refusing_damage(dataset):
        frame: DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def read_rows(
    dataset: Path, splits: Sequence[str], columns: Sequence[str], samples: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Read a few samples of the splits by their numbers; only the row groups that hold them are read.

    Returns:
        Each sample's columns, by its number; numbers beyond the last sample are left out.

    Raises:
        InputError: a split or column is missing, or a file is not Parquet.
    """
    found: dict[int, dict[str, Any]] = {}
    first, wanted = 0, set(samples)
    for file in split_files(dataset, splits):
        with _open(file, columns) as parquet:
            rows = parquet.metadata.num_rows
            here = {sample - first for sample in wanted if first <= sample < first + rows}
            found |= {first + number: row for number, row in _rows(parquet, columns, here)}
        first += rows
    return found


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


def _read(file: Path, columns: list[str]) -> pa.Table:
    with _open(file, columns) as parquet:
        table = parquet.read(columns=columns)
        table.validate(full=True)
        return table


@contextmanager
def _open(file: Path, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Open a file and check that it has the columns; turn any read error into one that names the file."""
    with refusing_damage(file), pq.ParquetFile(file, buffer_size=_BUFFER_BYTES) as parquet:
        missing = [column for column in columns if column not in parquet.schema_arrow.names]
        if missing:
            raise InputError(f"{file}: the column '{missing[0]}' is missing; this is another dataset.")
        yield parquet


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Turn whatever reading a Parquet file raises in the with block into one sentence that names the file.

    Raises:
        InputError: the file is missing or no ordinary one, or reading it failed.
    """
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: cannot be read as Parquet (there is no ordinary file).")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damaged pages raise errors of Arrow, of text, of numbers and of memory
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{path}: cannot be read as Parquet ({reason}); the file is damaged: make or fetch it again."
        ) from None
