"""Figures of a performance run, read from its detail log."""

from dataclasses import dataclass, fields

from weighbridge.config.scenario_rules import LatencyMetric, LoadGenScenario, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.loadgen.logs import DetailLog


@dataclass(frozen=True)
class Performance:
    """Figures of a performance run from its detail log; None where the log has no value.

    Attributes:
        rate: The published result in the scenario's unit; seconds if it is a latency percentile.
        scheduled_rate: Server: samples/s that LoadGen scheduled.
        duration_s: As LoadGen computes it for its minimum duration.
        p50_latency_s, p90_latency_s, p99_latency_s: Latency percentiles over all samples.
        queries: Queries issued; Offline: samples of the single query.
        over_latency: Server: queries that took longer than the latency limit, where the round has one.
        tokens_per_s: Output tokens/s, where LoadGen measured tokens.
        target_qps: The target rate that the run was configured with.
    """

    rate: float | None
    scheduled_rate: float | None
    duration_s: float | None
    p50_latency_s: float | None
    p90_latency_s: float | None
    p99_latency_s: float | None
    queries: int | None
    over_latency: int | None
    tokens_per_s: float | None
    target_qps: float | None

    @classmethod
    def of(cls, log: DetailLog, scenario: ScenarioRules) -> "Performance":
        """Read the figures; an Offline run is a single query, so its samples are counted."""
        offline = scenario.offline
        scheduled = log.number("result_scheduled_samples_per_sec")
        queries = log.count("generated_samples_per_query" if offline else "result_query_count")
        if offline:
            duration = seconds(log.number("result_max_latency_ns"))
        elif scenario.has_schedule:
            # LoadGen's server rate is (n - 1) over the time at which the last query was scheduled.
            duration = (queries - 1) / scheduled if queries and scheduled else None
        else:
            # Queries run one after another, so the duration is their count times the mean latency.
            mean = seconds(log.number("result_mean_latency_ns"))
            duration = queries * mean if queries and mean else None
        return cls(
            rate=_result(log, scenario),
            scheduled_rate=scheduled,
            duration_s=duration,
            p50_latency_s=seconds(log.number(percentile_key(0.50))),
            p90_latency_s=seconds(log.number(percentile_key(0.90))),
            p99_latency_s=seconds(log.number(percentile_key(0.99))),
            queries=queries,
            # Without a limit LoadGen compares with a built-in one that means nothing.
            over_latency=(
                None if scenario.limits.latency is None else log.count("result_overlatency_query_count")
            ),
            tokens_per_s=log.number(
                "result_tokens_per_second" if offline else "result_completed_tokens_per_second"
            ),
            target_qps=log.number("effective_target_qps"),
        )


NO_FIGURES = Performance(*[None] * len(fields(Performance)))

# LoadGen's log key of a rate, by scenario and unit. Source: results.cc in mlcommons/inference.
_RATE_KEYS = {
    (LoadGenScenario.OFFLINE, "samples/s"): "result_samples_per_second",
    (LoadGenScenario.OFFLINE, "tokens/s"): "result_tokens_per_second",
    (LoadGenScenario.SERVER, "queries/s"): "result_completed_samples_per_sec",
    (LoadGenScenario.SERVER, "samples/s"): "result_completed_samples_per_sec",
    (LoadGenScenario.SERVER, "tokens/s"): "result_completed_tokens_per_second",
}


def _result(log: DetailLog, scenario: ScenarioRules) -> float | None:
    """Return a run's published result: a rate in the scenario's unit, or a latency percentile in seconds.

    Raises:
        InputError: LoadGen does not measure this result in this scenario.
    """
    metric = scenario.metric
    if isinstance(metric, LatencyMetric):
        return seconds(log.number(percentile_key(metric.latency_percentile)))
    assert scenario.loadgen_scenario is not None
    key = _RATE_KEYS.get((scenario.loadgen_scenario, metric))
    if key is None:
        raise InputError(
            f"scenario {scenario.name}: LoadGen does not measure {metric} in {scenario.loadgen_scenario}; "
            "correct 'metric' in the round."
        )
    return log.number(key)


def samples_per_s(log: DetailLog, scenario: ScenarioRules) -> float | None:
    """Return the samples completed per second, whatever the unit of the scenario's result.

    SingleStream: up to the issue of the last query, as LoadGen computes it.
    """
    if scenario.offline:
        return log.number("result_samples_per_second")
    if scenario.has_schedule:
        return log.number("result_completed_samples_per_sec")
    return log.number("result_qps_with_loadgen_overhead")


def percentile_key(percentile: float) -> str:
    """Return LoadGen's log key of a percentile of latency; the percentile is a share."""
    return f"result_{100 * percentile:.2f}_percentile_latency_ns"


def ttft_key(percentile: float) -> str:
    """Return LoadGen's log key of a percentile of the time to the first token; the percentile is a share."""
    return f"result_first_token_{100 * percentile:.2f}_percentile_latency_ns"


def tpot_key(percentile: float) -> str:
    """Return LoadGen's log key of a percentile of the time per output token; the percentile is a share."""
    return f"result_time_per_output_token_{100 * percentile:.2f}_percentile_ns"


def seconds(nanoseconds: float | None) -> float | None:
    """Convert nanoseconds, in which LoadGen logs times."""
    return None if nanoseconds is None else nanoseconds / 1e9
