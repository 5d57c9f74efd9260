"""What one run of a sweep measured: the figures of its requests, each defined at its field."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import ForceLength, Workload
from weighbridge.records.run_record import LoadReport
from weighbridge.records.sweep_run import CellFigures
from weighbridge.requests.turns import RunPhase, Turns
from weighbridge.sweep.cell_window import Window, window_of
from weighbridge.sweep.latency_figures import Latencies, percentiles
from weighbridge.sweep.reuse import NOTHING_KNOWN, CacheFacts, reuse_of
from weighbridge.sweep.run_rows import Flags, Numbers, RunRows
from weighbridge.sweep.run_telemetry import RunTelemetry
from weighbridge.sweep.steadiness import Steadiness, is_overloaded
from weighbridge.sweep.throughput_figures import Rates

_NS = 1e9


def figures_of(
    requests: pa.Table,
    turns: Turns,
    level: LoadLevel,
    workload: Workload,
    load: LoadReport | None,
    cache: CacheFacts = NOTHING_KNOWN,
    telemetry: RunTelemetry | None = None,
) -> CellFigures | None:
    """Compute the figures of a run that was not aborted.

    Args:
        requests: Its requests.parquet.
        turns: The turns of its slice.
        level: Its load.
        workload: What was sent.
        load: What the client did; None: there was no client.
        cache: What is known of the server's prefix cache.
        telemetry: What was measured beside it: energy, and the cache counters that `cache` lacks.

    Returns:
        None: no measured request was issued.

    Raises:
        InputError: the table lacks a column, or has requests that are not of the slice.
    """
    rows = RunRows.of(requests, turns)
    window = window_of(rows, level)
    if window is None:
        return None
    latencies = Latencies.of(rows, open_loop=level.open, streamed=workload.stream)
    rates = Rates.of(rows, window, streamed=workload.stream)
    steadiness = Steadiness.of(rows, window)
    measured = rows.measured
    good = measured & rows.ok
    wanted = turns[turns["phase"] == RunPhase.MEASURED]
    goodput, goodput_share = _goodput(rows, window, latencies, workload, level)
    streamed = good & (rows.chunks > 0) & (rows.tokens > 0) & workload.stream
    return CellFigures(
        window_s=window.seconds,
        requests=len(wanted),
        conversations=len(np.unique(wanted["conversation"])),
        failed=len(wanted) - int(good.sum()),
        qps=rates.qps,
        conversations_per_s=rates.conversations_per_s,
        output_tps=rates.output_tps,
        qps_whole_run=_whole_run(rows, measured, good),
        goodput=goodput,
        goodput_share=goodput_share,
        ttft=percentiles(latencies.ttft[measured]),
        e2e=percentiles(latencies.e2e[measured]),
        tpot=percentiles(latencies.tpot[measured]),
        chunk_gap=percentiles(latencies.chunk_gap[measured]),
        norm_latency=percentiles(latencies.norm_latency[measured]),
        tokens_per_chunk=float(rows.tokens[streamed].sum() / rows.chunks[streamed].sum())
        if streamed.any()
        else None,
        prompt_tokens=_mean(rows.prompt_tokens[good & (rows.prompt_tokens > 0)]),
        output_tokens=_mean(rows.tokens[good & (rows.tokens > 0)]),
        previous_turns=len(wanted) / len(np.unique(wanted["conversation"])) - 1,
        other_length_share=_other_lengths(rows, good, workload),
        reuse=reuse_of(
            rows,
            _counted(cache, telemetry),
            live_history=workload.history == "live",
            cut_off=0 if load is None else load.cut_off,
        ),
        offered_qps=rates.due_qps if level.open else None,
        sent_qps=rates.sent_qps,
        concurrency=rates.concurrency,
        schedule_delay_p99_s=_delay_p99_s(rows, window),
        client_busy=None
        if load is None or load.client is None
        else max(load.client.busy.values(), default=None),
        trend=steadiness.trend,
        lag1=steadiness.lag1,
        steady=steadiness.steady,
        overloaded=level.open and is_overloaded(rows, window),
        energy_j=None if telemetry is None else telemetry.energy_j(window),
        out_of_order=_out_of_order(rows),
    )


def _counted(cache: CacheFacts, telemetry: RunTelemetry | None) -> CacheFacts:
    if telemetry is None or cache.queried is not None:
        return cache
    return replace(cache, queried=telemetry.queried, hit=telemetry.hit)


def _goodput(
    rows: RunRows, window: Window, latencies: Latencies, workload: Workload, level: LoadLevel
) -> tuple[float | None, float | None]:
    """Return requests/s that met every objective, and their share, of those that started in the window."""
    if not workload.slo.given:
        return None, None
    started = window.has(rows.start_ns(open_loop=level.open))
    met = started & latencies.met(workload.slo, rows.ok)
    share = float(met.sum()) / float(started.sum()) if started.any() else None
    return float(met.sum()) / window.seconds, share


def _whole_run(rows: RunRows, measured: Flags, good: Flags) -> float:
    span_ns = int(rows.end_ns[measured].max()) - int(rows.begun_ns[measured].min())
    return float(good.sum()) / max(span_ns, 1) * _NS


def _other_lengths(rows: RunRows, good: Flags, workload: Workload) -> float | None:
    """Return the share of answers of another length than forced; one that says no length counts as such."""
    if workload.force_length is ForceLength.NONE or not good.any():
        return None
    return float((rows.tokens != rows.turn("target_tokens"))[good].mean())


def _delay_p99_s(rows: RunRows, window: Window) -> float:
    sent = (rows.sent_ns > 0) & window.has(rows.planned_ns)
    if not sent.any():
        return 0.0
    return float(np.percentile((rows.sent_ns - rows.planned_ns)[sent], 99)) / _NS


def _out_of_order(rows: RunRows) -> int:
    """Return how many requests that ended well have times that cannot follow each other."""
    steps = [rows.planned_ns, rows.sent_ns, rows.first_ns, rows.last_ns, rows.end_ns]
    wrong = rows.ok & (rows.sent_ns <= 0)
    for earlier, later in pairwise(steps):
        wrong |= rows.ok & (earlier > 0) & (later > 0) & (later < earlier)
    return int(wrong.sum())


def _mean(values: Numbers) -> float | None:
    return float(values.mean()) if len(values) else None
