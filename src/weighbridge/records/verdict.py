"""verdict.json: the checks of one scenario and the verdict over all of them."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.formatting import beside_limit, value_text
from weighbridge.core.models import Model
from weighbridge.records.disturbance import Disturbance, NotExamined
from weighbridge.records.earlier_releases import ONLY_BENCHMARK, round_reference
from weighbridge.records.performance_runs import Outcome, PerformanceRuns

VERDICT = "verdict.json"
_LIMIT_DIGITS = 12  # limits are shown with more digits than values
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")

Value = str | int | float | bool | None


class Check(Model):
    """One rule applied to one value."""

    run: str | None = Field(description="Name of the run; null: the check concerns several runs.")
    name: str = Field(description="What is checked.")
    value: Value = Field(description="What was found.")
    limit: str = Field(description="The required value, as text.")
    passed: bool | None = Field(description="Null: unknown, because the evidence is missing, or not asked.")
    asked: bool = Field(default=True, description="False: the round asks no verdict; 'limit' says why.")
    remedy: str | None = Field(description="What to do next; null if the check passed.")

    @property
    def shown(self) -> str:
        """Its value for a person, in no more digits than tell it apart from the numbers of its limit."""
        if not isinstance(self.value, float):
            return value_text(self.value)
        return beside_limit(self.value, [float(each) for each in _NUMBER.findall(self.limit)])

    @property
    def wording(self) -> str:
        """Its name, value and limit, for a sentence."""
        if self.limit == value_text(None):  # there must be nothing
            return f"{self.name}: {self.shown}"
        return f"{self.name} {self.shown}, limit {self.limit}"


class Reading(Model):
    """One published reading of the accuracy floor; the round decides which one gates."""

    floor: float = Field(description="Lowest score that this reading accepts.")
    passed: bool | None = Field(description="Null: there is no score.")


class LatencyFigures(Model):
    """One latency of a performance run's samples, and its limit; null where it is not known."""

    p50_s: float | None = Field(default=None, description="Median over all samples, in s.")
    p90_s: float | None = Field(default=None, description="90th percentile, in s.")
    p99_s: float | None = Field(default=None, description="99th percentile, in s.")
    limit_s: float | None = Field(
        default=None, description="Largest value at the percentile, in s; null: the round has no limit."
    )
    percentile: float | None = Field(default=None, description="Of the limit, as a share, such as 0.99.")
    over: int | None = Field(default=None, description="Number of samples above the limit.")
    over_allowed: int | None = Field(
        default=None, description="Largest such number that early stopping allows."
    )
    queries_needed: int | None = Field(
        default=None, description="Number of queries needed to pass early stopping with `over` late ones."
    )


