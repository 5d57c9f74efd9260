"""Judge one scenario: run all checks over its runs, whichever evidence they left, and collect the figures."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import LatencyMetric, Mode, PerformanceMetric, ScenarioRules
from weighbridge.gates import endpoints_runs, loadgen_runs
from weighbridge.gates.accuracy_checks import readings
from weighbridge.gates.closed_checks import NO_INPUTS, Inputs, closed_checks
from weighbridge.gates.compliance_checks import compliance_checks
from weighbridge.gates.disturbance_checks import disturbances_of, strict_checks
from weighbridge.gates.performance_figures import Performance
from weighbridge.gates.record_checks import record_checks
from weighbridge.gates.repeated_runs import verdict_of_runs
from weighbridge.gates.scenario_runs import (
    ClientChecks,
    JudgedRun,
    ScenarioRuns,
    no_run,
    record_in,
    why_lost,
)
from weighbridge.gates.score_checks import ScoredAnswers
from weighbridge.gates.server_checks import server_checks
from weighbridge.loadgen.early_stopping import discarded, max_over_latency, min_queries
from weighbridge.records.run_record import RunRecord
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Check, Verdict, outcome_of

_Records = tuple[RunRecord | None, RunRecord | None]


@dataclass(frozen=True)
class _Evidence:
    """How one kind of evidence is judged.

    Attributes:
        is_in: Whether a run's folder has it.
        client_checks: The checks that the client was not the limit, for any run of a scenario.
        judge: Judges a performance run, by its folder, its and the accuracy run's run.json.
    """

    is_in: Callable[[Path], bool]
    client_checks: Callable[[ScenarioRuns], ClientChecks]
    judge: Callable[[Path | None, _Records, ScenarioRuns], JudgedRun]


_EVIDENCE = {
    "loadgen": _Evidence(
        loadgen_runs.has_logs, loadgen_runs.client_checks_in, loadgen_runs.judge_loadgen_run
    ),
    "endpoints": _Evidence(
        endpoints_runs.has_results, endpoints_runs.client_checks_in, endpoints_runs.judge_client_run
    ),
}


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
        performance: Folder of the performance run: what its driver left and, if Weighbridge made it,
            run.json. None: there is no such run.
        accuracy: Folder of the accuracy run, likewise.
        evaluation: The accuracy run's accuracy.json. None: the score is read from what its driver left or
            from an accuracy.txt, and whether every sample was answered stays unknown.
        round_: The rules.
        scenario: The scenario of that round that both runs are expected to belong to.
        inputs: What the runs were made from; the dataset and the store are those of this scenario. What is
            missing leaves the checks of the closed division that need it unknown.
        compliance: The folders of compliance runs, likewise, by the runs' names; those that are missing are
            unknown.
        strict: Each disturbance of a run is a failed check; else it is a warning beside the checks.
        repeats: The folders of further performance runs, likewise, in order.
        not_made: Why runs that are missing were not made, by the runs' names.

    Raises:
        InputError: a file of the evidence, run.json or accuracy.txt is missing or damaged.
    """
    if scenario.dataset is not None or scenario.metrics:
        round_ = round_of_scenario(round_, scenario.name)
    inputs = replace(inputs, of=scenario.dataset)
    evidence = _EVIDENCE[round_.evidence]
    folders = {str(Mode.PERFORMANCE): performance, **(repeats or {})}
    all_runs = {**folders, str(Mode.ACCURACY): accuracy, **(compliance or {})}
    records = {run: record_in(each) for run, each in all_runs.items()}
    scored = ScoredAnswers(accuracy, evaluation, inputs, round_)
    runs = ScenarioRuns(scenario, scored, compliance or {}, not_made or {}, records)
    there = {
        run: each
        for run, each in all_runs.items()
        if each is not None and evidence.is_in(each) and why_lost(records[run]) is None
    }
    disturbances = disturbances_of(there, records, scenario, evidence.client_checks(runs))
    of_disturbances = strict_checks(disturbances) if strict else []
    verdict = verdict_of_runs(
        {
            name: _judge_runs(name, folder, evidence, runs, _checks_beside(name, of_disturbances, folders))
            for name, folder in folders.items()
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
    name: str,
    performance: Path | None,
    evidence: _Evidence,
    runs: ScenarioRuns,
    further_checks: Iterable[Check],
) -> Verdict:
    """Judge one performance run with the scenario's other runs; as `judge`."""
    round_, scenario, evaluation = runs.round_, runs.scenario, runs.scored.evaluation
    records = runs.records[name], runs.records[Mode.ACCURACY]
    judged = evidence.judge(performance, records, runs)
    checks = (
        *judged.result_checks,
        *record_checks(
            performance, runs.accuracy, *records, round_, scenario, runs.not_made.get(Mode.ACCURACY)
        ),
        *judged.evidence_checks,
        *_input_checks(performance, records, runs),
        *_compliance_checks(records[0], runs),
        *further_checks,
    )
    main = round_.metrics[round_.main_metric]
    value, numbers = judged.scores.get(round_.main_metric), judged.numbers
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
        rate_error=judged.rate_error(scenario.metric),
        issued_at_once=scenario.offline,
        scheduled_rate=numbers.scheduled_rate,
        duration_s=numbers.duration_s,
        p50_latency_s=numbers.p50_latency_s,
        p90_latency_s=numbers.p90_latency_s,
        p99_latency_s=numbers.p99_latency_s,
        latency_estimate_s=judged.latency_estimate_s,
        ttft=judged.ttft,
        tpot=judged.tpot,
        tokens_per_s=numbers.tokens_per_s,
        queries=numbers.queries,
        over_latency=numbers.over_latency,
        over_latency_allowed=_allowed(numbers, round_, scenario),
        queries_needed=_needed(numbers, round_, scenario),
        target_qps=numbers.target_qps,
        suggested_target_qps=judged.suggested_target_qps,
        work=judged.work,
        metric=round_.main_metric,
        accuracy=value,
        floor=main.floor,
        metrics=dict(judged.scores),
        score_limits={
            name: tuple(limit for limit in (rules.floor, rules.ceiling) if limit is not None)
            for name, rules in round_.metrics.items()
        },
        readings=readings(main, value),
        unparsable=None if evaluation is None else evaluation.score.unparsable,
        empty=None if evaluation is None else evaluation.empty,
        loadgen_version=judged.loadgen_version,
        client_commit=judged.client_commit,
        server_version=records[0].server.version if records[0] else None,
        checks=checks,
    )


