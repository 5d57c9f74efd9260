"""The table of rates and latencies: what each run of a scenario did, line by line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from weighbridge.core.formatting import NONE, memory_size, number, page_duration, page_latency, share
from weighbridge.records.run_record import LoadReport
from weighbridge.records.verdict import Verdict
from weighbridge.report.inputs import Missing, Run
from weighbridge.report.request_series import PERCENTILES, Traffic, latencies


@dataclass(frozen=True)
class Line:
    """One line of the table; a cell a run."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """Lines that belong together, under a heading."""

    name: str
    lines: tuple[Line, ...]


def rate_blocks(runs: Sequence[Run | Missing], verdict: Verdict | Missing) -> tuple[Block, ...]:
    """Word the runs of one scenario; the first is the performance run, which the verdict's counts are of."""
    return (
        Block("Work", _lines(runs, _WORK)),
        Block("Latency", (*_lines(runs, _LATENCY), *_late(len(runs), verdict))),
        Block("Client", _lines(runs, _CLIENT)),
        Block("Server", _lines(runs, _SERVER)),
    )


def warnings_of(runs: Sequence[Run | Missing]) -> list[str]:
    """Collect what the runs' clients warned of, each run named."""
    return [
        f"{run.name}: {warning}"
        for run in runs
        if isinstance(run, Run)
        for warning in (*_ended_early(run.record.load), *run.record.load.warnings)
    ]


def _ended_early(load: LoadReport) -> list[str]:
    return [] if load.aborted is None else [f"ended early: {load.aborted}"]


def _failed(load: LoadReport) -> str:
    kinds = ", ".join(f"{number(count)} {kind}" for kind, count in sorted(load.failed.items()) if count)
    return f"{number(load.failures)} ({kinds})" if kinds else "0"


def _late(runs: int, verdict: Verdict | Missing) -> tuple[Line, ...]:
    """Word the early-stopping counts, where the scenario has a limit; of the performance run alone."""
    if isinstance(verdict, Missing) or verdict.over_latency is None or not verdict.queries:
        return ()
    others = (NONE,) * (runs - 1)
    seen = f"{number(verdict.over_latency)} ({share(verdict.over_latency, verdict.queries)})"
    return (
        Line("over the limit", (seen, *others)),
        Line("may be over", (number(verdict.over_latency_allowed), *others)),
    )


def _lines(runs: Sequence[Run | Missing], asked: Mapping[str, Callable[[Run], str]]) -> tuple[Line, ...]:
    return tuple(
        Line(name, tuple(word(run) if isinstance(run, Run) else NONE for run in runs))
        for name, word in asked.items()
    )


def _of_load(word: Callable[[LoadReport], str]) -> Callable[[Run], str]:
    return lambda run: word(run.record.load)


def _of_traffic(word: Callable[[Traffic], str]) -> Callable[[Run], str]:
    return lambda run: NONE if isinstance(run.traffic, Missing) else word(run.traffic)


def _percentile(percentile: float) -> Callable[[Run], str]:
    return _of_traffic(lambda traffic: page_latency(latencies(traffic).percentiles_s[percentile]))


def _tokens_per_second(traffic: Traffic) -> str:
    return number(int(traffic.tokens.sum()) / traffic.duration_s, 4)


_WORK: dict[str, Callable[[Run], str]] = {
    "issued": _of_load(lambda load: number(load.issued)),
    "completed": _of_load(lambda load: number(load.completed)),
    "failed": _of_load(_failed),
    "requested rate": _of_load(lambda load: f"{number(load.requested_qps)} /s"),
    "achieved rate": _of_load(lambda load: f"{number(load.achieved_qps)} /s"),
    "duration": _of_traffic(lambda traffic: page_duration(traffic.duration_s)),
    "answer tokens": _of_traffic(lambda traffic: number(int(traffic.tokens.sum()))),
    "tokens per second": _of_traffic(_tokens_per_second),
}
_LATENCY = {f"p{100 * each:g}": _percentile(each) for each in PERCENTILES} | {
    "slowest": _of_traffic(lambda traffic: page_latency(latencies(traffic).max_s))
}
_CLIENT: dict[str, Callable[[Run], str]] = {
    "schedule delay, p50": _of_load(lambda load: page_latency(load.schedule_delay.p50_s)),
    "schedule delay, p99": _of_load(lambda load: page_latency(load.schedule_delay.p99_s)),
    "schedule delay, largest": _of_load(lambda load: page_latency(load.schedule_delay.max_s)),
    "CPU per request": _of_load(lambda load: page_latency(load.client_cpu_us_per_request / 1e6)),
    "CPU in all": _of_load(lambda load: page_duration(load.client_cpu_s)),
    "memory, all processes": _of_load(lambda load: memory_size(sum(load.peak_rss_bytes.values()))),
    "sent": _of_load(lambda load: memory_size(load.sent_bytes)),
    "received": _of_load(lambda load: memory_size(load.received_bytes)),
}
_SERVER: dict[str, Callable[[Run], str]] = {
    "ready after": lambda run: page_duration(run.record.server.ready_s),
    "warm-up requests": lambda run: number(run.record.server.warmup_requests),
    "warm-up": lambda run: page_duration(run.record.server.warmup_s),
    "prefix caching": lambda run: run.record.server.prefix_caching,
}
