"""What a workflow does, as its Snakemake writes it for a program above it: one JSON object a line."""

from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model

EVENTS_VARIABLE = "WEIGHBRIDGE_EVENTS"
"""Names the file that the top Snakemake writes its events into."""


class WorkflowEvent(Model):
    """One thing that happened in a workflow."""

    kind: Literal["planned", "started", "finished", "failed", "asks"]
    job: int | None = Field(default=None, description="Snakemake's number of the job.")
    rule: str = Field(default="", description="Of the job.")
    wildcards: dict[str, str] = Field(default={}, description="Of the job, such as its scenario and run.")
    logs: tuple[str, ...] = Field(default=(), description="The job's logs, relative to the run directory.")
    jobs: dict[str, int] = Field(default={}, description="planned: how many there are to make, by rule.")
    sentence: str = Field(default="", description="asks: what needs the user's consent.")

    @property
    def stage(self) -> str:
        """The job's name for people, such as 'benchmark offline performance'."""
        return " ".join([self.rule.replace("_", " "), *self.wildcards.values()])
