"""Check what the official client declares of its performance phase: whole, long enough, within its limits.

An exit code of 0 and `complete: true` prove nothing: failures, a killed server and an interrupt give both.
"""

import math

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, ScenarioRules
from weighbridge.endpoints.client_config import WrittenConfig
from weighbridge.endpoints.client_results import ClientResults, ReportedSeries, ResultSummary
from weighbridge.gates.endpoints_figures import rate_of
from weighbridge.gates.performance_figures import seconds
from weighbridge.records.official_client import RESULT_SUMMARY
from weighbridge.records.verdict import Gate

_REPEAT = "Repeat the run to its end."
_ALTERED = "The figures contradict each other: the file was altered, or is of another run."
_OWN = "Repeat with the configuration that Weighbridge writes for the round."
_DIGITS = 1e-6
_LEAST_SHARE = 0.99  # of the target rate; below it the client did not issue what it was asked for


def summary_checks(gate: Gate, results: ClientResults, round_: Round, scenario: ScenarioRules) -> None:
    """Check the summary against the round and against itself.

    Args:
        gate: Takes the checks.
        results: What the client wrote.
        round_: The round as it holds for the scenario.
        scenario: The scenario.
    """
    summary = results.summary
    gate.holds(
        "result written",
        "present" if summary else "missing",
        "present",
        summary is not None,
        f"{RESULT_SUMMARY} of the client's report is missing. {_REPEAT}",
    )
    if summary is None:
        return
    gate.equals("state", summary.state, "complete", _REPEAT)
    gate.equals("complete", summary.complete, True, _REPEAT)
    _counts(gate, summary, results.config, round_, scenario)
    gate.at_least("duration", seconds(summary.duration_ns), scenario.min_duration_s, "s", _longer(scenario))
    _rate(gate, summary, results.config, scenario)
    if (limit := scenario.limits.latency) is not None:
        _latency(gate, summary.latency, limit, scenario)
    _tokens(gate, summary, scenario)


def _longer(scenario: ScenarioRules) -> str:
    return (
        f"The run was too short: raise scenarios.{scenario.name}.target_qps to what the system does, so that "
        "more is issued, and repeat."
    )


def _counts(
    gate: Gate, summary: ResultSummary, config: WrittenConfig | None, round_: Round, scenario: ScenarioRules
) -> None:
    issued, completed, failed = (
        summary.n_samples_issued,
        summary.n_samples_completed,
        summary.n_samples_failed,
    )
    gate.equals("completed", completed, issued, f"Not everything that was issued came back. {_REPEAT}")
    # Failed ones are among the completed.
    gate.equals("failed", failed, 0, "Read errors.jsonl or events.jsonl, fix the cause, and repeat the run.")
    whole = issued is not None and issued > 0 and issued % round_.samples == 0
    gate.holds("whole passes", issued, f"a multiple of {round_.samples}", whole, _OWN)
    gate.at_least("issued", issued, scenario.min_query_count, "samples", _OWN)
    planned = config.settings.runtime.n_samples_to_issue if config else None
    if planned is not None:
        gate.equals("issued as planned", issued, planned, f"The run ended early. {_REPEAT}")


def _rate(gate: Gate, summary: ResultSummary, config: WrittenConfig | None, scenario: ScenarioRules) -> None:
    rate = rate_of(summary, scenario)
    gate.holds("rate", rate, "> 0", rate is not None and math.isfinite(rate) and rate > 0, _REPEAT)
    if scenario.offline or rate is None:
        return
    computed = _computed_rate(summary)
    agrees = computed is not None and math.isclose(rate, computed, rel_tol=_DIGITS)
    shown = "completed over duration" if computed is None else f"about {computed:.9g}"
    gate.holds("rate as computed", rate, shown, agrees, _ALTERED)
    target = config.settings.load_pattern.target_qps if config else None
    if target is None:
        gate.unknown("target rate reached", "a target rate", _OWN)
        return
    gate.at_least(
        "target rate reached",
        rate,
        _LEAST_SHARE * target,
        f"queries/s ({_LEAST_SHARE:.0%} of the target)",
        "The client or the system did not keep up: give the client more workers and cores, or lower "
        f"scenarios.{scenario.name}.target_qps, and repeat.",
    )


def _computed_rate(summary: ResultSummary) -> float | None:
    """Return what the client's rate must be: completed over LoadGen's window, or else over the duration."""
    completed = summary.n_samples_completed
    windows = [summary.legacy_loadgen_window_duration_ns, summary.duration_ns]
    rates = [completed / window * 1e9 for window in windows if completed and window]
    if not rates or summary.qps is None:
        return None
    return min(rates, key=lambda each: abs(each - (summary.qps or 0.0)))


def _latency(
    gate: Gate, latency: ReportedSeries | None, limit: LatencyLimit, scenario: ScenarioRules
) -> None:
    latency = latency or ReportedSeries()
    percentile, name = limit.percentile, f"p{100 * limit.percentile:g}"
    slower = f"Too many queries took too long: lower scenarios.{scenario.name}.target_qps, and repeat."
    raw, estimate = latency.percentile(percentile), latency.estimate(percentile)
    gate.at_most(f"{name} latency", seconds(raw), limit.limit_s, "s", slower)
    gate.at_most(f"{name} latency, early-stopping estimate", seconds(estimate), limit.limit_s, "s", slower)
    if raw is not None and estimate is not None:
        gate.holds(
            "estimate above percentile", seconds(estimate), f">= {raw / 1e9:.9g} s", estimate >= raw, _ALTERED
        )


def _tokens(gate: Gate, summary: ResultSummary, scenario: ScenarioRules) -> None:
    """Check that tokens were counted: without its tokenizer the client leaves them out and says nothing."""
    remedy = "The client did not find the tokenizer; give it the proven model's folder, and repeat."
    gate.holds("tokens counted", summary.tps, "> 0 tokens/s", bool(summary.tps and summary.tps > 0), remedy)
    if scenario.endpoints is not None and scenario.endpoints.streaming:
        for name, value in (("TTFT", summary.ttft), ("TPOT", summary.tpot)):
            median = None if value is None else value.percentile(0.50)
            measured = median is not None and median > 0
            gate.holds(
                f"{name} measured",
                seconds(median),
                "> 0 s",
                measured,
                f"Answers were not streamed, or {remedy[0].lower()}{remedy[1:]}",
            )