class ScenarioFigures(Model):
    """A scenario's outcome and its measured figures."""

    scenario: str = Field(description="Name in targets and in folders of the run directory.")
    title: str = Field(description="Name in a submission tree and in reports.")
    outcome: Outcome = Field(description="UNPROVEN: no check failed, but some are unknown.")
    rate: float | None = Field(description="The published result, in `rate_unit`.")
    rate_unit: str = Field(
        description="samples/s, queries/s or tokens/s; 's (p90)' if the result is that latency percentile."
    )
    rate_error: float | None = Field(
        default=None,
        description="Standard error of `rate`, from the spread of several runs, else from batches of one; "
        "null: not known.",
    )
    performance_runs: PerformanceRuns | None = Field(
        default=None, description="All performance runs, of which the figures are one's; null: there is one."
    )
    issued_at_once: bool | None = Field(
        default=None, description="All samples were one query: latencies count from its start. Null: unknown."
    )
    scheduled_rate: float | None = Field(description="Server: queries/s as scheduled by LoadGen.")
    duration_s: float | None = Field(description="Duration of the performance run, as LoadGen computes it.")
    p50_latency_s: float | None = Field(default=None, description="Median latency over all samples.")
    p90_latency_s: float | None = Field(
        default=None, description="90th percentile of latency over all samples."
    )
    p99_latency_s: float | None = Field(description="99th percentile of latency over all samples.")
    latency_estimate_s: float | None = Field(
        default=None,
        description="Early-stopping estimate of latency at the percentile of its limit, which the official "
        "client's runs are judged by; null: LoadGen counts late queries instead, or not known.",
    )
    ttft: LatencyFigures | None = Field(
        default=None, description="Time to the first token; null: answers are not streamed."
    )
    tpot: LatencyFigures | None = Field(
        default=None, description="Time per output token after the first; null: answers are not streamed."
    )
    tokens_per_s: float | None = Field(default=None, description="Output tokens/s of the performance run.")
    queries: int | None = Field(description="Number of samples that the performance run issued.")
    over_latency: int | None = Field(description="Server: number of queries that took longer than the limit.")
    over_latency_allowed: int | None = Field(
        description="Server: largest such number that early stopping allows."
    )
    queries_needed: int | None = Field(
        description="Server: number of queries needed to pass early stopping with `over_latency` late ones."
    )
    target_qps: float | None = Field(
        description="Target rate of the performance run: Offline samples/s, Server queries/s."
    )
    suggested_target_qps: float | None = Field(
        description="Target rate for the next run; null: keep the current one."
    )
    work: str | None = Field(description="How many samples LoadGen issues at this target rate, and why.")
    metric: str = Field(description="The round's main metric.")
    accuracy: float | None = Field(description="Value of the main metric, unrounded.")
    floor: float | None = Field(default=None, description="Lowest value of the main metric that passes.")
    metrics: dict[str, float] = Field(default={}, description="Every metric that the round gates, unrounded.")
    score_limits: dict[str, tuple[float, ...]] = Field(
        default={}, description="Floor and ceiling of each metric, as far as the round has them."
    )
    readings: dict[str, Reading] = Field(description="Published readings of the floor, by name.")
    unparsable: int | None = Field(description="Number of answers that could not be parsed.")
    empty: int | None = Field(description="Number of answers without text; they also count as unparsable.")
    loadgen_version: str | None = Field(description="LoadGen release from the performance run's log.")
    client_commit: str | None = Field(
        default=None,
        description="Commit of the official endpoints client that issued the requests, as far as it is "
        "proven or stated; null: LoadGen issued them, or not known.",
    )
    server_version: str | None = Field(
        description="As reported by the server; may differ from the round's reference."
    )

    @property
    def has_latencies(self) -> bool:
        """Return whether latencies are those of queries, not times since the start of a single query."""
        return self.over_latency is not None if self.issued_at_once is None else not self.issued_at_once

    @property
    def p99_of_queries_s(self) -> float | None:
        """Return the 99th percentile of the queries' latencies; None: not known, or there are no such."""
        return self.p99_latency_s if self.has_latencies else None

    @property
    def chosen_run(self) -> str:
        """Return the name of the performance run that is the result."""
        return Mode.PERFORMANCE if self.performance_runs is None else self.performance_runs.chosen

    def limits_of(self, metric: str) -> tuple[float, ...]:
        """Return what a metric's value is told apart from: its limits, and other readings of the floor."""
        floor = () if self.floor is None or metric != self.metric else (self.floor,)
        readings = [each.floor for each in self.readings.values()] if metric == self.metric else []
        return (*floor, *readings, *self.score_limits.get(metric, ()))

    @property
    def scores(self) -> dict[str, float | None]:
        """Return every metric that the round gates, the main one first; None: not known."""
        return {self.metric: self.accuracy} | self.metrics


