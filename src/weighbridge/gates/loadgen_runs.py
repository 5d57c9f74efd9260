"""Judge a performance run by LoadGen's logs, with the accuracy run and the compliance runs beside it."""

from dataclasses import replace
from pathlib import Path

from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.gates.accuracy_checks import accuracy_checks, known_scores, samples_asked
from weighbridge.gates.client_checks import client_checks
from weighbridge.gates.evidence_checks import evidence_checks
from weighbridge.gates.log_checks import common_checks, loadgen_version
from weighbridge.gates.performance_checks import performance_checks, suggested_target_qps
from weighbridge.gates.performance_figures import NO_FIGURES, Performance
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.scenario_runs import ClientChecks, JudgedRun, ScenarioRuns, no_run, why_lost
from weighbridge.gates.token_figures import TOKEN_LATENCIES, figures_of
from weighbridge.loadgen.logs import DetailLog, read_detail
from weighbridge.loadgen.work_size import explain_work
from weighbridge.records.run_record import DETAIL, RunRecord
from weighbridge.records.verdict import Check, LatencyFigures


def has_logs(folder: Path) -> bool:
    """Return whether a run's folder has LoadGen's log."""
    return (folder / DETAIL).is_file()


def client_checks_in(runs: ScenarioRuns) -> ClientChecks:
    """Return the checks that the client was not the limit, for any run of a scenario."""
    return lambda folder, record, rows: client_checks(
        read_detail(folder / DETAIL), record.load, rows, runs.round_, runs.scenario
    )


def judge_loadgen_run(
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
        InputError: a file is missing or damaged.
    """
    round_, scenario, scored = runs.round_, runs.scenario, runs.scored
    # The logs of a run that was ended because it was lost have no result; run.json says all there is.
    lost = why_lost(records[0])
    measured = None if lost else performance
    log = None if measured is None else read_detail(measured / DETAIL)
    scores = known_scores(scored.accuracy, scored.evaluation, round_)
    rows = None if measured is None else RequestRows.read(measured)
    ttft, tpot = _token_latencies(rows, log, scenario)
    numbers = NO_FIGURES if log is None else Performance.of(log, scenario)
    if records[0] is not None and lost is not None:
        numbers = replace(numbers, target_qps=records[0].load.requested_qps)
    asked = scenario if log is None else _as_asked(log, numbers, scenario)
    if log is None:
        suggested = lost.suggested_target_qps if lost else None
    else:
        suggested = suggested_target_qps(log, numbers, round_, asked)
    return JudgedRun(
        result_checks=(
            *(() if lost else _performance(performance, log, runs)),
            *_accuracy(runs, scores),
        ),
        evidence_checks=tuple(evidence_checks(measured, scored.accuracy, *records, scored, round_, scenario)),
        numbers=numbers,
        scores=scores,
        ttft=ttft,
        tpot=tpot,
        rows=rows,
        suggested_target_qps=suggested,
        work=explain_work(round_, asked, numbers.target_qps) if numbers.target_qps else None,
        loadgen_version=None if log is None else loadgen_version(log),
    )


def _performance(folder: Path | None, log: DetailLog | None, runs: ScenarioRuns) -> tuple[Check, ...]:
    if folder is None or log is None:
        return no_run(Mode.PERFORMANCE)
    return (
        *common_checks(folder, log, Mode.PERFORMANCE, runs.round_, runs.scenario),
        *performance_checks(log, runs.round_, runs.scenario),
    )


def _accuracy(runs: ScenarioRuns, scores: dict[str, float]) -> tuple[Check, ...]:
    folder, round_ = runs.accuracy, runs.round_
    if folder is None:
        return no_run(Mode.ACCURACY, runs.not_made.get(Mode.ACCURACY))
    log = read_detail(folder / DETAIL)
    return (
        *common_checks(folder, log, Mode.ACCURACY, round_, runs.scenario),
        *accuracy_checks(samples_asked(log), round_, runs.scored.evaluation, scores),
    )


def _token_latencies(
    rows: RequestRows | None, log: DetailLog | None, scenario: ScenarioRules
) -> tuple[LatencyFigures | None, ...]:
    """Return the token latencies of a performance run beside their limits; None: LoadGen measured none."""
    if log is None or not log.flag("requested_use_token_latencies"):
        return tuple(None for _ in TOKEN_LATENCIES)
    queries = Performance.of(log, scenario).queries
    return tuple(figures_of(latency, log, rows, scenario, queries) for latency in TOKEN_LATENCIES)


def _as_asked(log: DetailLog, numbers: Performance, scenario: ScenarioRules) -> ScenarioRules:
    """Return the scenario with the duration and count of the run's user.conf, where they exceed the round's.

    The amount of work and the better rate follow from these; what passes does not. What the run did not
    reach is not used: it may be a slip, and its work too much to compute.
    """
    duration_s = (log.number("requested_min_duration_ms") or 0) / 1000
    count = log.integer("requested_min_query_count") or 0
    changes: dict[str, float] = {}
    if scenario.min_duration_s < duration_s <= (numbers.duration_s or 0):
        changes["min_duration_s"] = duration_s
    if scenario.min_query_count < count <= (numbers.queries or 0):
        changes["min_query_count"] = count
    return scenario.model_copy(update=changes)
