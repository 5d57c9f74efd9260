"""The samples of a dataset's splits: which files hold them, and single columns or rows of them in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pandas import DataFrame

from weighbridge.core.errors import InputError
from weighbridge.core.json_lists import read_json_rows, read_json_table
from weighbridge.core.parquet import read_parquet_rows, read_parquet_table, refusing_damage, row_count

_ORDERED_FILE = "samples.parquet"
_ROWS_PER_GROUP = 1024


def split_files(dataset: Path, splits: Sequence[str]) -> list[Path]:
    """Return the files of the splits, in the order that numbers the samples.

    A split's files are Parquet, named as on the hub: SPLIT.parquet, SPLIT-00000-of-00003.parquet, or any
    name in a folder SPLIT. Where there are none, its file is SPLIT.json, one list of objects. A split may be
    given as FOLDER/SPLIT, where several folders have one of this name.

    Raises:
        InputError: the folder is missing, or a split has no file.
    """
    if not dataset.is_dir():
        raise InputError(f"{dataset}: this dataset folder does not exist; fetch the dataset first.")
    return [file for split in splits for file in _files_of(dataset, split)]


def has_split(dataset: Path, split: str) -> bool:
    """Return whether a dataset's folder has a file of the split."""
    return bool(_found(dataset, split))


def _files_of(dataset: Path, split: str) -> list[Path]:
    found = _found(dataset, split)
    if not found:
        raise InputError(
            f"{dataset}: no Parquet file of the split '{split}' and no {split}.json; fetch the whole dataset."
        )
    return found


def _found(dataset: Path, split: str) -> list[Path]:
    folder, _, name = split.rpartition("/")
    parquet = [file for file in sorted(dataset.rglob("*.parquet")) if _belongs(file, dataset, folder, name)]
    # Other JSON files lie beside datasets, so that only the whole name shows a split.
    return parquet or [
        file
        for file in sorted(dataset.rglob(f"{name}.json"))
        if _belongs(file, dataset, folder, name) and file.stem == name
    ]


def _belongs(file: Path, dataset: Path, folder: str, name: str) -> bool:
    inside = file.relative_to(dataset)
    if any(part.startswith(".") for part in inside.parts):
        return False
    if folder and f"/{folder}/" not in f"/{inside.as_posix()}":
        return False
    return file.stem == name or file.stem.startswith(f"{name}-") or inside.parent.name == name


@dataclass(frozen=True)
class DatasetSamples:
    """The samples of a dataset's splits.

    Attributes:
        dataset: Folder of the dataset.
        files: The files that hold them, one after the other.
        names: Name of a column -> its name in the files, where that differs.
        lacks: Columns that the files do not have, though other forms of the dataset do.
        order: The row of each sample, counted through all files, shape (n,); None: every row, as it stands.
    """

    dataset: Path
    files: tuple[Path, ...]
    names: dict[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    order: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, dataset: Path, splits: Sequence[str]) -> "DatasetSamples":
        """Return all samples of the splits.

        Raises:
            InputError: the folder is missing, or a split has no file.
        """
        return cls(dataset, tuple(split_files(dataset, splits)))

    def rows_in_files(self) -> int:
        """Return the number of rows of the files, of which `order` may choose a part.

        Raises:
            InputError: a file is damaged.
        """
        return sum(
            row_count(file) if _is_parquet(file) else read_json_rows(file, (), ())[0] for file in self.files
        )

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Read columns of all samples in order, without decoding the others; one row a sample.

        Raises:
            InputError: a column is missing, or a file is damaged.
        """
        stored = self._stored(columns)
        tables = [
            read_parquet_table(file, stored) if _is_parquet(file) else read_json_table(file, stored)
            for file in self.files
        ]
        with refusing_damage(self.dataset):
            table = pa.concat_tables(tables).select(stored).rename_columns(list(columns))
            return table if self.order is None else table.take(pa.array(self.order))

    def frame(self, columns: Sequence[str]) -> DataFrame:
        """Read columns of all samples as pandas has them; otherwise as `table`."""
        table = self.table(columns)
        with refusing_damage(self.dataset):
            frame: DataFrame = table.to_pandas()
        return frame

    def rows(self, columns: Sequence[str], samples: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Read a few samples by their numbers; of Parquet, only the row groups that hold them are read.

        Returns:
            Each sample's columns, by its number; numbers beyond the last sample are left out.

        Raises:
            InputError: a column is missing, or a file is damaged.
        """
        stored = self._stored(columns)
        wanted = self._rows_of(samples)
        found: dict[int, dict[str, Any]] = {}
        first = 0
        for file in self.files:
            here = sorted({row - first for row in wanted.values() if row >= first})
            read = read_parquet_rows if _is_parquet(file) else read_json_rows
            count, rows = read(file, stored, here)
            found |= {first + number: row for number, row in rows.items()}
            first += count
        return {
            sample: {column: found[row][name] for column, name in zip(columns, stored, strict=True)}
            for sample, row in wanted.items()
            if row in found
        }

    def as_parquet(self, columns: Sequence[str], folder: Path) -> tuple[Path, ...]:
        """Return Parquet files that hold these columns under their names, and the samples in order.

        These are the dataset's own files where they are so already; otherwise one is written into `folder`,
        for which the columns are read into memory.

        Raises:
            InputError: a column is missing, or a file is damaged.
        """
        if self.order is None and not self.names and all(map(_is_parquet, self.files)):
            return self.files
        written = folder / _ORDERED_FILE
        pq.write_table(self.table(columns), written, row_group_size=_ROWS_PER_GROUP)
        return (written,)

    def _stored(self, columns: Sequence[str]) -> list[str]:
        return [self.names.get(column, column) for column in columns]

    def _rows_of(self, samples: Sequence[int]) -> dict[int, int]:
        """Return the row of each sample that there is, by the sample's number."""
        if self.order is None:
            return {sample: sample for sample in samples}
        return {sample: int(self.order[sample]) for sample in samples if sample < len(self.order)}


def read_columns(dataset: Path, splits: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """Read columns of all samples of the splits, in order, without reading other columns from disk.

    Returns:
        One row a sample, one column each.

    Raises:
        InputError: a split or column is missing, or a file is damaged.
    """
    return DatasetSamples.of(dataset, splits).frame(columns)


def _is_parquet(file: Path) -> bool:
    return file.suffix == ".parquet"
