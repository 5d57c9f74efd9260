"""progress.json: how a run stands, for those who watch it from elsewhere."""

from enum import StrEnum

from pydantic import Field

from weighbridge.core.models import Model

PROGRESS_FILE = "progress.json"
# How often it is written.
EVERY_S = 1.0


class Phase(StrEnum):
    """What a run is busy with."""

    STARTING = "starting the server"
    WARMING = "checking and warming up"
    RUNNING = "running"
    COLLECTING = "collecting"
    DONE = "done"
    ABORTED = "aborted"

    @property
    def over(self) -> bool:
        """Whether nothing more will come of the run."""
        return self in {Phase.DONE, Phase.ABORTED}


class Figures(Model):
    """How far a measurement is, in samples."""

    scenario: str
    scheduled: bool = Field(description="Queries have due times: latency counts from them.")
    expected: int = Field(description="Samples that LoadGen will issue.")
    issued: int
    completed: int = Field(description="Answered; failures left out.")
    failed: int
    target_qps: float
    qps: float = Field(description="Answered a second, since the first was issued.")
    recent_qps: float = Field(description="The same over the last half minute.")
    p50_s: float | None = Field(
        description="Latency so far. Server: from LoadGen's issue; Offline: from sending."
    )
    p99_s: float | None
    limit_s: float | None = Field(description="What the round allows the p99.")
    left_s: float | None = Field(description="About how long it will go on.")

    @property
    def open(self) -> int:
        """Issued and neither answered nor failed."""
        return self.issued - self.completed - self.failed


class State(Model):
    """All of progress.json."""

    label: str = Field(description="What is run: 'server performance', 'probe 3 of at most 10'.")
    phase: Phase
    detail: str = Field(description="The server's stage while it starts; why it ended, where it was aborted.")
    elapsed_s: float = Field(description="Since the phase began; from the first query on, since that.")
    figures: Figures | None = Field(description="Null until something is measured.")
    host: str
    pid: int
    beats: int = Field(description="Grows with each writing: where it no longer does, the process has died.")
