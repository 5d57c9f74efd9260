"""Check LoadGen's figures of tokens against the run's own record of each request, and the reverse.

Neither can be altered alone: LoadGen stamps a first token and an end when it is told of them, which is after
the client has read them, and a client that tells it late or of other numbers of tokens shows here.
"""

import numpy as np

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, LatencyMetric, ScenarioRules
from weighbridge.gates.performance_figures import Performance, seconds
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.token_checks import most_tokens
from weighbridge.gates.token_figures import (
    FEWEST_TOKENS,
    TOKEN_LATENCIES,
    TPOT,
    TTFT,
    Nanoseconds,
    TokenLatency,
    over_limit,
    percentile_ns,
    tokens_counted,
)
from weighbridge.loadgen.early_stopping import discarded, max_over_latency
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.verdict import Gate

# At most this lies between the client's reading of a first token and LoadGen's stamp. As much as passes the
# checks of the client, by the limits of the scenario, in a demonstration.
_TOLD_NS = 100_000_000
_TICK_NS = 1_000_000
_DIGITS = 1e-3
_COUNT_DIGITS = 1e-4  # LoadGen logs rates with six digits, of which two are divided
_CONTRADICT = "The client's records contradict LoadGen's log: one of them was altered; repeat the run."


def token_record_checks(
    gate: Gate, log: DetailLog, rows: RequestRows, round_: Round, scenario: ScenarioRules
) -> None:
    """Check counts and latencies of tokens of a performance run; `gate` receives the checks."""
    done = rows.completed
    if not done.any():
        return
    fewest = int(rows.tokens[done].min())
    gate.at_least(
        "fewest tokens of an answer",
        fewest,
        FEWEST_TOKENS,
        "",
        "LoadGen counts no token of such an answer; send min_tokens with every request, and repeat the run.",
    )
    if (most := most_tokens(round_)) is not None:
        remedy = "The closed division limits answers; send its max_tokens, and repeat the run."
        gate.at_most("most tokens of an answer", int(rows.tokens[done].max()), most, "", remedy)
    _counted(gate, log, rows, scenario)
    if scenario.offline:  # answers come whole
        return
    _begun(gate, rows)
    for latency in TOKEN_LATENCIES:
        _as_recorded(gate, log, latency, rows, scenario)
        if round_.loadgen_rules.early_stopping and (limit := latency.limit_of(scenario)) is not None:
            _early_stopping(gate, latency, limit, rows, scenario)
    if isinstance(scenario.metric, LatencyMetric):
        _estimate(gate, log, rows, scenario.metric)


def _counted(gate: Gate, log: DetailLog, rows: RequestRows, scenario: ScenarioRules) -> None:
    """Check that LoadGen counted the tokens that the client received, and the two that failures count as."""
    done = rows.completed
    own = int(rows.tokens[done].sum()) + FEWEST_TOKENS * int((~done).sum())
    counted = tokens_counted(log, scenario, Performance.of(log, scenario).queries)
    agree = counted is not None and abs(counted - own) <= _COUNT_DIGITS * own
    gate.holds("tokens counted by LoadGen", counted and round(counted), f"about {own}", agree, _CONTRADICT)


def _begun(gate: Gate, rows: RequestRows) -> None:
    """Check that each completed answer has a first token, after its issue and not after its end."""
    done = rows.completed
    if rows.first_ns is None:
        missing = int(done.sum())
    else:
        first_ns = rows.first_ns[done]
        missing = int(((first_ns < rows.planned_ns[done]) | (first_ns > rows.end_ns[done])).sum())
    remedy = "Answers must be streamed, and each first token recorded; repeat the run."
    gate.equals("answers without a first token", missing, 0, remedy)


def _as_recorded(
    gate: Gate, log: DetailLog, latency: TokenLatency, rows: RequestRows, scenario: ScenarioRules
) -> None:
    """Check that LoadGen's percentiles are those of the client's own times, but for how late it was told.

    A first token that LoadGen was told late makes its time longer, and that per output token shorter.
    """
    limit = latency.limit_of(scenario)
    least_ns, most_ns = _bounds(latency, rows)
    if least_ns is None or most_ns is None:
        return
    for percentile in dict.fromkeys((0.5, limit.percentile if limit else 0.99)):
        logged_s = latency.logged_s(log, percentile)
        low_s = max(percentile_ns(least_ns, percentile) * (1 - _DIGITS), 0) / 1e9
        high_s = percentile_ns(most_ns, percentile) * (1 + _DIGITS) / 1e9
        name = f"{100 * percentile:g}th percentile {latency.title} as recorded"
        _between(gate, name, logged_s, low_s, high_s)


def _bounds(latency: TokenLatency, rows: RequestRows) -> tuple[Nanoseconds, Nanoseconds] | tuple[None, None]:
    """Return the least and the largest that LoadGen can have measured of each completed request, (n,) ns."""
    recorded = latency.recorded_ns(rows)
    if recorded is None:
        return None, None
    if latency is not TPOT:
        return recorded - _TICK_NS, recorded + _TOLD_NS
    told_ns = (_TICK_NS + _TOLD_NS) // np.maximum(rows.tokens[rows.completed] - 1, 1)
    return recorded - told_ns, recorded + told_ns


def _early_stopping(
    gate: Gate, latency: TokenLatency, limit: LatencyLimit, rows: RequestRows, scenario: ScenarioRules
) -> None:
    """Count the queries over a limit, which LoadGen does not log; failed ones are over it."""
    recorded = latency.recorded_ns(rows)
    if recorded is None:
        return
    over = over_limit(recorded, limit) + len(rows) - len(recorded)
    allowed = max_over_latency(len(rows), limit.percentile)
    most = "more queries" if allowed is None else f"<= {allowed} of {len(rows)} over {limit.limit_s:g} s"
    gate.holds(
        f"early stopping of {latency.title} as recorded",
        over,
        most,
        allowed is not None and over <= allowed,
        f"Lower scenarios.{scenario.name}.target_qps, or make the run longer, and repeat.",
    )


def _estimate(gate: Gate, log: DetailLog, rows: RequestRows, metric: LatencyMetric) -> None:
    """Check LoadGen's estimate by early stopping: where it measures tokens, it is one of first tokens."""
    recorded = TTFT.recorded_ns(rows)
    slowest = discarded(len(rows), metric.latency_percentile)
    if recorded is None or slowest is None or slowest >= len(recorded):
        return
    own_s = float(np.sort(recorded)[-1 - slowest]) / 1e9
    logged_s = seconds(log.number("early_stopping_latency_ss"))
    low_s, high_s = own_s * (1 - _DIGITS) - _TICK_NS / 1e9, own_s * (1 + _DIGITS) + _TOLD_NS / 1e9
    _between(gate, f"early stopping's estimate of {TTFT.title} as recorded", logged_s, low_s, high_s)


def _between(gate: Gate, name: str, logged_s: float | None, low_s: float, high_s: float) -> None:
    agrees = logged_s is not None and low_s <= logged_s <= high_s
    gate.holds(name, logged_s, f"{low_s:.6g} to {high_s:.6g} s", agrees, _CONTRADICT)
