"""A sign that something other than the system under test moved the figures of a run."""

from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model

DisturbanceKind = Literal[
    "runs_disagree",  # the runs of a scenario differ in rate or service time by more than their spread
    "stall",  # seconds in which nothing completed although requests were open
    "machine_load",  # other processes used the machine's cores
    "steal",  # the hypervisor gave the cores to others
    "client_busy",  # the client's cores were short
    "throttled",  # GPUs or CPUs lowered their clocks
    "trend",  # latency or rate drifted during the run
]


class Disturbance(Model):
    """One warning of a verdict: what was seen, by which figures, and what to do about it."""

    run: str | None = Field(description="Name of the run; null: several runs, compared.")
    kind: DisturbanceKind = Field(description="What kind of sign it is.")
    sentence: str = Field(description="What was seen, with its figures and units, for a person.")
    evidence: dict[str, float] = Field(description="The figures, by name with its unit.")
    remedy: str = Field(description="What to do next.")


class NotExamined(Model):
    """A kind of sign that was not looked for in a run, so that its absence says nothing."""

    run: str | None = Field(description="Name of the run; null: several runs, compared.")
    kind: DisturbanceKind = Field(description="What kind of sign.")
    reason: str = Field(description="Why it could not be looked for.")


KIND_NAMES: dict[DisturbanceKind, str] = {
    "runs_disagree": "agreement of the runs",
    "stall": "stalls",
    "machine_load": "load by others",
    "steal": "steal",
    "client_busy": "the client's cores",
    "throttled": "lowered clocks",
    "trend": "drift",
}
