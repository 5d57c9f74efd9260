"""Whether the client delivered the load that was meant, in time: else the client decided the figures."""

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.core.formatting import latency
from weighbridge.records.run_record import LoadReport, Waits
from weighbridge.records.sweep_run import CellFigures
from weighbridge.records.verdict import Check, Gate

_HELD = 0.98
_RATE_OFF = 0.01
_LEAST_DELAY_S = 0.001
_DELAY_SHARE = 0.01
_JITTER_S = 0.010  # of a machine that has other work, as for the benchmarks' client
_JITTER_SHARE = 0.1
_BUSY_SHARE = 0.7

_CLIENT = (
    "The client's own waits are part of what was measured: raise client.workers, give the client more cores, "
    "or keep other work off them; then measure again."
)
CLIENT_CHECKS = (
    "conversations in progress (mean)",
    "requests/s sent",
    "schedule delay (p99)",
    "receive backlog (p99)",
    "receive backlog (mean)",
    "delay at a timer (p99)",
    "delay at a timer (mean)",
    "busiest client process",
)
"""Checks that the client's machine fails, and not the system: another block may pass them."""
_UNRECORDED = "This run did not record it; measure again."


def delivery_checks(
    figures: CellFigures, load: LoadReport, workload: Workload, level: LoadLevel
) -> list[Check]:
    """Check the client of one run; arguments as of `cell_checks`."""
    gate = Gate(None)
    _load(gate, figures, level)
    _delays(gate, figures, load, workload, level)
    _busy(gate, figures, load)
    return gate.checks


def _load(gate: Gate, figures: CellFigures, level: LoadLevel) -> None:
    """Check that the load was what its level says: conversations at once, or requests sent when due."""
    if level.closed is not None:
        gate.at_least(
            "conversations in progress (mean)",
            round(figures.concurrency, 4),
            round(_HELD * level.closed, 4),
            "",
            f"The client did not keep {level.closed} conversations going. {_CLIENT}",
        )
        return
    offered = figures.offered_qps or 0.0
    off = abs(figures.sent_qps - offered)
    # One request more or less at the window's edges is no fault, nor is the rounding of two quotients.
    most = max(_RATE_OFF * offered, 1 / figures.window_s) * (1 + 1e-9)
    gate.holds(
        "requests/s sent",
        round(figures.sent_qps, 4),
        f"{offered:.4f} within {_RATE_OFF:.0%} or one request",
        off <= most,
        f"The client did not send requests when they were due. {_CLIENT}",
    )


def _delays(gate: Gate, figures: CellFigures, load: LoadReport, workload: Workload, level: LoadLevel) -> None:
    """Check how late requests were sent, and how late what had arrived was read.

    A client that is out of time stamps late what it reads late, so that its own times do not show it: the
    kernel's times of packets and the workers' timers do.

    Open loops: latencies count from due times, and all of these delays are in them. Their p99 is refused
    above the largest of 1 ms, 1 % of the median e2e, by which such loads are compared, and the machine's own
    jitter: 10 ms, and no more than a tenth of that median. A machine that also runs the server has it, and it
    is the same for all systems.

    Closed loops: delays lengthen each turn, so that their mean counts. That of late sending shows in the
    conversations in progress; that of late reading may be 1 % of the median e2e. Late sending may have a p99
    of a tenth of it.

    Whatever p99 is above 1 ms and 1 % of the median first token (or e2e, if closed or not streamed) is told.
    """
    median_s = figures.e2e.p50 if figures.e2e is not None else 0.0
    felt_s = figures.ttft.p50 if level.open and workload.stream and figures.ttft else median_s
    told_s, least_s = (max(_LEAST_DELAY_S, _DELAY_SHARE * each) for each in (felt_s, median_s))
    tenth_s = _JITTER_SHARE * median_s
    most_s = max(least_s, min(_JITTER_S, tenth_s) if level.open else tenth_s)
    _late(gate, "schedule delay (p99)", figures.schedule_delay_p99_s, most_s)
    largest_s = figures.schedule_delay_p99_s
    for name, waits in _waits(load).items():
        largest_s = max(largest_s, waits.p99_s)
        if level.open:
            _late(gate, f"{name} (p99)", waits.p99_s, most_s)
        else:
            _late(gate, f"{name} (mean)", waits.mean_s, least_s)
    if largest_s > told_s:
        gate.not_asked("client's delays (p99)", latency(largest_s), f"above {latency(told_s)}")


def _waits(load: LoadReport) -> dict[str, Waits]:
    if load.client is None:
        return {}
    waits = {"receive backlog": load.client.receive_backlog, "delay at a timer": load.client.wake_delay}
    return {name: found for name, found in waits.items() if found is not None}


def _late(gate: Gate, name: str, delay_s: float, most_s: float) -> None:
    gate.holds(name, latency(delay_s), f"<= {latency(most_s)}", delay_s <= most_s, _CLIENT)


def _busy(gate: Gate, figures: CellFigures, load: LoadReport) -> None:
    name, limit = "busiest client process", f"<= {_BUSY_SHARE:g} of a core"
    if load.client is None or figures.client_busy is None:
        gate.unknown(name, limit, _UNRECORDED)
        return
    busiest = max(load.client.busy, key=load.client.busy.__getitem__)
    share = figures.client_busy
    gate.holds(name, f"{share:.2f} ({busiest})", limit, share <= _BUSY_SHARE, _CLIENT)