def _input_checks(performance: Path | None, records: _Records, runs: ScenarioRuns) -> Iterable[Check]:
    """Yield the checks of what the runs were made from, and of their servers."""
    further = [runs.records[run] for run in runs.compliance]
    known = [record for record in (*records, *further) if record]
    yield from closed_checks(known, runs.scored.inputs, runs.round_)
    for folder, record, mode in zip((performance, runs.accuracy), records, Mode, strict=True):
        if folder and record:
            yield from server_checks(folder, record, mode, runs.round_)


def _compliance_checks(record: RunRecord | None, runs: ScenarioRuns) -> Iterable[Check]:
    """Yield the checks of the compliance runs beside a performance run, by its run.json."""
    for run in runs.scenario.compliance_runs:
        if run in runs.not_made:
            yield from no_run(run, runs.not_made[run])
        else:
            yield from compliance_checks(
                run,
                runs.compliance.get(run),
                record,
                runs.accuracy,
                runs.round_,
                runs.scenario,
                runs.scored.inputs,
            )


def _unit(metric: PerformanceMetric) -> str:
    """Return the unit of a scenario's published result, such as samples/s or 's (p90)'."""
    return f"s (p{100 * metric.latency_percentile:g})" if isinstance(metric, LatencyMetric) else metric


def _allowed(numbers: Performance, round_: Round, scenario: ScenarioRules) -> int | None:
    """Return how many queries may be late: with the official client, those that its estimate sets aside."""
    if scenario.limits.latency is None or not numbers.queries:
        return None
    most = discarded if round_.evidence == "endpoints" else max_over_latency
    return most(numbers.queries, scenario.limits.latency.percentile)


def _needed(numbers: Performance, round_: Round, scenario: ScenarioRules) -> int | None:
    if scenario.limits.latency is None or numbers.over_latency is None:
        return None
    over = numbers.over_latency + (round_.evidence == "endpoints")
    return min_queries(over, scenario.limits.latency.percentile)
