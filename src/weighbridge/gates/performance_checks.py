"""Checks of a performance run: LoadGen's own result, and the rules recomputed from its detail log."""

import json
import math

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import (
    LatencyLimit,
    LatencyMetric,
    Mode,
    ScenarioRules,
)
from weighbridge.gates.performance_figures import Performance, percentile_key, samples_per_s, seconds
from weighbridge.gates.token_checks import largest_share, limits_missed, token_checks
from weighbridge.loadgen.early_stopping import max_over_latency, min_queries, missing_queries
from weighbridge.loadgen.logs import DetailLog
from weighbridge.loadgen.work_size import (
    issues_as_needed,
    largest_target_qps,
    offline_target_qps,
    passes_issued,
)
from weighbridge.records.verdict import Check, Gate

_TOO_SHORT = "early stopping, which is a part of it, needs more samples"
_OWN_SETTINGS = "Repeat with the user.conf that Weighbridge writes for the round."
# Steps for a manual search: 5 % changes a loaded system's tail latency much, and its rate little.
_STEP_DOWN, _STEP_UP = 0.95, 1.05
_KEEPS_UP = 0.97  # ratio of completed to scheduled rate; below it, the queue grew
_LOGGED_DIGITS = 1e-4  # LoadGen logs six digits
_ROOM = 0.8  # share of the latency limit; below it, a higher rate is suggested


def performance_checks(log: DetailLog, round_: Round, scenario: ScenarioRules) -> list[Check]:
    """Check validity, duration, counts and, where the scenario limits it, latency."""
    gate = Gate(Mode.PERFORMANCE)
    numbers = Performance.of(log, scenario)
    _loadgen_result(gate, log, round_, scenario)
    completed = samples_per_s(log, scenario)
    _result_agrees(gate, numbers, completed, scenario)
    _duration(gate, log, numbers, completed, round_, scenario)
    _counts(gate, log, numbers, round_, scenario)
    _ordinary_issue(gate, log)
    slower = _slower(numbers, completed, scenario)
    if (limit := scenario.limits.latency) is not None:
        _latency(gate, log, limit, slower)
        if round_.loadgen_rules.early_stopping:
            _early_stopping(gate, numbers, limit, slower)
    token_checks(gate, log, numbers.queries, round_, scenario, _OWN_SETTINGS, slower)
    if isinstance(scenario.metric, LatencyMetric) and round_.loadgen_rules.early_stopping:
        _enough_queries(gate, numbers, scenario.metric)
    return gate.checks


def _loadgen_result(gate: Gate, log: DetailLog, round_: Round, scenario: ScenarioRules) -> None:
    validity = log.text("result_validity")
    reason = log.text("result_invalid_reason") or (
        "no reason; the run did not end." if validity is None else "no reason; see the checks below."
    )
    flags = ["result_min_duration_met", "result_min_queries_met"]
    if scenario.limits.by_name:
        flags.append("result_perf_constraints_met")
    if round_.loadgen_rules.early_stopping:
        gate.equals("LoadGen's result", validity, "VALID", f"LoadGen reports: {' '.join(reason.split())}")
        if scenario.limits.by_name or isinstance(scenario.metric, LatencyMetric):
            flags.append("early_stopping_met")
    else:
        gate.not_asked("LoadGen's result", validity, _TOO_SHORT)
    for flag in flags:
        gate.equals(flag, log.flag(flag), True, "The checks below show the measured value.")


