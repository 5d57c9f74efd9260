"""What the gates say: one check a line, and the verdict over all of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.config.round import Mode
from weighbridge.core.files import write_atomic
from weighbridge.core.formatting import value_text
from weighbridge.core.models import Model

VERDICT = "verdict.json"
_LIMIT_DIGITS = 12  # more than values are shown with: a limit is shown exactly

Value = str | int | float | bool | None
Outcome = Literal["VALID", "INVALID", "UNPROVEN"]


class Check(Model):
    """One rule, held against one value."""

    run: Mode | None = Field(description="Null: both runs together.")
    name: str
    value: Value
    limit: str = Field(description="What the rule asks, in words.")
    passed: bool | None = Field(description="Null: not known, because what tells it is not there.")
    remedy: str | None = Field(description="What to do next; null when it passed.")


class Reading(Model):
    """One published reading of the accuracy floor; the round says which of them gates."""

    floor: float = Field(description="The lowest score that it accepts.")
    passed: bool | None = Field(description="Null: there is no score.")


class Figures(Model):
    """A scenario's outcome and the numbers behind it."""

    scenario: str = Field(description="Its name in targets and folders of the run directory.")
    title: str = Field(description="Its name in a submission tree, and for people.")
    outcome: Outcome = Field(description="UNPROVEN: nothing failed, but something is not known.")
    rate: float | None = Field(description="The result that is published, in `rate_unit`.")
    rate_unit: str = Field(description="samples/s, queries/s or tokens/s; s where the result is a latency.")
    scheduled_rate: float | None = Field(description="Server: queries per second as LoadGen planned them.")
    duration_s: float | None = Field(description="Of the performance run, as LoadGen reckons it.")
    p50_latency_s: float | None = Field(default=None, description="Half of all samples took no longer.")
    p90_latency_s: float | None = Field(default=None, description="90 % of all samples took no longer.")
    p99_latency_s: float | None = Field(description="99 % of all samples took no longer.")
    queries: int | None = Field(description="Samples that the performance run issued.")
    over_latency: int | None = Field(description="Server: queries that took longer than the limit.")
    over_latency_allowed: int | None = Field(description="Server: as many may, by early stopping.")
    queries_needed: int | None = Field(
        description="Server: with so many over latency, so many queries pass early stopping."
    )
    target_qps: float | None = Field(description="As the performance run had it.")
    suggested_target_qps: float | None = Field(description="For the next run; null: keep it.")
    work: str | None = Field(description="What the target rate made LoadGen issue, and why.")
    metric: str = Field(description="The main score of those that the round gates.")
    accuracy: float | None = Field(description="That score, unrounded.")
    floor: float | None = Field(default=None, description="What the score must reach.")
    metrics: dict[str, float] = Field(default={}, description="Every score that the round gates, unrounded.")
    readings: dict[str, Reading] = Field(description="Published readings of the floor, by name.")
    unparsable: int | None = Field(description="Answers that could not be read.")
    empty: int | None = Field(description="Answers without any text; each is unparsable too.")
    loadgen_version: str | None = Field(description="As the performance run's log names it.")
    server_version: str | None = Field(description="As the server told; the round's reference may differ.")


class Verdict(Figures):
    """All of verdict.json: one scenario's performance run and accuracy run, judged together."""

    round: str
    submittable: bool = Field(description="False: a demonstration, nobody's result.")
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def unknown(self) -> tuple[Check, ...]:
        """The checks that nothing on disk can answer."""
        return tuple(check for check in self.checks if check.passed is None)


def write_verdict(verdict: Verdict, path: Path) -> None:
    """Write verdict.json, whatever the verdict: a failed gate is a result."""
    write_atomic(path, verdict.model_dump_json(indent=2) + "\n")


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Judge: one failed check makes a scenario INVALID, one unknown check leaves it UNPROVEN."""
    if any(check.passed is False for check in checks):
        return "INVALID"
    return "UNPROVEN" if any(check.passed is None for check in checks) else "VALID"


def by_remedy(checks: Iterable[Check]) -> dict[str | None, list[Check]]:
    """Group checks that ask for the same remedy, so that it is said once."""
    groups: dict[str | None, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.remedy, []).append(check)
    return groups


class Gate:
    """Collects the checks of one run; a value that a log lacks has failed its check."""

    def __init__(self, run: Mode | None) -> None:
        self.checks: list[Check] = []
        self._run = run

    def holds(self, name: str, value: Value, limit: str, passed: bool | None, remedy: str) -> None:
        """Add a check that was decided elsewhere; its remedy is kept where it is needed."""
        said = None if passed else remedy
        self.checks.append(
            Check(run=self._run, name=name, value=value, limit=limit, passed=passed, remedy=said)
        )

    def unknown(self, name: str, limit: str, remedy: str) -> None:
        """Add a check that nothing on disk can answer."""
        self.holds(name, None, limit, None, remedy)

    def equals(self, name: str, value: Value, wanted: Value, remedy: str) -> None:
        """Check that a value is the wanted one."""
        self.holds(name, value, value_text(wanted, _LIMIT_DIGITS), value == wanted, remedy)

    def at_least(self, name: str, value: float | None, floor: float, unit: str, remedy: str) -> None:
        """Check a value against a floor."""
        limit = f">= {value_text(floor, _LIMIT_DIGITS)} {unit}".rstrip()
        self.holds(name, value, limit, value is not None and value >= floor, remedy)

    def at_most(self, name: str, value: float | None, ceiling: float, unit: str, remedy: str) -> None:
        """Check a value against a ceiling."""
        limit = f"<= {value_text(ceiling, _LIMIT_DIGITS)} {unit}".rstrip()
        self.holds(name, value, limit, value is not None and value <= ceiling, remedy)
