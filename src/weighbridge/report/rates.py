"""The report's table of rates and latencies: one line a quantity, one cell a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from weighbridge.core.formatting import (
    NONE,
    measured,
    memory_size,
    number,
    page_duration,
    page_latencies,
    share,
)
from weighbridge.records.run_record import LoadReport
from weighbridge.records.verdict import LatencyFigures, Verdict
from weighbridge.report.inputs import Missing, ReportRun
from weighbridge.report.request_series import PERCENTILES, Floats, RequestSeries, latency_summary
from weighbridge.report.summary_tables import unanswered


@dataclass(frozen=True)
class _Time:
    """A time of each run, in s; a row of them has one unit."""

    of: Callable[[ReportRun], float | None]


_Cell = Callable[[ReportRun], str] | _Time


@dataclass(frozen=True)
class RateLine:
    """One line of the table, with a cell for each run."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class RateBlock:
    """Lines under a common heading."""

    name: str
    lines: tuple[RateLine, ...]


def rate_blocks(runs: Sequence[ReportRun | Missing], verdict: Verdict | Missing) -> tuple[RateBlock, ...]:
    """Return the table of one scenario.

    Args:
        runs: Its runs; the performance run first.
        verdict: Its verdict, with the performance run's late queries.
    """
    return (
        RateBlock("Work", _lines(runs, _WORK)),
        RateBlock("Latency", (*_lines(runs, _LATENCY), *_late(len(runs), *_of_latency(verdict)))),
        *_token_blocks(runs, verdict),
        RateBlock("Client", _lines(runs, _CLIENT)),
        RateBlock("Server", _lines(runs, _SERVER)),
    )


def warnings_of(runs: Sequence[ReportRun | Missing]) -> list[str]:
    """Return the warnings of all runs, each with the run's name."""
    return [
        f"{run.name}: {warning}"
        for run in runs
        if isinstance(run, ReportRun)
        for warning in (
            *_ended_early(run.record.load),
            *unanswered(run.record.load.issued, run.record.load.completed),
            *run.record.load.warnings,
        )
    ]


def _ended_early(load: LoadReport) -> list[str]:
    return [] if load.aborted is None else [f"ended early: {load.aborted}"]


def _failed(load: LoadReport) -> str:
    kinds = ", ".join(f"{number(count)} {kind}" for kind, count in sorted(load.failed.items()) if count)
    return f"{number(load.failures)} ({kinds})" if kinds else "0"


def _token_blocks(runs: Sequence[ReportRun | Missing], verdict: Verdict | Missing) -> tuple[RateBlock, ...]:
    """Return the blocks of first tokens and of those after them, if any run was streamed."""
    if not any(isinstance(run, ReportRun) and run.streamed for run in runs):
        return ()
    of = (None, None) if isinstance(verdict, Missing) else (verdict.ttft, verdict.tpot)
    queries = 0 if isinstance(verdict, Missing) else verdict.queries or 0
    return tuple(
        RateBlock(name, (*_lines(runs, lines), *_late(len(runs), figures, queries)))
        for name, lines, figures in zip(
            ("Time to first token", "Time per output token"), (_TTFT, _TPOT), of, strict=True
        )
    )


def _of_latency(verdict: Verdict | Missing) -> tuple[LatencyFigures | None, int]:
    """Return the late queries of a scenario's latency limit and the number of all."""
    if isinstance(verdict, Missing) or verdict.over_latency is None:
        return None, 0
    figures = LatencyFigures(over=verdict.over_latency, over_allowed=verdict.over_latency_allowed)
    return figures, verdict.queries or 0


def _late(runs: int, figures: LatencyFigures | None, queries: int) -> tuple[RateLine, ...]:
    """Return the late queries and the allowed number, where there is a limit."""
    if figures is None or figures.over is None or not queries:
        return ()
    others = (NONE,) * (runs - 1)
    seen = f"{number(figures.over)} ({share(figures.over, queries)})"
    return (
        RateLine("over the limit", (seen, *others)),
        RateLine("allowed over it", (number(figures.over_allowed), *others)),
    )


