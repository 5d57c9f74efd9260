"""Check that the client was not the limit: what it added to a run cannot have decided the run's result."""

from collections.abc import Iterator

import numpy as np

from weighbridge.client.process_cost import WINDOW_S
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, Mode, ScenarioRules
from weighbridge.gates.performance_figures import Performance, percentile_key, seconds
from weighbridge.gates.request_rows import Numbers, RequestRows
from weighbridge.gates.token_figures import TPOT, TTFT
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.run_record import ClientRecord, LoadReport, Waits
from weighbridge.records.verdict import Check, Gate

_SHARE = 0.01  # of what decides a result; a wait below this moves no verdict and no figure that is read
_LEAST_S = 0.010  # a machine's own jitter
_LEAST_AT_END_S = 0.5  # a single wait, at the end of an Offline run, is not averaged by others
# A demonstration shares its few cores with its server, and its numbers are nobody's result.
_DEMONSTRATION = 5
_BUSY_SHARE = 0.9  # of a core; from there on a process has no time left, and what it is given waits
_LOADED_SHARE = 0.5  # of a core; below it a worker's load is of no matter, however uneven
_UNEVEN = 1.5
_FASTER = (
    "The client's own waits are part of what was measured: raise client.workers (and client.connections, if "
    "all were in use), give the client more cores, or keep other work off them; then repeat the run."
)
_LOADGEN_FASTER = (
    "LoadGen's process came late to its queries or to their answers: give the client more or faster cores, "
    "or keep other work off them; then repeat the run."
)
_NOT_RECORDED = "This run did not record what its own client did; repeat it."
_NO_TIMESTAMPS = "The kernel told no time of arrival of packets; run the client on a Linux machine that does."
_BACKLOG, _WAKE, _BUSY = "receive backlog", "workers' delay at a timer", "busiest client process"


def client_checks(
    log: DetailLog, load: LoadReport, rows: RequestRows | None, round_: Round, scenario: ScenarioRules
) -> list[Check]:
    """Check a performance run's client; what was not recorded is unknown where rules hold.

    Waits are compared with what decides the result: limits of the round, or else the measured time itself.

    Args:
        log: The run's detail log.
        load: What its run.json says of the load.
        rows: Its requests.parquet; None: there is none.
        round_: The round.
        scenario: Its scenario.
    """
    gate = Gate(Mode.PERFORMANCE)
    numbers = Performance.of(log, scenario)
    times = 1 if round_.held_to_rules else _DEMONSTRATION
    deciding_s = _deciding_s(numbers, rows, scenario)
    if deciding_s is not None:
        most_s = times * max(_SHARE * deciding_s, _LEAST_S)
        if not scenario.offline:  # there, requests wait for the server to end others, and nothing is late
            _wait(gate, "schedule delay (p99)", load.schedule_delay.p99_s, most_s, _FASTER)
        if rows is not None:
            _added_by_loadgen(gate, log, numbers, rows, scenario, times)
            most_s = min(most_s, times * _tpot_share_s(rows, scenario))
        _waits(gate, load.client, most_s, round_, scenario)
    elif round_.held_to_rules:
        gate.unknown(_BACKLOG, f"<= {_SHARE:.0%} of what decides the result", _NOT_RECORDED)
    busy_checks(gate, load.client, round_, _LOADGEN_FASTER)
    return gate.checks


def busy_checks(gate: Gate, client: ClientRecord | None, round_: Round, other: str) -> None:
    """Check that no process of a client was out of time, and that its workers shared the requests.

    Args:
        gate: Takes the checks.
        client: What the run recorded of its client; None: nothing, which is unknown where rules hold.
        round_: The round.
        other: What to do where a process other than a worker was out of time.
    """
    if client is not None and client.busy:
        _busiest(gate, client, other)
    elif round_.held_to_rules:
        gate.unknown(_BUSY, f"<= {_BUSY_SHARE:g} of a core", _NOT_RECORDED)
    if client is not None:
        _shares(gate, client)


def _deciding_s(numbers: Performance, rows: RequestRows | None, scenario: ScenarioRules) -> float | None:
    """Return the time that decides a scenario's result, beside which the client's waits must be small.

    Offline, a slot of the server is empty from an answer's arrival to the next request, so that the rate
    falls by the client's share of a request's time in flight.
    """
    limits = [limit.limit_s for limit in (scenario.limits.latency, scenario.limits.ttft) if limit is not None]
    if limits:
        return min(limits)
    if isinstance(scenario.metric, LatencyMetric):
        return numbers.rate
    if not scenario.offline:
        return numbers.p50_latency_s
    if rows is None or rows.sent_ns is None or not (sent := rows.sent_ns > 0).any():
        return None
    return float(np.median((rows.end_ns - rows.sent_ns)[sent])) / 1e9


def _tpot_share_s(rows: RequestRows, scenario: ScenarioRules) -> float:
    """Return the wait of a first token that changes the time per output token by the share of its limit."""
    limit = scenario.limits.tpot
    if limit is None or not len(rows):
        return float("inf")
    after_first = max(float(np.median(rows.tokens)) - 1, 1)
    return max(_SHARE * limit.limit_s * after_first, _LEAST_S)


