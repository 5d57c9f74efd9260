"""Judge a performance run by the official client's files, with the accuracy phase of the same invocation."""

from dataclasses import replace
from pathlib import Path

from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.endpoints.client_config import explain_planned_work
from weighbridge.endpoints.client_results import ClientResults, ReportedSeries, ResultSummary
from weighbridge.endpoints.events import Events
from weighbridge.gates.accuracy_checks import accuracy_checks, known_scores
from weighbridge.gates.endpoints_config_checks import config_checks
from weighbridge.gates.endpoints_event_checks import event_checks
from weighbridge.gates.endpoints_evidence_checks import busy_of, evidence_checks
from weighbridge.gates.endpoints_figures import can_be_planned, performance_of, suggested_target_qps
from weighbridge.gates.endpoints_proof_checks import proof_checks
from weighbridge.gates.endpoints_score_checks import declared_counts, declared_score, score_declared_checks
from weighbridge.gates.endpoints_summary_checks import summary_checks
from weighbridge.gates.performance_figures import NO_FIGURES, seconds
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.scenario_runs import ClientChecks, JudgedRun, ScenarioRuns, no_run, why_lost
from weighbridge.records.official_client import CLIENT_FILES, client_folder
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.verdict import Check, Gate, LatencyFigures


def has_results(folder: Path) -> bool:
    """Return whether a run's folder has files of the official client, or our record of a run of it."""
    files = (client_folder(folder) / name for name in CLIENT_FILES)
    return (folder / RUN_RECORD).is_file() or any(file.is_file() for file in files)


def client_checks_in(runs: ScenarioRuns) -> ClientChecks:
    """Return the checks that the client was not the limit, for any run of a scenario."""
    return lambda _folder, record, _rows: busy_of(record, runs.round_, runs.scenario)


def judge_client_run(
    performance: Path | None,
    records: tuple[RunRecord | None, RunRecord | None],
    runs: ScenarioRuns,
) -> JudgedRun:
    """Judge one performance run.

    Args:
        performance: Its folder; None: there is no such run.
        records: Its run.json and that of the accuracy run; None: there is none.
        runs: The scenario's other runs.

    Raises:
        InputError: a file is damaged.
    """
    round_, scenario = runs.round_, runs.scenario
    lost = why_lost(records[0])
    measured = None if lost else performance
    results = None if measured is None else ClientResults.read(measured)
    events = None if measured is None else Events.read(measured)
    numbers = NO_FIGURES
    if results is not None:
        numbers = performance_of(results, events.performance if events else None, scenario) or NO_FIGURES
    if records[0] is not None:
        numbers = replace(numbers, target_qps=records[0].load.requested_qps)
    if not can_be_planned(numbers.target_qps, round_, scenario):
        numbers = replace(numbers, target_qps=None)
    scores, target = _scores(results, runs), numbers.target_qps
    suggested = suggested_target_qps(numbers, round_, scenario, results) if results else None
    summary = results.summary if results else None
    return JudgedRun(
        result_checks=(
            *(() if lost else _performance(results, events, records[0], runs)),
            *_accuracy(results, events, runs, scores),
        ),
        evidence_checks=tuple(evidence_checks(measured, records, events, runs.scored, scenario)),
        numbers=numbers,
        scores=scores,
        latency_estimate_s=_latency_estimate_s(summary, scenario),
        ttft=_figures(summary.ttft if summary else None, scenario, "ttft"),
        tpot=_figures(summary.tpot if summary else None, scenario, "tpot"),
        rows=None if measured is None else RequestRows.read(measured),
        suggested_target_qps=lost.suggested_target_qps if lost else suggested,
        work=explain_planned_work(round_, scenario, target) if target else None,
        client_commit=_commit(results, records[0]),
    )


def _performance(
    results: ClientResults | None, events: Events | None, record: RunRecord | None, runs: ScenarioRuns
) -> tuple[Check, ...]:
    if results is None:
        return no_run(Mode.PERFORMANCE)
    gate, round_, scenario = Gate(Mode.PERFORMANCE), runs.round_, runs.scenario
    summary_checks(gate, results, round_, scenario)
    config_checks(gate, results.config, record, round_, scenario)
    event_checks(gate, results, events, round_, scenario)
    proof_checks(gate, results, record, runs.scored.inputs, round_, scenario)
    return tuple(gate.checks)


def _accuracy(
    results: ClientResults | None, events: Events | None, runs: ScenarioRuns, scores: dict[str, float]
) -> tuple[Check, ...]:
    if runs.accuracy is None or results is None:
        return no_run(Mode.ACCURACY, runs.not_made.get(Mode.ACCURACY))
    gate, evaluation = Gate(Mode.ACCURACY), runs.scored.evaluation
    phase = events.accuracy if events else None
    score_declared_checks(gate, results.accuracy, phase, evaluation, runs.round_, runs.scenario)
    counts = declared_counts(results.accuracy, runs.scenario)
    asked = counts.issued if counts else None
    return (*gate.checks, *accuracy_checks(asked, runs.round_, evaluation, scores))


def _scores(results: ClientResults | None, runs: ScenarioRuns) -> dict[str, float]:
    """Return every gated score that is known: ours, or else what the client declares."""
    evaluation, round_ = runs.scored.evaluation, runs.round_
    if evaluation is not None:
        return known_scores(runs.accuracy, evaluation, round_)
    declared = declared_score(results.accuracy if results else None, runs.scenario)
    return {} if declared is None else {round_.main_metric: declared}


def _latency_estimate_s(summary: ResultSummary | None, scenario: ScenarioRules) -> float | None:
    """Return the estimate that the limit is for; None: there is none."""
    limit, latency = scenario.limits.latency, summary.latency if summary else None
    return None if limit is None or latency is None else seconds(latency.estimate(limit.percentile))


def _figures(series: ReportedSeries | None, scenario: ScenarioRules, name: str) -> LatencyFigures | None:
    """Return the percentiles of a token latency; None: it was not measured."""
    if series is None or series.percentile(0.5) is None:
        return None
    limit = scenario.limits.by_name.get(name)
    return LatencyFigures(
        p50_s=seconds(series.percentile(0.5)),
        p90_s=seconds(series.percentile(0.9)),
        p99_s=seconds(series.percentile(0.99)),
        limit_s=None if limit is None else limit.limit_s,
        percentile=None if limit is None else limit.percentile,
    )


def _commit(results: ClientResults | None, record: RunRecord | None) -> str | None:
    if record is not None and record.client is not None:
        return record.client.commit
    return results.summary.git_sha if results and results.summary else None
