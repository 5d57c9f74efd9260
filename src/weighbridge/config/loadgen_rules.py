"""Rules of a round whose results are made with LoadGen, as data."""

from pydantic import Field

from weighbridge.config.official_client_rules import Seed
from weighbridge.core.models import FolderName, Model


class Seeds(Model):
    """The three seeds that a round announces; they are compiled into LoadGen's wheel."""

    qsl: Seed
    sample_index: Seed
    schedule: Seed


class LoadGenRules(Model):
    """LoadGen's releases and settings in this round."""

    model: FolderName = Field(
        description="LoadGen's name of the benchmark, unless a scenario sets its own. LoadGen silently "
        "ignores the benchmark's limits if the name is wrong."
    )
    built_in: bool = Field(
        default=True,
        description="False: LoadGen has no settings of its own under this name, so that user.conf sets all.",
    )
    versions: tuple[FolderName, ...] = Field(
        min_length=1, description="LoadGen releases that contain the round's seeds."
    )
    seeds: Seeds
    token_latencies: bool = Field(
        default=False,
        description="True: LoadGen measures token latencies; all scenarios but Offline are then streamed.",
    )
    whole_passes: bool = Field(
        default=True, description="True: LoadGen issues every sample equally often; false only in probes."
    )
    early_stopping: bool = Field(
        default=True,
        description="False: runs are too short for LoadGen's early stopping, which is not asked.",
    )
