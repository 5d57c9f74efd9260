"""Figures of a performance phase of the official client, read from its summary."""

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.endpoints.client_config import most_qps_of_passes, planned_work
from weighbridge.endpoints.client_results import ClientResults, ReportedSeries, ResultSummary
from weighbridge.endpoints.events import ClientPhase
from weighbridge.gates.performance_checks import lower_target_qps
from weighbridge.gates.performance_figures import Performance, seconds

_STEP_UP, _ROOM = 1.05, 0.8  # how much more to try where a latency is below this share of its limit


def rate_of(summary: ResultSummary, scenario: ScenarioRules) -> float | None:
    """Return the published rate, in queries/s or samples/s, as the official checker takes it.

    Offline that is always issued over duration; else the client's own rate where it states one.
    """
    issued, duration_ns = summary.n_samples_issued, summary.duration_ns
    if summary.qps is not None and not scenario.offline:
        return summary.qps
    return issued / duration_ns * 1e9 if issued and duration_ns else None


def performance_of(
    results: ClientResults, phase: ClientPhase | None, scenario: ScenarioRules
) -> Performance | None:
    """Return the figures of a performance phase; None: there is no summary.

    Args:
        results: What the client wrote.
        phase: Its queries; None: the events are not there.
        scenario: The scenario.
    """
    summary, config = results.summary, results.config
    if summary is None:
        return None
    latency = summary.latency or ReportedSeries()
    limit = scenario.limits.latency
    over = None
    if limit is not None and phase is not None:
        over = int((phase.latency_ns > limit.limit_s * 1e9).sum())
    duration_s = seconds(summary.duration_ns)
    metric = scenario.metric
    rate: float | None
    if isinstance(metric, LatencyMetric):
        rate = seconds(latency.percentile(metric.latency_percentile))
    else:
        rate = summary.tps if metric == "tokens/s" else rate_of(summary, scenario)
    return Performance(
        rate=rate,
        scheduled_rate=scheduled_rate(phase, scenario),
        duration_s=duration_s,
        p50_latency_s=seconds(latency.percentile(0.50)),
        p90_latency_s=seconds(latency.percentile(0.90)),
        p99_latency_s=seconds(latency.percentile(0.99)),
        queries=summary.n_samples_issued,
        over_latency=over,
        tokens_per_s=summary.tps,
        target_qps=config.settings.load_pattern.target_qps if config else None,
    )


def scheduled_rate(phase: ClientPhase | None, scenario: ScenarioRules) -> float | None:
    """Return the queries/s at which a phase was issued; None: it has no schedule, or is not known."""
    if phase is None or not scenario.has_schedule or len(phase) < 2:
        return None
    span_ns = int(phase.issued_ns[-1] - phase.issued_ns[0])
    return (len(phase) - 1) / span_ns * 1e9 if span_ns > 0 else None


def can_be_planned(target_qps: float | None, round_: Round, scenario: ScenarioRules) -> bool:
    """Return whether a run can have the work of a target rate; a published one may be any number."""
    try:
        planned_work(round_, scenario, Mode.PERFORMANCE, target_qps or 1.0)
    except InputError:
        return False
    return True


def suggested_target_qps(
    numbers: Performance, round_: Round, scenario: ScenarioRules, results: ClientResults
) -> float | None:
    """Return a better target rate for the next run; None: one run gives no reason to change it.

    Offline: the rate that was reached, where another number of passes is needed for it. Else lower where the
    latency limit was missed, and higher where the latency is well below it, without another pass.
    """
    rate, target = numbers.rate, numbers.target_qps
    if not rate or not target or isinstance(scenario.metric, LatencyMetric):
        return None
    if scenario.offline:
        reached = float(f"{rate:.4g}")
        if not can_be_planned(reached, round_, scenario):
            return None
        needed = planned_work(round_, scenario, Mode.PERFORMANCE, reached).samples
        return None if needed == numbers.queries else reached
    limit = scenario.limits.latency
    latency = results.summary.latency if results.summary else None
    estimate_s = seconds(latency.estimate(limit.percentile)) if latency and limit else None
    if limit is None or estimate_s is None:
        return None
    if estimate_s > limit.limit_s:
        return lower_target_qps(target, rate, numbers.scheduled_rate or 0.0)
    most = most_qps_of_passes(round_, scenario, target)
    higher = float(f"{min(_STEP_UP * target, most):.4g}")
    return higher if estimate_s < _ROOM * limit.limit_s and higher > target else None
