"""One scenario judged: all checks over its two runs, and the numbers behind them."""

from dataclasses import fields
from pathlib import Path

from weighbridge.config.round import Round, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.terms import Mode, Scenario
from weighbridge.evaluation.evaluate import Evaluation
from weighbridge.gates.accuracy_checks import accuracy_checks, readings, score_in_text
from weighbridge.gates.log_checks import common_checks, loadgen_version
from weighbridge.gates.performance_checks import Performance, performance_checks, suggested_target_qps
from weighbridge.gates.record_checks import record_checks
from weighbridge.loadgen.early_stopping import max_over_latency, min_queries
from weighbridge.loadgen.logs import DETAIL, DetailLog, read_detail
from weighbridge.loadgen.work_size import explain_work
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.verdict import Check, Gate, Verdict, outcome_of

_RATE_UNIT = {Scenario.OFFLINE: "samples/s", Scenario.SERVER: "queries/s"}
_NOTHING = Performance(*[None] * len(fields(Performance)))


def judge(
    *,
    performance: Path | None,
    accuracy: Path | None,
    evaluation: Evaluation | None,
    round_: Round,
    scenario: Scenario,
) -> Verdict:
    """Judge one scenario.

    Args:
        performance: Folder of the performance run: LoadGen's logs and, if Weighbridge made it, run.json.
            None: there is none, and nothing is known of it.
        accuracy: Folder of the accuracy run, likewise.
        evaluation: The accuracy run's score. None: the score is read from an accuracy.txt in `accuracy` or
            beside it, and whether every sample was answered stays unknown.
        round_: The rules.
        scenario: Which scenario the runs are said to be of.

    Raises:
        InputError: a detail log is missing or damaged, or the round does not have the scenario.
    """
    if scenario not in round_.scenarios:
        raise InputError(
            f"round {round_.name} has no {scenario} scenario; it has: {', '.join(round_.scenarios)}."
        )
    metric = round_.accuracy.metric
    value = score_in_text(accuracy, metric) if evaluation is None else evaluation.value
    speed_log = None if performance is None else read_detail(performance / DETAIL)
    records = _record(performance), _record(accuracy)
    checks = (
        *_performance(performance, speed_log, round_, scenario),
        *_accuracy(accuracy, evaluation, value, round_, scenario),
        *record_checks(performance, accuracy, *records, round_, scenario),
    )
    numbers = _NOTHING if speed_log is None else Performance.of(speed_log, scenario)
    rules = round_.scenarios[scenario]
    return Verdict(
        round=round_.name,
        submittable=round_.submittable,
        scenario=scenario,
        outcome=outcome_of(checks),
        rate=numbers.rate,
        rate_unit=_RATE_UNIT[scenario],
        scheduled_rate=numbers.scheduled_rate,
        duration_s=numbers.duration_s,
        p50_latency_s=numbers.p50_latency_s,
        p90_latency_s=numbers.p90_latency_s,
        p99_latency_s=numbers.p99_latency_s,
        queries=numbers.queries,
        over_latency=numbers.over_latency,
        over_latency_allowed=_allowed(numbers, rules),
        queries_needed=_needed(numbers, rules),
        target_qps=numbers.target_qps,
        suggested_target_qps=suggested_target_qps(numbers, round_, scenario),
        work=explain_work(round_, scenario, numbers.target_qps) if numbers.target_qps else None,
        metric=metric,
        accuracy=value,
        floor=round_.accuracy.floor,
        readings=readings(round_, value),
        unparsable=None if evaluation is None else evaluation.score.unparsable,
        empty=None if evaluation is None else evaluation.empty,
        loadgen_version=None if speed_log is None else loadgen_version(speed_log),
        server_version=records[0].server.version if records[0] else None,
        checks=checks,
    )


def _performance(
    folder: Path | None, log: DetailLog | None, round_: Round, scenario: Scenario
) -> tuple[Check, ...]:
    if folder is None or log is None:
        return _no_run(Mode.PERFORMANCE)
    return (
        *common_checks(folder, log, Mode.PERFORMANCE, round_, scenario),
        *performance_checks(log, round_, scenario),
    )


def _accuracy(
    folder: Path | None, evaluation: Evaluation | None, value: float | None, round_: Round, scenario: Scenario
) -> tuple[Check, ...]:
    if folder is None:
        return _no_run(Mode.ACCURACY)
    log = read_detail(folder / DETAIL)
    return (
        *common_checks(folder, log, Mode.ACCURACY, round_, scenario),
        *accuracy_checks(log, round_, evaluation, value),
    )


def _no_run(mode: Mode) -> tuple[Check, ...]:
    gate = Gate(mode)
    gate.unknown("run", "given", f"A result needs both runs; add the logs of the {mode} run.")
    return tuple(gate.checks)


def _allowed(numbers: Performance, rules: ScenarioRules) -> int | None:
    if rules.target_latency_s is None or not numbers.queries:
        return None
    return max_over_latency(numbers.queries, rules.target_percentile)


def _needed(numbers: Performance, rules: ScenarioRules) -> int | None:
    if rules.target_latency_s is None or numbers.over_latency is None:
        return None
    return min_queries(numbers.over_latency, rules.target_percentile)


def _record(folder: Path | None) -> RunRecord | None:
    if folder is None or not (folder / RUN_RECORD).is_file():
        return None
    return RunRecord.read(folder / RUN_RECORD)
