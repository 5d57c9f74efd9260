"""Several performance runs of one scenario: their figures, the spread of these, and which run counts."""

from statistics import median
from typing import Literal, Self

from pydantic import Field

from weighbridge.core.models import FolderName, Model

Outcome = Literal["VALID", "INVALID", "UNPROVEN"]

CHOICE_RULE = (
    "the median run (those that do not count rank below all others; of an even number, the slower of the "
    "middle two)"
)
"""MLPerf asks for one performance run a scenario, and for results that can be replicated (its
inference_rules.adoc in mlcommons/inference_policies): the best of several cannot, the median can. A run that
does not count takes a place, so that repeating runs until one passes makes no valid result."""


class Spread(Model):
    """How far one figure differs between the runs."""

    median: float = Field(description="Of an even number of runs, the mean of the middle two.")
    low: float = Field(description="Lowest value.")
    high: float = Field(description="Highest value.")

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(median=median(values), low=min(values), high=max(values))


class PerformanceRun(Model):
    """One of several performance runs, judged by itself; null where a figure is not known."""

    run: FolderName = Field(description="Name of its folder, such as performance-2.")
    outcome: Outcome = Field(description="Of the checks that concern this run.")
    not_passed: tuple[str, ...] = Field(description="Names of those that failed, or could not be decided.")
    rate: float | None = Field(description="In the verdict's `rate_unit`.")
    tokens_per_s: float | None = Field(description="Output tokens/s.")
    duration_s: float | None = Field(description="As LoadGen computes it.")
    p50_latency_s: float | None = Field(description="Median latency over all samples.")
    p90_latency_s: float | None = Field(description="90th percentile of it.")
    p99_latency_s: float | None = Field(description="99th percentile of it.")
    p99_ttft_s: float | None = Field(description="Time to the first token; null: answers are not streamed.")
    p99_tpot_s: float | None = Field(description="Time per output token after the first; null likewise.")


class PerformanceRuns(Model):
    """All performance runs of a scenario, of which one is the result."""

    chosen: FolderName = Field(description="The run that is the result, and that a tree holds.")
    rule: str = Field(description="By which it was chosen.")
    runs: tuple[PerformanceRun, ...] = Field(description="In the order in which they were made.")
    spread: dict[str, Spread] = Field(
        description="Median, lowest and highest value of each figure over all runs, by the figure's name."
    )

    @property
    def not_valid(self) -> tuple[PerformanceRun, ...]:
        """The runs that do not count, or that nothing proves to."""
        return tuple(run for run in self.runs if run.outcome != "VALID")
