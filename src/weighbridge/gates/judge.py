"""Judge one scenario: run all checks over its runs and collect the measured figures."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, Mode, PerformanceMetric, ScenarioRules
from weighbridge.evaluation.rate_error import relative_error
from weighbridge.gates.accuracy_checks import accuracy_checks, known_scores, readings
from weighbridge.gates.closed_checks import NO_INPUTS, Inputs, closed_checks
from weighbridge.gates.compliance_checks import compliance_checks
from weighbridge.gates.disturbance_checks import disturbances_of, strict_checks
from weighbridge.gates.evidence_checks import evidence_checks
from weighbridge.gates.log_checks import common_checks, loadgen_version
from weighbridge.gates.performance_checks import performance_checks, suggested_target_qps
from weighbridge.gates.performance_figures import Performance
from weighbridge.gates.record_checks import record_checks
from weighbridge.gates.repeated_runs import verdict_of_runs
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.score_checks import ScoredAnswers
from weighbridge.gates.server_checks import server_checks
from weighbridge.gates.token_figures import TOKEN_LATENCIES, figures_of
from weighbridge.loadgen.early_stopping import max_over_latency, min_queries
from weighbridge.loadgen.logs import DetailLog, read_detail
from weighbridge.loadgen.work_size import explain_work
from weighbridge.records.run_record import DETAIL, RUN_RECORD, LostRun, RunRecord
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Check, Gate, LatencyFigures, Verdict, outcome_of

_NOTHING = Performance(*[None] * len(fields(Performance)))


def judge(
    *,
    performance: Path | None,
    accuracy: Path | None,
    evaluation: Evaluation | None,
    round_: Round,
    scenario: ScenarioRules,
    inputs: Inputs = NO_INPUTS,
    compliance: Mapping[str, Path] | None = None,
    strict: bool = False,
    repeats: Mapping[str, Path] | None = None,
    not_made: Mapping[str, str] | None = None,
) -> Verdict:
    """Judge one scenario and return its verdict; of several performance runs, that of the median one.

    Args:
        performance: Folder of the performance run: LoadGen's logs and, if Weighbridge made it, run.json.
            None: there is no such run.
        accuracy: Folder of the accuracy run, likewise.
        evaluation: The accuracy run's accuracy.json. None: the score is read from an accuracy.txt in
            `accuracy` or its parent, and whether every sample was answered stays unknown.
        round_: The rules.
        scenario: The scenario of that round that both runs are expected to belong to.
        inputs: What the runs were made from. What is missing leaves the checks of the closed division that
            need it unknown.
        compliance: The folders of compliance runs, likewise, by the runs' names; those that are missing are
            unknown.
        strict: Each disturbance of a run is a failed check; else it is a warning beside the checks.
        repeats: The folders of further performance runs, likewise, in order.
        not_made: Why runs that are missing were not made, by the runs' names.

    Raises:
        InputError: a detail log, run.json or accuracy.txt is missing or damaged.
    """
    runs = {str(Mode.PERFORMANCE): performance, **(repeats or {})}
    all_runs = {**runs, str(Mode.ACCURACY): accuracy, **(compliance or {})}
    records = {run: _record(each) for run, each in all_runs.items()}
    there = {
        run: each
        for run, each in all_runs.items()
        if each is not None and (each / DETAIL).is_file() and _lost(records[run]) is None
    }
    disturbances = disturbances_of(there, records, round_, scenario)
    of_disturbances = strict_checks(disturbances) if strict else []
    scored = ScoredAnswers(accuracy, evaluation, inputs, round_)
    others = (scored, scenario, compliance or {}, not_made or {})
    verdict = verdict_of_runs(
        {
            name: _judge_runs(folder, *others, _checks_beside(name, of_disturbances, runs))
            for name, folder in runs.items()
        }
    )
    return verdict.model_copy(
        update={
            "disturbances": disturbances.found,
            "not_examined": disturbances.not_examined,
            "not_made": dict(not_made or {}),
        }
    )


def _checks_beside(run: str, checks: Iterable[Check], runs: Collection[str]) -> list[Check]:
    """Return the checks that concern a performance run, named as the only one, and those of other kinds."""
    return [
        check.model_copy(update={"run": str(Mode.PERFORMANCE)}) if check.run == run else check
        for check in checks
        if check.run == run or check.run not in runs
    ]


def _judge_runs(
    performance: Path | None,
    scored: ScoredAnswers,
    scenario: ScenarioRules,
    compliance: Mapping[str, Path],
    not_made: Mapping[str, str],
    further_checks: Iterable[Check],
) -> Verdict:
    """Judge one performance run with the scenario's other runs; as `judge`."""
    accuracy, evaluation, inputs, round_ = scored.accuracy, scored.evaluation, scored.inputs, scored.round_
    scores = known_scores(accuracy, evaluation, round_)
    main = round_.metrics[round_.main_metric]
    value = scores.get(round_.main_metric)
    records = _record(performance), _record(accuracy)
    # The logs of a run that was ended because it was lost have no result; run.json says all there is.
    lost = _lost(records[0])
    measured = None if lost else performance
    speed_log = None if measured is None else read_detail(measured / DETAIL)
    further = [_record(folder) for folder in compliance.values()]
    checks = (
        *(() if lost else _performance(performance, speed_log, round_, scenario)),
        *_accuracy(accuracy, evaluation, scores, round_, scenario, not_made.get(Mode.ACCURACY)),
        *record_checks(performance, accuracy, *records, round_, scenario, not_made.get(Mode.ACCURACY)),
        *evidence_checks(measured, accuracy, *records, scored, round_, scenario),
        *closed_checks([record for record in (*records, *further) if record], inputs, round_),
        *(
            check
            for folder, record, mode in zip((performance, accuracy), records, Mode, strict=True)
            if folder and record
            for check in server_checks(folder, record, mode, round_)
        ),
        *(
            check
            for run in scenario.compliance_runs
            for check in (
                _no_run(run, not_made[run])
                if run in not_made
                else compliance_checks(
                    run, compliance.get(run), records[0], accuracy, round_, scenario, inputs
                )
            )
        ),
        *further_checks,
    )
    rows = None if measured is None else RequestRows.read(measured)
    ttft, tpot = _token_latencies(rows, speed_log, scenario)
    numbers = _NOTHING if speed_log is None else Performance.of(speed_log, scenario)
    if records[0] is not None and lost is not None:
        numbers = replace(numbers, target_qps=records[0].load.requested_qps)
    asked = scenario if speed_log is None else _as_asked(speed_log, numbers, scenario)
    return Verdict(
        round=round_.name,
        benchmark=round_.benchmark,
        category=round_.category,
        submittable=round_.submittable,
        not_submittable_because=round_.not_submittable_because,
        scenario=scenario.name,
        title=scenario.folder,
        outcome=outcome_of(checks),
        rate=numbers.rate,
        rate_unit=_unit(scenario.metric),
        rate_error=_rate_error(rows, numbers, scenario.metric),
        issued_at_once=scenario.offline,
        scheduled_rate=numbers.scheduled_rate,
        duration_s=numbers.duration_s,
        p50_latency_s=numbers.p50_latency_s,
        p90_latency_s=numbers.p90_latency_s,
        p99_latency_s=numbers.p99_latency_s,
        ttft=ttft,
        tpot=tpot,
        tokens_per_s=numbers.tokens_per_s,
        queries=numbers.queries,
        over_latency=numbers.over_latency,
        over_latency_allowed=_allowed(numbers, scenario),
        queries_needed=_needed(numbers, scenario),
        target_qps=numbers.target_qps,
        suggested_target_qps=(
            (lost.suggested_target_qps if lost else None)
            if speed_log is None
            else suggested_target_qps(speed_log, numbers, round_, asked)
        ),
        work=(explain_work(round_, asked, numbers.target_qps) if numbers.target_qps else None),
        metric=round_.main_metric,
        accuracy=value,
        floor=main.floor,
        metrics=scores,
        score_limits={
            name: tuple(limit for limit in (rules.floor, rules.ceiling) if limit is not None)
            for name, rules in round_.metrics.items()
        },
        readings=readings(main, value),
        unparsable=None if evaluation is None else evaluation.score.unparsable,
        empty=None if evaluation is None else evaluation.empty,
        loadgen_version=None if speed_log is None else loadgen_version(speed_log),
        server_version=records[0].server.version if records[0] else None,
        checks=checks,
    )


