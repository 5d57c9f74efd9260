"""Rules of a scenario: how queries are issued, its runs, their lengths and limits."""

import re
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.official_client_rules import EndpointsDrive
from weighbridge.core.models import FolderName, Model


class LoadGenScenario(StrEnum):
    """How LoadGen issues queries, with the names used in its settings and logs."""

    OFFLINE = "Offline"
    """All samples in a single query at the start."""
    SERVER = "Server"
    """Queries of one sample each, at Poisson-distributed times."""
    SINGLE_STREAM = "SingleStream"
    """Queries of one sample each, the next when the last is answered."""


class Mode(StrEnum):
    """What LoadGen does in a run: measure performance, or log every answer for scoring."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


_REPEAT = re.compile(rf"{Mode.PERFORMANCE}-([2-9]|[1-9][0-9]+)")


def performance_run(number: int) -> str:
    """Return the name of a scenario's performance run by its number, from 1: performance, performance-2."""
    return str(Mode.PERFORMANCE) if number == 1 else f"{Mode.PERFORMANCE}-{number}"


def number_of_repeat(run: str) -> int | None:
    """Return the number of a repeated performance run by its name, from 2; None: it is another run."""
    found = _REPEAT.fullmatch(run)
    return int(found[1]) if found else None


LONGEST_S = 1e8
"""No duration of a round or of settings is longer: three years."""


class LatencyLimit(Model):
    """A latency limit at a percentile."""

    limit_s: float = Field(gt=0, le=LONGEST_S, description="Largest latency at the percentile, in s.")
    percentile: float = Field(default=0.99, gt=0, lt=1, description="As a share, such as 0.99.")


class Limits(Model):
    """Latency limits of a performance run; any subset may be set."""

    latency: LatencyLimit | None = Field(default=None, description="From issue to the last byte.")
    ttft: LatencyLimit | None = Field(default=None, description="From issue to the first token.")
    tpot: LatencyLimit | None = Field(default=None, description="Time per output token after the first.")

    @property
    def by_name(self) -> dict[str, LatencyLimit]:
        """The limits that are set, by name, in the order above."""
        named = {"latency": self.latency, "ttft": self.ttft, "tpot": self.tpot}
        return {name: limit for name, limit in named.items() if limit is not None}


class LatencyMetric(Model):
    """A latency percentile as a scenario's published result; lower is better."""

    latency_percentile: float = Field(gt=0, lt=1, description="As a share, such as 0.9.")


PerformanceMetric = Literal["samples/s", "queries/s", "tokens/s"] | LatencyMetric


class RunRules(Model):
    """One run of a scenario."""

    mode: Mode
    compliance_test: FolderName | None = Field(
        default=None, description="Name of the compliance test, such as TEST06; null: not a compliance run."
    )

    @property
    def kind(self) -> str:
        """What the run is: its mode, or its compliance test."""
        return self.compliance_test or str(self.mode)


class ScenarioRules(Model):
    """Rules of one scenario: its names, how queries are issued, run lengths and limits."""

    name: FolderName = Field(
        description="Name in targets and in folders of a run directory; the key in the round."
    )
    folder: FolderName = Field(description="Name of its folder in a submission tree, and in reports.")
    loadgen_scenario: LoadGenScenario | None = Field(
        default=None, description="Null: a client other than LoadGen issues the queries."
    )
    loadgen_model: FolderName | None = Field(default=None, description="Default: the round's loadgen.model.")
    endpoints: EndpointsDrive | None = Field(
        default=None, description="How the official endpoints client issues the queries; null: it does not."
    )
    dataset: FolderName | None = Field(
        default=None,
        description="Which of the round's further datasets it uses; null: the round's own.",
    )
    metrics: dict[FolderName, MetricRules] = Field(
        default={}, description="Metrics that gate this scenario, if not the round's."
    )
    metric: PerformanceMetric = Field(description="Published result of the performance run.")
    min_duration_s: float = Field(
        gt=0, le=LONGEST_S, description="Shortest duration of a performance run, in s."
    )
    min_query_count: int = Field(
        gt=0, lt=2**63, description="Smallest number of queries; Offline: of samples in the single query."
    )
    limits: Limits = Limits()
    runs: dict[FolderName, RunRules] = Field(
        default={
            "performance": RunRules(mode=Mode.PERFORMANCE),
            "accuracy": RunRules(mode=Mode.ACCURACY),
        },
        description="Runs by the name of their folder.",
    )
    required: bool = Field(
        default=True, description="True: a submission in the closed division must contain it."
    )

    @model_validator(mode="after")
    def _has_both_ordinary_runs(self) -> Self:
        ordinary = {name: run.mode for name, run in self.runs.items() if run.compliance_test is None}
        if ordinary != {str(mode): mode for mode in Mode}:
            raise ValueError(
                "runs must have 'performance' and 'accuracy', each of its own mode; "
                "any other run is one of a compliance test"
            )
        if taken := [name for name in self.runs if number_of_repeat(name) is not None]:
            raise ValueError(f"the run {taken[0]} has the name of a repeated performance run; choose another")
        return self

    def rules_of(self, run: str) -> RunRules:
        """Return the rules of a run by its name; a repeat has those of the performance run."""
        return self.runs[run if number_of_repeat(run) is None else Mode.PERFORMANCE]

    @property
    def compliance_runs(self) -> dict[str, str]:
        """The name of the compliance test of each run that is one of such a test, by the run's name."""
        return {name: run.compliance_test for name, run in self.runs.items() if run.compliance_test}

    @property
    def offline(self) -> bool:
        """Whether all samples are issued in a single query."""
        if self.endpoints is not None:
            return self.endpoints.load_pattern == "max_throughput"
        return self.loadgen_scenario is LoadGenScenario.OFFLINE

    @property
    def has_schedule(self) -> bool:
        """Whether queries have due times, so that a target rate is issued."""
        if self.endpoints is not None:
            return self.endpoints.load_pattern == "poisson"
        return self.loadgen_scenario is LoadGenScenario.SERVER

    @property
    def searchable(self) -> bool:
        """Whether a highest rate can be searched for: LoadGen issues a rate, and a limit must be kept."""
        return self.has_schedule and self.endpoints is None and bool(self.limits.by_name)
