"""A dataset by its name, read from the file of rows where the client keeps it."""

from pathlib import Path
from typing import Any, ClassVar

import pandas as pd


class Dataset:
    """A dataset that the client knows; each one is in the table of names."""

    PREDEFINED: ClassVar[dict[str, type["Dataset"]]] = {}
    DATASET_ID: ClassVar[str]
    DEFAULT_SPLITS: ClassVar[list[str]]

    def __init_subclass__(cls, dataset_id: str) -> None:
        cls.DATASET_ID = dataset_id
        Dataset.PREDEFINED[dataset_id] = cls

    @classmethod
    def generate(cls, datasets_dir: Path) -> Any:
        splits = "+".join(cls.DEFAULT_SPLITS)
        return pd.read_parquet(datasets_dir / cls.DATASET_ID / splits / f"{cls.DATASET_ID}_{splits}.parquet")