def _lines(runs: Sequence[ReportRun | Missing], quantities: Mapping[str, _Cell]) -> tuple[RateLine, ...]:
    return tuple(RateLine(name, _cells(runs, quantity)) for name, quantity in quantities.items())


def _cells(runs: Sequence[ReportRun | Missing], quantity: _Cell) -> tuple[str, ...]:
    if isinstance(quantity, _Time):
        return page_latencies([quantity.of(run) if isinstance(run, ReportRun) else None for run in runs])
    return tuple(quantity(run) if isinstance(run, ReportRun) else NONE for run in runs)


def _of_load(text: Callable[[LoadReport], str]) -> _Cell:
    return lambda run: text(run.record.load)


def _of_requests(text: Callable[[RequestSeries], str]) -> _Cell:
    return lambda run: NONE if isinstance(run.requests, Missing) else text(run.requests)


def _latency(
    values_s: Callable[[RequestSeries], Floats], percentile: float | None, *, streams: bool = False
) -> _Time:
    """Return a percentile of some latency, which only streamed runs may have; None: its largest value."""

    def time_s(run: ReportRun) -> float | None:
        if streams and not run.streamed:
            return None
        if isinstance(run.requests, Missing) or not len(values := values_s(run.requests)):
            return None
        summary = latency_summary(values)
        return summary.max_s if percentile is None else summary.percentiles_s[percentile]

    return _Time(time_s)


def _tokens_per_second(requests: RequestSeries) -> str:
    return measured(int(requests.answer_tokens.sum()) / requests.duration_s)


_WORK: dict[str, _Cell] = {
    "issued": _of_load(lambda load: number(load.issued)),
    "completed": _of_load(lambda load: number(load.completed)),
    "failed": _of_load(_failed),
    "requested rate": _of_load(lambda load: f"{number(load.requested_qps)} /s"),
    "achieved rate": _of_load(lambda load: f"{measured(load.achieved_qps)} /s"),
    "duration": _of_requests(lambda requests: page_duration(requests.duration_s)),
    "answer tokens": _of_requests(lambda requests: number(int(requests.answer_tokens.sum()))),
    "tokens per second": _of_requests(_tokens_per_second),
}
_NAMED: dict[str, float | None] = {f"p{100 * each:g}": each for each in PERCENTILES} | {"slowest": None}
_LATENCY = {name: _latency(lambda requests: requests.latency_s, each) for name, each in _NAMED.items()}
_TTFT = {
    name: _latency(lambda requests: requests.ttft_s, each, streams=True) for name, each in _NAMED.items()
}
_TPOT = {
    name: _latency(lambda requests: requests.tpot_s, each, streams=True) for name, each in _NAMED.items()
}
_CLIENT: dict[str, _Cell] = {
    "schedule delay, p50": _Time(lambda run: run.record.load.schedule_delay.p50_s),
    "schedule delay, p99": _Time(lambda run: run.record.load.schedule_delay.p99_s),
    "schedule delay, largest": _Time(lambda run: run.record.load.schedule_delay.max_s),
    "CPU per request": _Time(lambda run: run.record.load.client_cpu_us_per_request / 1e6),
    "CPU, total": _of_load(lambda load: page_duration(load.client_cpu_s)),
    "memory, all processes": _of_load(lambda load: memory_size(sum(load.peak_rss_bytes.values()))),
    "sent": _of_load(lambda load: memory_size(load.sent_bytes)),
    "received": _of_load(lambda load: memory_size(load.received_bytes)),
}
_SERVER: dict[str, _Cell] = {
    "ready after": lambda run: page_duration(run.record.server.ready_s),
    "warm-up requests": lambda run: number(run.record.server.warmup_requests),
    "warm-up": lambda run: page_duration(run.record.server.warmup_s),
    "prefix caching": lambda run: run.record.server.prefix_caching,
}
