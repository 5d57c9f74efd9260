"""The gates: whether a scenario's two runs count, check by check, stricter than the official checker."""

from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evaluation import Evaluation
from weighbridge.gates.accuracy import accuracy_checks, readings, score_in_text
from weighbridge.gates.common import common_checks, loadgen_version
from weighbridge.gates.performance import Performance, performance_checks
from weighbridge.gates.records import record_checks
from weighbridge.gates.verdict import Check, Verdict, outcome_of, write_verdict
from weighbridge.logs import DETAIL, read_detail
from weighbridge.record import RunRecord
from weighbridge.rounds import Round
from weighbridge.statistics import max_over_latency
from weighbridge.terms import Mode, Scenario

__all__ = ["Check", "Verdict", "judge", "write_verdict"]

RUN_RECORD, VERDICT = "run.json", "verdict.json"
_RATE_UNIT = {Scenario.OFFLINE: "samples/s", Scenario.SERVER: "queries/s"}


def judge(
    *, performance: Path, accuracy: Path, evaluation: Evaluation | None, round_: Round, scenario: Scenario
) -> Verdict:
    """Judge one scenario.

    Args:
        performance: Folder of the performance run: LoadGen's logs and, if Weighbridge made it, run.json.
        accuracy: Folder of the accuracy run, likewise.
        evaluation: The accuracy run's score. None: the score is read from an accuracy.txt in `accuracy`, and
            whether every sample was answered stays unknown.
        round_: The rules.
        scenario: Which scenario the runs are said to be of.

    Raises:
        InputError: a detail log is missing or damaged, or the round does not have the scenario.
    """
    if scenario not in round_.scenarios:
        raise InputError(
            f"round {round_.name} has no {scenario} scenario; it has: {', '.join(round_.scenarios)}."
        )
    speed_log, answer_log = read_detail(performance / DETAIL), read_detail(accuracy / DETAIL)
    metric = round_.accuracy.metric
    value = score_in_text(accuracy, metric) if evaluation is None else evaluation.value
    checks = (
        *common_checks(performance, speed_log, Mode.PERFORMANCE, round_, scenario),
        *performance_checks(speed_log, round_, scenario),
        *common_checks(accuracy, answer_log, Mode.ACCURACY, round_, scenario),
        *accuracy_checks(answer_log, round_, evaluation, value),
        *record_checks(_record(performance), _record(accuracy), round_, scenario),
    )
    numbers = Performance.of(speed_log, scenario)
    rules = round_.scenarios[scenario]
    limited = rules.target_latency_s is not None
    return Verdict(
        round=round_.name,
        submittable=round_.submittable,
        scenario=scenario,
        outcome=outcome_of(checks),
        rate=numbers.rate,
        rate_unit=_RATE_UNIT[scenario],
        scheduled_rate=numbers.scheduled_rate,
        duration_s=numbers.duration_s,
        p99_latency_s=numbers.p99_latency_s,
        queries=numbers.queries,
        over_latency=numbers.over_latency,
        over_latency_allowed=(
            max_over_latency(numbers.queries, rules.target_percentile)
            if limited and numbers.queries
            else None
        ),
        metric=metric,
        accuracy=value,
        readings=readings(round_, value),
        unparsable=None if evaluation is None else evaluation.score.unparsable,
        empty=None if evaluation is None else evaluation.empty,
        loadgen_version=loadgen_version(speed_log),
        checks=checks,
    )


def _record(folder: Path) -> RunRecord | None:
    path = folder / RUN_RECORD
    return RunRecord.read(path) if path.is_file() else None
