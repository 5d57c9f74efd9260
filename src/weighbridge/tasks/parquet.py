"""A dataset's Parquet files: which belong to a split, and columns read without the others."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pandas import DataFrame

from weighbridge.errors import InputError


def split_files(dataset: Path, splits: Sequence[str]) -> list[Path]:
    """List the files of the splits, in the order that numbers the samples.

    A split's files are called as the hub calls them: SPLIT.parquet, SPLIT-00000-of-00003.parquet, or
    anything within a folder SPLIT.

    Raises:
        InputError: the folder is missing, or a split has no file in it.
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
    """Read columns of all samples of the splits, in order; no other column is read from disk.

    Raises:
        InputError: a split or column is missing, or a file is no Parquet.
    """
    tables = [_read(file, list(columns)) for file in split_files(dataset, splits)]
    frame: DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def _read(file: Path, columns: list[str]) -> pa.Table:
    try:
        with pq.ParquetFile(file) as parquet:
            missing = [column for column in columns if column not in parquet.schema_arrow.names]
            if missing:
                raise InputError(f"{file}: the column '{missing[0]}' is missing; this is another dataset.")
            return parquet.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: not readable as Parquet ({str(error).splitlines()[0]}).") from None