def _token_latencies(
    rows: RequestRows | None, log: DetailLog | None, scenario: ScenarioRules
) -> tuple[LatencyFigures | None, ...]:
    """Return the token latencies of a performance run beside their limits; None: LoadGen measured none."""
    if log is None or not log.flag("requested_use_token_latencies"):
        return tuple(None for _ in TOKEN_LATENCIES)
    queries = Performance.of(log, scenario).queries
    return tuple(figures_of(latency, log, rows, scenario, queries) for latency in TOKEN_LATENCIES)


def _rate_error(rows: RequestRows | None, numbers: Performance, metric: PerformanceMetric) -> float | None:
    """Return the standard error of a run's rate from its own completions; None: not known."""
    if rows is None or numbers.rate is None or isinstance(metric, LatencyMetric) or not len(rows):
        return None
    done = rows.completed
    ends_s = (rows.end_ns[done] - rows.planned_ns.min()) / 1e9
    share = relative_error(ends_s, rows.tokens[done] if metric == "tokens/s" else None)
    return None if share is None else share * numbers.rate


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


def _unit(metric: PerformanceMetric) -> str:
    """Return the unit of a scenario's published result, such as samples/s or 's (p90)'."""
    return f"s (p{100 * metric.latency_percentile:g})" if isinstance(metric, LatencyMetric) else metric