def _result_agrees(
    gate: Gate, numbers: Performance, completed: float | None, scenario: ScenarioRules
) -> None:
    """Check that a result is there, and that the rate of samples agrees with counts and times beside it.

    Source: results.cc of LoadGen. Offline the rate is the samples over the longest latency; a server cannot
    complete queries faster than they were scheduled.
    """
    rate = numbers.rate
    gate.holds("result logged", rate, "> 0", rate is not None and rate > 0, "Repeat the run to its end.")
    remedy = "The rate and the counts and times beside it contradict each other: the log was altered."
    if rate is None or isinstance(scenario.metric, LatencyMetric):
        return
    if scenario.offline and numbers.queries and numbers.duration_s:
        computed = numbers.queries / numbers.duration_s
        agrees = completed is not None and math.isclose(completed, computed, rel_tol=_LOGGED_DIGITS)
        gate.holds("result as computed", completed, f"about {computed:.6g}", agrees, remedy)
    if scenario.has_schedule and numbers.scheduled_rate is not None:
        limit = numbers.scheduled_rate
        below = completed is not None and completed <= limit * (1 + _LOGGED_DIGITS)
        gate.holds("result as scheduled", completed, f"<= {limit:.6g}", below, remedy)


def _duration(
    gate: Gate,
    log: DetailLog,
    numbers: Performance,
    completed: float | None,
    round_: Round,
    scenario: ScenarioRules,
) -> None:
    setting = log.number("effective_min_duration_ms")
    set_s = None if setting is None else setting / 1000
    gate.at_least("minimum duration set", set_s, scenario.min_duration_s, "s", _OWN_SETTINGS)
    remedy = _OWN_SETTINGS
    if scenario.offline and completed:
        target = offline_target_qps(round_, scenario, completed)
        remedy = (
            f"Set scenarios.{scenario.name}.target_qps to {target}, so that LoadGen issues more work; repeat."
        )
    gate.at_least("duration", numbers.duration_s, scenario.min_duration_s, "s", remedy)


def _counts(
    gate: Gate,
    log: DetailLog,
    numbers: Performance,
    round_: Round,
    scenario: ScenarioRules,
) -> None:
    samples, issued = round_.samples, numbers.queries
    if scenario.offline:
        # LoadGen makes one query of all samples; the official checker asks for that one.
        queries = log.integer("effective_min_query_count")
        gate.at_least("minimum query count set", queries, 1, "queries", _OWN_SETTINGS)
    gate.at_least("issued", issued, scenario.min_query_count, "samples", _OWN_SETTINGS)
    if round_.loadgen_rules.whole_passes:
        whole = issued is not None and issued > 0 and issued % samples == 0
        gate.holds("whole passes", issued, f"a multiple of {samples}", whole, _OWN_SETTINGS)
    loaded = log.integer("effective_performance_sample_count")
    gate.at_least("performance sample count", loaded, samples, "", _OWN_SETTINGS)
    if scenario.offline:
        per_query = log.integer("effective_samples_per_query")
        gate.at_least("samples per query", per_query, scenario.min_query_count, "", _OWN_SETTINGS)


def _ordinary_issue(gate: Gate, log: DetailLog) -> None:
    expected: dict[str, bool | float] = {
        "effective_performance_issue_unique": False,
        "effective_performance_issue_same": False,
        "effective_accuracy_log_probability": 0,
        "effective_accuracy_log_sampling_target": 0,
    }
    for key, wanted in expected.items():
        logged = log.get(key)
        value = json.dumps(logged) if isinstance(logged, list | dict) else logged
        gate.equals(key, value, wanted, "Remove audit.config from the working folder and repeat.")


def _latency(gate: Gate, log: DetailLog, limit: LatencyLimit, slower: str) -> None:
    percentile, limit_s = limit.percentile, limit.limit_s
    measured = seconds(log.number(percentile_key(percentile)))
    name = f"{100 * percentile:g}th percentile latency"
    gate.at_most(name, measured, limit_s, "s", f"Too many queries took longer than the limit: {slower}")
    limit_set = seconds(log.number("effective_target_latency_ns"))
    gate.at_most("latency limit set", limit_set, limit_s, "s", _OWN_SETTINGS)
    percentile_set = log.number("effective_target_latency_percentile")
    gate.equals("latency percentile set", percentile_set, percentile, _OWN_SETTINGS)


