"""Check the official client's log of events against its summary, its configuration and the round's seeds.

The summary is what the client declares; from the log all of it is computed again.
"""

import numpy as np

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.endpoints.client_results import ClientResults, ReportedSeries, ResultSummary
from weighbridge.endpoints.events import PERFORMANCE_PHASE, ClientPhase, Events, Numbers
from weighbridge.endpoints.schedule import arrivals_ns, delays_s, sample_order
from weighbridge.gates.endpoints_answer_checks import whole_answer_checks
from weighbridge.gates.endpoints_score_checks import ANSWERS_IN_LOG
from weighbridge.loadgen.early_stopping import discarded
from weighbridge.records.official_client import EVENTS
from weighbridge.records.verdict import Gate

_ALTERED = "The log of events and the result contradict each other: one was altered, or is of another run."
_REPEAT = "Repeat the run to its end."
_NO_LOG = (
    f"{EVENTS} and the list of samples beside it are missing, so nothing shows that what is declared was "
    "measured; keep them beside the result."
)
_DELAY = "issue delay (p99)"
# What only the log shows.
_OF_THE_LOG = {
    "log of events": "present",
    "order of samples": "that of the round's seed",
    _DELAY: "by the round's schedule",
    "latencies computed again": "as declared",
}
NEEDS_EVENTS = frozenset({*_OF_THE_LOG, ANSWERS_IN_LOG})
"""Checks that are unknown without the log of events, which holds whole answers."""
_LATE_SHARE, _LEAST_LATE_S = 0.01, 0.010  # of the latency limit; a wait below that moves no verdict
_DEMONSTRATION = 5  # which shares its few cores with its server
_CLIENT_LATE = (
    "The client came late to its own schedule: give it more cores, or keep other work off them, and repeat."
)


def event_checks(
    gate: Gate, results: ClientResults, events: Events | None, round_: Round, scenario: ScenarioRules
) -> None:
    """Check counts, order, schedule, latencies and marks.

    Args:
        gate: Takes the checks.
        results: What the client wrote.
        events: Its log; None: it is not there, and what it would show is unknown.
        round_: The round as it holds for the scenario.
        scenario: The scenario.
    """
    phase = events.performance if events else None
    if events is None or phase is None:
        for name, limit in _OF_THE_LOG.items():
            if scenario.has_schedule or name != _DELAY:
                gate.unknown(name, limit, _NO_LOG)
        return
    summary = results.summary or ResultSummary()
    assert scenario.endpoints is not None
    phases = ", ".join(sorted((PERFORMANCE_PHASE, scenario.endpoints.dataset)))
    gate.equals("phases in the log", ", ".join(sorted(events.phases)), phases, _ALTERED)
    gate.equals("log ended", events.ended, True, _REPEAT)
    gate.equals("errors outside of queries", len(events.stray_errors), 0, _errors(events))
    gate.equals("queries that ended twice", phase.ended_twice, 0, _ALTERED)
    ended = phase.end_ns > 0
    gate.equals("queries in the log", len(phase), summary.n_samples_issued, _ALTERED)
    gate.equals("ended in the log", int(ended.sum()), summary.n_samples_completed, _ALTERED)
    gate.equals("errors in the log", len(phase.errors), summary.n_samples_failed, _ALTERED)
    gate.equals("queries issued twice", phase.issued_twice, 0, _ALTERED)
    whole_answer_checks(gate, phase)
    stopped = events.stopped_ns
    last_issued = int(phase.issued_ns.max(initial=0))
    in_time = stopped is not None and last_issued <= stopped
    gate.holds("issued before the end", "yes" if in_time else "no", "yes", in_time, _REPEAT)
    _durations(gate, phase, events, summary)
    _order(gate, phase, round_)
    if scenario.has_schedule:
        _schedule(gate, phase, results, round_, scenario)
    computed = {"latencies": (summary.latency, phase.latency_ns)}
    if round_.streams(scenario):
        computed["times to first tokens"] = (summary.ttft, phase.ttft_ns)
    for name, (declared, found_ns) in computed.items():
        _computed_again(gate, name, declared or ReportedSeries(), found_ns)