def _performance(
    folder: Path | None, log: DetailLog | None, round_: Round, scenario: ScenarioRules
) -> tuple[Check, ...]:
    if folder is None or log is None:
        return _no_run(Mode.PERFORMANCE)
    return (
        *common_checks(folder, log, Mode.PERFORMANCE, round_, scenario),
        *performance_checks(log, round_, scenario),
    )


def _accuracy(
    folder: Path | None,
    evaluation: Evaluation | None,
    scores: Mapping[str, float],
    round_: Round,
    scenario: ScenarioRules,
    not_made: str | None,
) -> tuple[Check, ...]:
    if folder is None:
        return _no_run(Mode.ACCURACY, not_made)
    log = read_detail(folder / DETAIL)
    return (
        *common_checks(folder, log, Mode.ACCURACY, round_, scenario),
        *accuracy_checks(log, round_, evaluation, scores),
    )


def _no_run(run: str, reason: str | None = None) -> tuple[Check, ...]:
    """Return the check of a run that is missing, with the reason why it was not made, where it is known."""
    gate = Gate(run)
    remedy = f"A result needs both runs; add the logs of the {run} run." if reason is None else f"{reason}."
    gate.holds("run", None if reason is None else "not made", "present", None, remedy)
    return tuple(gate.checks)


def _lost(record: RunRecord | None) -> LostRun | None:
    """Return why a run was ended before it had a result; None: it was not."""
    return record.load.lost if record is not None and record.ended_as_lost else None


def _allowed(numbers: Performance, scenario: ScenarioRules) -> int | None:
    if scenario.limits.latency is None or not numbers.queries:
        return None
    return max_over_latency(numbers.queries, scenario.limits.latency.percentile)


def _needed(numbers: Performance, scenario: ScenarioRules) -> int | None:
    if scenario.limits.latency is None or numbers.over_latency is None:
        return None
    return min_queries(numbers.over_latency, scenario.limits.latency.percentile)


def _record(folder: Path | None) -> RunRecord | None:
    if folder is None or not (folder / RUN_RECORD).is_file():
        return None
    return RunRecord.read(folder / RUN_RECORD)