class Verdict(ScenarioFigures):
    """Contents of verdict.json: one scenario's performance and accuracy run, judged together."""

    round: str
    benchmark: str = ONLY_BENCHMARK
    category: str | None = None
    submittable: bool = Field(description="False: a demonstration; do not cite these numbers.")
    not_submittable_because: str | None = Field(
        default=None, description="Reason, if it is not that the round is a demonstration."
    )
    checks: tuple[Check, ...]
    repeat_checks: tuple[Check, ...] = Field(
        default=(),
        description="Checks of the performance runs that are not the result; the outcome is not of them.",
    )
    not_made: dict[str, str] = Field(
        default={},
        description="Why runs were not made, by their names: the performance run did not count. Asked for by "
        "name, they are made.",
    )
    disturbances: tuple[Disturbance, ...] = Field(
        default=(),
        description="Signs that something else moved the figures; they fail a strict verdict only.",
    )
    not_examined: tuple[NotExamined, ...] | None = Field(
        default=None,
        description="Signs that could not be looked for, and why; null: an earlier release looked for none.",
    )

    @property
    def round_reference(self) -> str:
        """What finds the round again."""
        return round_reference(self.round, self.benchmark, self.category)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def unknown(self) -> tuple[Check, ...]:
        """The checks whose evidence is missing."""
        return tuple(check for check in self.checks if check.asked and check.passed is None)

    @property
    def not_asked(self) -> tuple[Check, ...]:
        """The checks on which the round asks no verdict."""
        return tuple(check for check in self.checks if not check.asked)


def runs_not_made(path: Path) -> tuple[str, ...]:
    """Return the runs that a verdict was made without; none where there is no verdict that can be read."""
    try:
        return tuple(Verdict.read(path).not_made) if path.is_file() else ()
    except InputError:
        return ()


def write_verdict(verdict: Verdict, path: Path) -> None:
    """Write verdict.json; a failed gate is a result too, so every verdict is written."""
    write_atomic(path, verdict.model_dump_json(indent=2) + "\n")


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Return INVALID if any check failed, else UNPROVEN if any is unknown, else VALID."""
    if any(check.passed is False for check in checks):
        return "INVALID"
    return "UNPROVEN" if any(check.asked and check.passed is None for check in checks) else "VALID"


def by_remedy(checks: Iterable[Check]) -> dict[str | None, list[Check]]:
    """Group checks by remedy, so that each remedy is printed once."""
    groups: dict[str | None, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.remedy, []).append(check)
    return groups


class Gate:
    """Collect the checks of one run; a value missing from a log fails its check."""

    def __init__(self, run: str | None) -> None:
        self.checks: list[Check] = []
        self._run = run

    def holds(self, name: str, value: Value, limit: str, passed: bool | None, remedy: str) -> None:
        """Add a check whose outcome the caller decided; the remedy is dropped if it passed."""
        needed = None if passed else remedy
        self.checks.append(
            Check(run=self._run, name=name, value=value, limit=limit, passed=passed, remedy=needed)
        )

    def not_asked(self, name: str, value: Value, why: str) -> None:
        """Add a value on which the round asks no verdict, and why."""
        limit = f"not asked: {why}"
        self.checks.append(
            Check(run=self._run, name=name, value=value, limit=limit, passed=None, asked=False, remedy=None)
        )

    def unknown(self, name: str, limit: str, remedy: str) -> None:
        """Add a check whose evidence is missing."""
        self.holds(name, None, limit, None, remedy)

    def equals(self, name: str, value: Value, wanted: Value, remedy: str) -> None:
        """Check that a value equals the wanted one."""
        self.holds(name, value, value_text(wanted, _LIMIT_DIGITS), value == wanted, remedy)

    def at_least(self, name: str, value: float | None, floor: float, unit: str, remedy: str) -> None:
        """Check that a value is at least `floor`; `unit` is shown after the limit."""
        limit = f">= {value_text(floor, _LIMIT_DIGITS)} {unit}".rstrip()
        self.holds(name, value, limit, value is not None and value >= floor, remedy)

    def at_most(self, name: str, value: float | None, ceiling: float, unit: str, remedy: str) -> None:
        """Check that a value is at most `ceiling`; `unit` is shown after the limit."""
        limit = f"<= {value_text(ceiling, _LIMIT_DIGITS)} {unit}".rstrip()
        self.holds(name, value, limit, value is not None and value <= ceiling, remedy)
