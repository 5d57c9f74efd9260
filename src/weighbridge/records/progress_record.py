"""progress.json: the current state of a run, for watchers in other processes and on other machines."""

from enum import StrEnum

from pydantic import Field

from weighbridge.core.models import Model

PROGRESS_FILE = "progress.json"
EVERY_S = 1.0  # interval at which progress.json is written


class Phase(StrEnum):
    """The phase of a run."""

    STARTING = "starting the server"
    WARMING = "checking and warming up"
    RUNNING = "running"
    COLLECTING = "collecting"
    DONE = "done"
    ABORTED = "aborted"

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self in {Phase.DONE, Phase.ABORTED}


class ProgressFigures(Model):
    """Progress of a measurement, counted in samples."""

    scenario: str
    scheduled: bool = Field(description="True: queries have due times, and latency is measured from them.")
    expected: int = Field(description="Samples that will be issued.")
    issued: int
    completed: int = Field(description="Answered, without failed requests.")
    failed: int
    target_qps: float
    qps: float = Field(description="Samples/s answered since the first was issued.")
    recent_qps: float = Field(description="Samples/s answered during the last 30 s.")
    p50_s: float | None = Field(
        description="Median latency so far, in s: from the due time if queries have one, else from sending. "
        "A sample without an answer counts with its present age, where that makes the figure worse."
    )
    p50_at_least: bool = Field(
        default=False, description="Whether samples without an answer set p50_s, which can then only grow."
    )
    p99_s: float | None = Field(description="99th percentile, likewise.")
    p99_at_least: bool = Field(default=False, description="Likewise of p99_s.")
    limit_s: float | None = Field(description="The round's limit for the 99th percentile, in s.")
    late: int | None = Field(
        default=None, description="Samples over the limit, answered or not; null without a limit."
    )
    left_s: float | None = Field(
        description="Estimated time to the end, in s; null where too little is known, or nothing goes on."
    )

    @property
    def open(self) -> int:
        """Samples issued that have neither been answered nor failed."""
        return self.issued - self.completed - self.failed


class State(Model):
    """Contents of progress.json."""

    label: str = Field(
        description="Name of the run, such as 'server performance' or 'probe 3 of at most 10'."
    )
    phase: Phase
    detail: str = Field(
        description="While starting: the server's start-up stage. While running: the phase of a driver that "
        "has several. If aborted: the reason."
    )
    trouble: str = Field(
        default="",
        description="What keeps the run from going on, such as 'stalled: no answer for 12 s, 4 requests "
        "open'.",
    )
    lost: str = Field(
        default="",
        description="Why the run cannot pass any more, whatever comes, and what to do; empty where it may.",
    )
    elapsed_s: float = Field(description="Since the phase began; while running, since the first query. In s.")
    figures: ProgressFigures | None = Field(description="Null until the measurement starts.")
    host: str
    pid: int
    beats: int = Field(description="Number of writes so far; if it stops growing, the process has died.")