def _errors(events: Events) -> str:
    kind, message = events.stray_errors[0] if events.stray_errors else ("", "")
    return (
        f"The client logged errors of its own (the first: {kind} {message[:100]}); fix the cause, and repeat."
    )


def _durations(gate: Gate, phase: ClientPhase, events: Events, summary: ResultSummary) -> None:
    """Compute the durations of the summary again, from the start's mark and from the first query."""
    ended = phase.end_ns > 0
    if events.started_ns is None or not ended.any():
        gate.holds("duration computed again", None, "as declared", False, _REPEAT)
        return
    duration_ns = int(phase.end_ns.max()) - events.started_ns
    gate.equals("duration computed again (ns)", summary.duration_ns, duration_ns, _ALTERED)
    if summary.legacy_loadgen_window_duration_ns is not None:
        # To the end of the query that was issued last, though others may end later.
        window_ns = int(phase.end_ns[ended][-1] - phase.issued_ns[0])
        declared_ns = summary.legacy_loadgen_window_duration_ns
        gate.equals("window of the rate computed again (ns)", declared_ns, window_ns, _ALTERED)


def _order(gate: Gate, phase: ClientPhase, round_: Round) -> None:
    wanted = sample_order(round_.samples, len(phase), round_.endpoints_rules.seeds.dataloader)
    differing = int((phase.sample != wanted).sum())
    remedy = (
        "The samples were not issued in the order of the round's seed; repeat with the unmodified client."
    )
    gate.holds("order of samples", f"{differing} differ", "that of the round's seed", differing == 0, remedy)


def _schedule(
    gate: Gate, phase: ClientPhase, results: ClientResults, round_: Round, scenario: ScenarioRules
) -> None:
    target = results.config.settings.load_pattern.target_qps if results.config else None
    if not target:
        gate.unknown("schedule", "that of the round's seed", "The target rate is not known.")
        return
    due = arrivals_ns(len(phase), target, round_.endpoints_rules.seeds.scheduler)
    late = delays_s(phase.issued_ns, due)
    limit = scenario.limits.latency
    most_s = max(_LATE_SHARE * limit.limit_s if limit else 0.0, _LEAST_LATE_S)
    most_s *= 1 if round_.held_to_rules else _DEMONSTRATION
    p99_s = float(np.quantile(late, 0.99, method="higher")) if len(late) else 0.0
    gate.at_most(_DELAY, round(p99_s, 6), most_s, "s after the round's schedule", _CLIENT_LATE)


def _computed_again(gate: Gate, name: str, declared: ReportedSeries, found_ns: Numbers) -> None:
    """Compute the percentiles and estimates of a series again; they must be equal to the nanosecond."""
    ordered = np.sort(found_ns)
    title = f"{name} computed again"
    if not len(ordered) or not declared.percentiles:
        gate.holds(title, "none", "as declared", False, _REPEAT)
        return
    differing: list[str] = []
    for percentile, value in declared.percentiles.items():
        computed_ns = float(np.percentile(ordered, float(percentile), method="lower"))
        if value is None or abs(computed_ns - value) >= 1:
            differing.append(f"p{percentile}")
    for percentile, value in (declared.early_stopping_percentiles or {}).items():
        beyond = discarded(len(ordered), float(percentile) / 100)
        computed = None if beyond is None else float(ordered[len(ordered) - 1 - beyond])
        if (value is None) != (computed is None) or (
            computed is not None and abs(computed - (value or 0)) >= 1
        ):
            differing.append(f"p{percentile} estimate")
    shown = ", ".join(differing) or f"{len(declared.percentiles)} percentiles equal"
    gate.holds(title, shown, "as declared", not differing, _ALTERED)
