"""Check what the official client declares of its performance phase: whole, long enough, within its limits.

An exit code of 0 and `complete: true` prove nothing: failures, a killed server and an interrupt give both.
"""

import math

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, ScenarioRules
from weighbridge.endpoints.client_results import ClientResults, ReportedSeries, ResultSummary
from weighbridge.endpoints.schedule import arrivals_ns
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.gates.endpoints_agreement_checks import agreement_checks
from weighbridge.gates.endpoints_figures import rate_of
from weighbridge.gates.performance_figures import seconds
from weighbridge.records.official_client import RESULT_SUMMARY
from weighbridge.records.verdict import Gate

_REPEAT = "Repeat the run to its end."
_OWN = "Repeat with the configuration that Weighbridge writes for the round."
_TITLES = {"latency": "latency", "ttft": "time to first token", "tpot": "time per output token"}
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
    _rate(gate, summary, results.config, round_, scenario)
    for name, limit in scenario.limits.by_name.items():
        _limited(gate, name, getattr(summary, name), limit, scenario)
    _tokens(gate, summary, scenario)
    agreement_checks(gate, summary, results.snapshot)


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
    planned = config.samples_planned(round_.samples) if config else None
    remedy = f"The run ended early, or with another plan. {_REPEAT}"
    gate.holds(
        "issued as planned",
        issued,
        "as the configuration says" if planned is None else str(planned),
        planned is not None and issued == planned,
        remedy,
    )


def _rate(
    gate: Gate,
    summary: ResultSummary,
    config: WrittenConfig | None,
    round_: Round,
    scenario: ScenarioRules,
) -> None:
    rate = rate_of(summary, scenario)
    gate.holds("rate", rate, "> 0", rate is not None and math.isfinite(rate) and rate > 0, _REPEAT)
    if scenario.offline:
        return
    name, limit = "target rate reached", "the rate of the round's schedule"
    target = config.settings.load_pattern.target_qps if config else None
    issued = summary.n_samples_issued
    if not target or not issued or target < 0:
        gate.holds(name, rate, limit, False, _OWN)
        return
    # By the seed's own schedule, whose mean rate is not exactly the target's, to the last answer that is
    # within the limit.
    due_ns = arrivals_ns(issued, target, round_.endpoints_rules.seeds.scheduler)
    due_s, span_s = float(due_ns[-1]) / 1e9, float(due_ns[-1] - due_ns[0]) / 1e9
    allowed_s = scenario.limits.latency.limit_s if scenario.limits.latency else 0.0
    gate.at_least(
        name,
        rate,
        float(f"{_LEAST_SHARE * issued / (due_s + allowed_s):.9g}"),
        f"queries/s ({_LEAST_SHARE:.0%} of {limit} at {target:g})",
        "The client or the system did not keep up: give the client more workers and cores, or lower "
        f"scenarios.{scenario.name}.target_qps, and repeat.",
    )
    if span_s > 0:
        gate.at_most(
            "rate as scheduled",
            rate,
            float(f"{issued / span_s / _LEAST_SHARE:.9g}"),
            f"queries/s ({limit} at {target:g}, and {1 - _LEAST_SHARE:.0%})",
            "No query is issued before it is due, so this rate is of another run, or was altered. "
            "Restore the client's own files, or repeat the run.",
        )


def _limited(
    gate: Gate, name: str, series: ReportedSeries | None, limit: LatencyLimit, scenario: ScenarioRules
) -> None:
    """Check a limited latency by its percentile, and by the estimate that early stopping makes of it."""
    series = series or ReportedSeries()
    percentile, title = limit.percentile, f"p{100 * limit.percentile:g} {_TITLES[name]}"
    slower = f"Too many queries took too long: lower scenarios.{scenario.name}.target_qps, and repeat."
    raw, estimate = series.percentile(percentile), series.estimate(percentile)
    gate.at_most(title, seconds(raw), limit.limit_s, "s", slower)
    gate.at_most(f"{title}, early-stopping estimate", seconds(estimate), limit.limit_s, "s", slower)


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
