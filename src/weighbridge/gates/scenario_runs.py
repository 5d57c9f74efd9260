"""A scenario's runs as they are judged, and what is found of one of them, whatever evidence they left."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, PerformanceMetric, ScenarioRules
from weighbridge.evaluation.rate_error import relative_error
from weighbridge.gates.performance_figures import NO_FIGURES, Performance
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.score_checks import ScoredAnswers
from weighbridge.records.run_record import RUN_RECORD, LostRun, RunRecord
from weighbridge.records.verdict import Check, Gate, LatencyFigures

# Folder of a run, its run.json and its requests -> the checks that the client was not its limit.
ClientChecks = Callable[[Path, RunRecord, RequestRows | None], list[Check]]


@dataclass(frozen=True)
class ScenarioRuns:
    """A scenario's runs beside its performance run.

    Attributes:
        scenario: Its rules.
        scored: The accuracy run, its answers and the round.
        compliance: Folders of the compliance runs by the runs' names.
        not_made: Why runs that are missing were not made, by the runs' names.
        records: run.json of every run, performance runs too, by the runs' names; None: there is none.
    """

    scenario: ScenarioRules
    scored: ScoredAnswers
    compliance: Mapping[str, Path]
    not_made: Mapping[str, str]
    records: Mapping[str, RunRecord | None]

    @property
    def round_(self) -> Round:
        """The round as it holds for the scenario."""
        return self.scored.round_

    @property
    def accuracy(self) -> Path | None:
        """Folder of the accuracy run; None: there is no such run."""
        return self.scored.accuracy


@dataclass(frozen=True)
class JudgedRun:
    """What the evidence of one performance run shows, with the accuracy run beside it.

    Attributes:
        result_checks: Of results, counts, limits and scores.
        evidence_checks: Of what the records of requests and answers show.
        numbers: The figures.
        scores: Every gated score that is known, by metric.
        latency_estimate_s: What early stopping estimates of latency; None: it does not, or not known.
        ttft, tpot: Token latencies; None: not measured.
        rows: The requests; None: not recorded.
        suggested_target_qps: A better target rate; None: keep it.
        work: How many samples are issued at its target rate, and why; None: not known.
        loadgen_version, client_commit: What issued the requests; None: the other, or not known.
    """

    result_checks: tuple[Check, ...]
    evidence_checks: tuple[Check, ...]
    scores: Mapping[str, float]
    numbers: Performance = NO_FIGURES
    latency_estimate_s: float | None = None
    ttft: LatencyFigures | None = None
    tpot: LatencyFigures | None = None
    rows: RequestRows | None = None
    suggested_target_qps: float | None = None
    work: str | None = None
    loadgen_version: str | None = None
    client_commit: str | None = None

    def rate_error(self, metric: PerformanceMetric) -> float | None:
        """Return the standard error of the rate from the run's own completions; None: not known."""
        rows, rate = self.rows, self.numbers.rate
        if rows is None or rate is None or isinstance(metric, LatencyMetric) or not len(rows):
            return None
        done = rows.completed
        ends_s = (rows.end_ns[done] - rows.planned_ns.min()) / 1e9
        share = relative_error(ends_s, rows.tokens[done] if metric == "tokens/s" else None)
        return None if share is None else share * rate


def no_run(run: str, reason: str | None = None) -> tuple[Check, ...]:
    """Return the check of a run that is missing, with the reason why it was not made, where it is known."""
    gate = Gate(run)
    remedy = f"A result needs both runs; add the logs of the {run} run." if reason is None else f"{reason}."
    gate.holds("run", None if reason is None else "not made", "present", None, remedy)
    return tuple(gate.checks)


def record_in(folder: Path | None) -> RunRecord | None:
    """Read the run.json of a run's folder; None: there is none.

    Raises:
        InputError: it is damaged.
    """
    if folder is None or not (folder / RUN_RECORD).is_file():
        return None
    return RunRecord.read(folder / RUN_RECORD)


def why_lost(record: RunRecord | None) -> LostRun | None:
    """Return why a run was ended before it had a result; None: it was not."""
    return record.load.lost if record is not None and record.ended_as_lost else None