def _wait(gate: Gate, name: str, value_s: float, most_s: float, remedy: str) -> None:
    gate.at_most(name, round(value_s, 6), round(most_s, 6), "s", remedy)


def _waits(
    gate: Gate, client: ClientRecord | None, most_s: float, round_: Round, scenario: ScenarioRules
) -> None:
    """Check how late what had arrived was read, by packets and by a timer.

    A rate suffers from the mean of all waits, a percentile of latencies from few of them.
    """
    found: dict[str, Waits | None] = {_BACKLOG: None, _WAKE: None}
    if client is not None:
        found = {_BACKLOG: client.receive_backlog, _WAKE: client.wake_delay}
    for kind, waits in found.items():
        name = f"{kind} ({'mean' if scenario.offline else 'p99'})"
        if waits is not None:
            _wait(gate, name, waits.mean_s if scenario.offline else waits.p99_s, most_s, _FASTER)
        elif round_.held_to_rules:
            gate.unknown(name, f"<= {most_s:g} s", _NOT_RECORDED if client is None else _NO_TIMESTAMPS)


def _added_by_loadgen(
    gate: Gate,
    log: DetailLog,
    numbers: Performance,
    rows: RequestRows,
    scenario: ScenarioRules,
    times: int,
) -> None:
    """Check by how much LoadGen's figures exceed those of the same requests as the workers recorded them."""
    for name, logged_s, own_s, deciding_s, least_s in _timed(log, numbers, rows, scenario):
        most_s = times * max(_SHARE * deciding_s, least_s)
        _wait(gate, name, max(logged_s - own_s, 0.0), most_s, _LOADGEN_FASTER)


def _timed(
    log: DetailLog, numbers: Performance, rows: RequestRows, scenario: ScenarioRules
) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield a name; in s: LoadGen's figure, the workers' own, what decides, the least wait that counts."""
    if not len(rows):
        return
    if scenario.offline:
        if numbers.duration_s:
            span_s = int(rows.end_ns.max() - rows.planned_ns.min()) / 1e9
            yield "duration added by LoadGen", numbers.duration_s, span_s, numbers.duration_s, _LEAST_AT_END_S
        return
    limits = scenario.limits
    percentile = limits.latency.percentile if limits.latency else 0.99
    if isinstance(scenario.metric, LatencyMetric):
        percentile = scenario.metric.latency_percentile
    logged_s = seconds(log.number(percentile_key(percentile)))
    if logged_s is not None:
        own_s = _quantile_s(rows.end_ns - rows.planned_ns, percentile)
        deciding_s = limits.latency.limit_s if limits.latency else logged_s
        yield "latency added by LoadGen", logged_s, own_s, deciding_s, _LEAST_S
    yield from _timed_tokens(log, rows, scenario)


def _timed_tokens(
    log: DetailLog, rows: RequestRows, scenario: ScenarioRules
) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield the same of each token latency with a limit: how late LoadGen was told, as far as it counts."""
    if rows.first_ns is None or not (begun := rows.first_ns > 0).any():
        return
    after_first = np.maximum(rows.tokens - 1, 1)
    for latency, own_ns, least_s in (
        (TTFT, rows.first_ns - rows.planned_ns, _LEAST_S),
        (TPOT, (rows.end_ns - rows.first_ns) // after_first, _LEAST_S / float(np.median(after_first))),
    ):
        limit = latency.limit_of(scenario)
        logged_s = None if limit is None else latency.logged_s(log, limit.percentile)
        if limit is not None and logged_s is not None:
            own_s = _quantile_s(own_ns[begun], limit.percentile)
            yield f"{latency.title} added by LoadGen", logged_s, own_s, limit.limit_s, least_s


def _quantile_s(times_ns: Numbers, percentile: float) -> float:
    return float(np.quantile(times_ns, percentile, method="higher")) / 1e9


def _busiest(gate: Gate, client: ClientRecord, other: str) -> None:
    """Check that no process of the client was out of time, over any few seconds of the run."""
    name, share = max(client.busy.items(), key=lambda each: each[1])
    gate.holds(
        _BUSY,
        f"{share:.2f} ({name})",
        f"<= {_BUSY_SHARE:g} of a core over any {WINDOW_S:g} s",
        share <= _BUSY_SHARE,
        _FASTER if name.startswith("worker") else other,
    )


def _shares(gate: Gate, client: ClientRecord) -> None:
    """Check that the requests were spread over the workers, where one of them has much to do."""
    answered = client.answered_by_worker
    if len(answered) < 2 or not sum(answered):
        return
    most = max(range(len(answered)), key=answered.__getitem__)
    times = answered[most] * len(answered) / sum(answered)
    idle = client.busy.get(f"worker {most}", 0.0) <= _LOADED_SHARE
    gate.holds(
        "requests of the busiest worker",
        f"{times:.2f} times the mean",
        f"<= {_UNEVEN:g} times the mean, or at most {_LOADED_SHARE:g} of a core",
        times <= _UNEVEN or idle,
        f"Worker {most} did most of the work while others had time: see that no other work takes the cores "
        "of the client, and repeat the run.",
    )
