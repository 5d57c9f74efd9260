"""Figures of tokens in a performance run: read from its detail log, and computed from its own requests.

LoadGen logs percentiles of token latencies, and rates with six digits; it logs neither the number of tokens
nor how many queries missed a limit. Source of the keys: results.cc of LoadGen in mlcommons/inference.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weighbridge.config.scenario_rules import LatencyLimit, ScenarioRules
from weighbridge.core.percentiles import percentile_of_sorted
from weighbridge.gates.performance_figures import samples_per_s, seconds, tpot_key, ttft_key
from weighbridge.gates.request_rows import RequestRows
from weighbridge.loadgen.early_stopping import max_over_latency, min_queries
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.verdict import LatencyFigures

Nanoseconds = NDArray[np.integer[Any]]
# LoadGen counts no token of an answer with fewer, and logs an error. It is told this of a failed request.
FEWEST_TOKENS = 2


@dataclass(frozen=True)
class TokenLatency:
    """One of the two token latencies: its names in a round, in a verdict and in LoadGen's log.

    Attributes:
        name: In the limits of a scenario.
        title: In checks.
        verdict_key: Of LoadGen's log, what its early stopping says.
        setting_key: Of LoadGen's log, the limit that was set, in ns.
    """

    name: str
    title: str
    verdict_key: str
    setting_key: str

    def measured_key(self, percentile: float) -> str:
        """Return LoadGen's log key of a percentile, a share."""
        return ttft_key(percentile) if self.name == "ttft" else tpot_key(percentile)

    def limit_of(self, scenario: ScenarioRules) -> LatencyLimit | None:
        """Return the scenario's limit; None: it has none."""
        return scenario.limits.by_name.get(self.name)

    def logged_s(self, log: DetailLog, percentile: float) -> float | None:
        """Return a percentile as LoadGen logged it, in s; None: it did not."""
        return seconds(log.number(self.measured_key(percentile)))

    def recorded_ns(self, rows: RequestRows) -> Nanoseconds | None:
        """Return what the client recorded of the completed requests, (n,) ns; None: it did not.

        A time per output token is LoadGen's: from the first token to the end of the answer, over the tokens
        after the first.
        """
        if rows.first_ns is None:
            return None
        done = rows.completed
        first_ns = rows.first_ns[done]
        if self.name == "ttft":
            return first_ns - rows.planned_ns[done]
        return (rows.end_ns[done] - first_ns) // np.maximum(rows.tokens[done] - 1, 1)


TTFT = TokenLatency(
    "ttft", "time to first token", "early_stopping_ttft_result", "requested_server_ttft_latency"
)
TPOT = TokenLatency(
    "tpot", "time per output token", "early_stopping_tpot_result", "requested_server_tpot_latency"
)
TOKEN_LATENCIES = (TTFT, TPOT)


def figures_of(
    latency: TokenLatency,
    log: DetailLog,
    rows: RequestRows | None,
    scenario: ScenarioRules,
    queries: int | None,
) -> LatencyFigures | None:
    """Return LoadGen's percentiles of a token latency beside its limit; None: LoadGen logged none.

    How many samples are over the limit is counted in the run's own requests, because LoadGen does not log it.
    """
    if latency.logged_s(log, 0.5) is None:
        return None
    limit = latency.limit_of(scenario)
    over = None
    recorded = None if rows is None else latency.recorded_ns(rows)
    if limit is not None and recorded is not None:
        over = over_limit(recorded, limit)
    p50_s, p90_s, p99_s = (latency.logged_s(log, percentile) for percentile in (0.5, 0.9, 0.99))
    return LatencyFigures(
        p50_s=p50_s,
        p90_s=p90_s,
        p99_s=p99_s,
        limit_s=None if limit is None else limit.limit_s,
        percentile=None if limit is None else limit.percentile,
        over=over,
        over_allowed=max_over_latency(queries, limit.percentile) if limit and queries else None,
        queries_needed=None if over is None or limit is None else min_queries(over, limit.percentile),
    )


def over_limit(latencies_ns: Nanoseconds, limit: LatencyLimit) -> int:
    """Return how many latencies are above a limit."""
    return int((latencies_ns > round(limit.limit_s * 1e9)).sum())


def tokens_counted(log: DetailLog, scenario: ScenarioRules, queries: int | None) -> float | None:
    """Return the output tokens of all samples as LoadGen counted them, to about five digits; None: not known.

    LoadGen logs rates over one time: of tokens, and of all samples (Offline) or all but the first.
    """
    samples_rate, tokens_rate = samples_per_s(log, scenario), log.number(_token_rate_key(scenario))
    if not samples_rate or tokens_rate is None or not queries:
        return None
    return tokens_rate / samples_rate * (queries if scenario.offline else queries - 1)


def _token_rate_key(scenario: ScenarioRules) -> str:
    """Return the key of the tokens/s that are over the same time as `samples_per_s`."""
    if scenario.offline:
        return "result_tokens_per_second"
    if scenario.has_schedule:
        return "result_completed_tokens_per_second"
    return "result_token_throughput_with_loadgen_overhead"


def percentile_ns(latencies_ns: Nanoseconds, percentile: float) -> float:
    """Return a percentile of latencies as LoadGen takes it, in ns.

    Raises:
        IndexError: there are none.
    """
    return float(percentile_of_sorted(np.sort(latencies_ns).tolist(), percentile))
