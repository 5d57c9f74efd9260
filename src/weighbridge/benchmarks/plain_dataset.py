"""Base class of tasks whose dataset has the splits of the round and the columns of the task."""

from collections.abc import Sequence
from pathlib import Path

from weighbridge.core.dataset_files import DatasetSamples


class PlainDataset:
    """Base class of a task whose dataset is published in one form."""

    def samples(self, dataset: Path, splits: Sequence[str]) -> DatasetSamples:
        """Return all samples of the splits.

        Raises:
            InputError: the folder is missing, or a split has no file.
        """
        return DatasetSamples.of(dataset, splits)

    def check_samples(self, samples: DatasetSamples) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Return nothing: what each row must hold shows when it is encoded."""
        return ()
