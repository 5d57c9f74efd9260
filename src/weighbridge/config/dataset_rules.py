"""Rules on a dataset that only some scenarios of a round use, and the names of what is made of it."""

from pydantic import Field

from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.core.models import FolderName, Model, Sha256


class DatasetRules(Model):
    """A dataset of some scenarios of a round, beside the round's own."""

    samples: int = Field(gt=0, lt=2**32, description="Number of samples; every run covers all of them.")
    dataset_samples: int | None = Field(
        default=None,
        gt=0,
        lt=2**32,
        description="Number in the dataset, if only the first `samples` are used.",
    )
    splits: tuple[FolderName, ...] = Field(
        min_length=1, description="Its splits, in the order that numbers the samples."
    )
    files: dict[FolderName, Sha256] = Field(
        default={}, description="sha256 of its files by name, as `dataset_files` of the round."
    )
    closed: ArtifactPin | None = Field(
        default=None, description="Its pin in the closed division; null: none is demanded."
    )


def name_with_dataset(name: str, dataset: str | None) -> str:
    """Return the name of a file or folder of a dataset, such as requests-8k; of the round's own, the name.

    Args:
        name: Of what is made of the round's own dataset.
        dataset: Which of the round's further datasets it is made of; None: the round's own.
    """
    return name if dataset is None else f"{name}-{dataset}"