def _early_stopping(gate: Gate, numbers: Performance, limit: LatencyLimit, slower: str) -> None:
    """Compute from the counts whether early stopping passes, and how many more queries it needs if not."""
    over, queries, percentile = numbers.over_latency, numbers.queries, limit.percentile
    if over is None or not queries:
        gate.holds("early stopping", over, "late queries counted", False, "Repeat the run to its end.")
        return
    allowed = max_over_latency(queries, percentile)
    if allowed is None:
        wanted = f">= {min_queries(0, percentile)} queries"
    else:
        wanted = f"<= {allowed} of {queries} queries late"
    missing = missing_queries(over, queries, percentile)
    remedy = (
        f"{over} of {queries} queries took longer than {limit.limit_s:g} s. Passing would take {missing:,} "
        f"further on-time queries: {slower if over else 'make the run longer.'}"
    )
    gate.holds("early stopping", over, wanted, missing == 0, remedy)


def _enough_queries(gate: Gate, numbers: Performance, metric: LatencyMetric) -> None:
    """Check that early stopping can estimate a percentile, for which LoadGen discards the slowest query."""
    name, least = "queries for early stopping", min_queries(1, metric.latency_percentile)
    gate.at_least(name, numbers.queries, least, "queries", "Make the run longer, and repeat it.")


def suggested_target_qps(
    log: DetailLog, numbers: Performance, round_: Round, scenario: ScenarioRules
) -> float | None:
    """Return a better target rate for the next run; None if one run gives no reason to change it.

    Offline (samples/s): the target for which LoadGen issues exactly the passes needed. Server (queries/s):
    lower if a limit was missed, higher if all percentiles are well below their limits. Both are rates of
    samples, also where the result is one of tokens.
    """
    target, completed = numbers.target_qps, samples_per_s(log, scenario)
    if target is None or completed is None or isinstance(scenario.metric, LatencyMetric):
        return None
    if scenario.offline:
        as_needed = issues_as_needed(round_, scenario, target, completed)
        return None if as_needed else offline_target_qps(round_, scenario, completed)
    if not scenario.searchable or not numbers.queries or not round_.loadgen_rules.early_stopping:
        return None
    limit, share = scenario.limits.latency, largest_share(log, scenario)
    missed = limits_missed(log, scenario)
    if limit is not None:
        if numbers.over_latency is None:
            return None
        missed = missed or missing_queries(numbers.over_latency, numbers.queries, limit.percentile) > 0
        share = max(
            share, math.inf if numbers.p99_latency_s is None else numbers.p99_latency_s / limit.limit_s
        )
    if missed:
        return _lower_target_qps(numbers, completed)
    return _higher_target_qps(round_, scenario, target) if share < _ROOM else None


def _slower(numbers: Performance, completed: float | None, scenario: ScenarioRules) -> str:
    target, lower = numbers.target_qps or 0, _lower_target_qps(numbers, completed)
    return f"lower scenarios.{scenario.name}.target_qps from {target:g} (try {lower:g}) and repeat."


def _lower_target_qps(numbers: Performance, completed: float | None) -> float:
    """Return a lower target; from the completed rate if the system fell behind its schedule."""
    return lower_target_qps(numbers.target_qps or 0.0, completed or 0.0, numbers.scheduled_rate or 0.0)


def lower_target_qps(target_qps: float, completed_qps: float, scheduled_qps: float) -> float:
    """Return a lower target; from the completed rate if the system fell behind its schedule."""
    fell_behind = completed_qps < _KEEPS_UP * scheduled_qps
    return float(f"{_STEP_DOWN * (completed_qps if fell_behind else target_qps):.4g}")


def _higher_target_qps(round_: Round, scenario: ScenarioRules, target: float) -> float | None:
    """Return a higher target that does not make the run a whole pass longer; None if there is none."""
    higher = _STEP_UP * target
    if round_.loadgen_rules.whole_passes:
        passes = passes_issued(round_, scenario, target)
        higher = min(higher, largest_target_qps(round_, scenario, passes))
    return float(f"{higher:.4g}") if higher > target else None
