"""Rules on a dataset that only some scenarios of a round use."""

from pydantic import Field

from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.core.models import FolderName, Model, Sha256


class DatasetRules(Model):
    """A dataset of some scenarios of a round, beside the round's own."""

    samples: int = Field(gt=0, lt=2**32, description="Number of samples; every run covers all of them.")
    splits: tuple[FolderName, ...] = Field(
        min_length=1, description="Its splits, in the order that numbers the samples."
    )
    files: dict[FolderName, Sha256] = Field(
        default={}, description="sha256 of its files by name, as `dataset_files` of the round."
    )
    closed: ArtifactPin | None = Field(
        default=None, description="Its pin in the closed division; null: none is demanded."
    )
