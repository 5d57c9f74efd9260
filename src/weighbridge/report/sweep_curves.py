"""Curves of a sweep's runs for the charts: latencies, and completions over time, from requests.parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import InputError
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.sweep_plan import repeat_folder
from weighbridge.records.sweep_run import CellRecord
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.sweep.cell_window import window_of
from weighbridge.sweep.latency_figures import Latencies
from weighbridge.sweep.run_rows import RunRows
from weighbridge.sweep.sweep_folder import SweepFolder

SHARES = np.linspace(0, 1, 201)
"""Shares of requests at which latencies are taken."""
_NS = 1e9
_MOST_POINTS = 400  # of a curve: more are not seen

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunCurves:
    """Curves of one run.

    Attributes:
        ttft_s, e2e_s: Latency that each of `SHARES` of the measured requests does not exceed; empty: none.
        completed_s: When requests ended well, since the window's start, in order, shape (n,).
        due_s: When conversations' requests were due, likewise; empty in closed loops.
        window_s: Length of the window.
    """

    ttft_s: Floats
    e2e_s: Floats
    completed_s: Floats
    due_s: Floats
    window_s: float


def read_curves(folder: Path, record: CellRecord) -> RunCurves | None:
    """Return the curves of a run.

    Args:
        folder: The sweep's folder.
        record: The run's record.

    Returns:
        None: its table, or the store of its requests, is not there or damaged, or nothing was measured.
    """
    cell = repeat_folder(f"{record.workload}/{record.level.name}", record.repeat)
    run = folder / f"w{record.wave}" / f"b{record.block}" / record.system / cell
    try:
        table = pq.read_table(run / REQUESTS_TABLE)
        store = WorkloadStore.open(SweepFolder(folder).store(record.wave, record.workload))
        turns = store.slice(record.block, record.level.name, record.repeat)
        return curves_of(RunRows.of(table, turns), record.level, streamed=store.manifest.workload.stream)
    except (OSError, pa.ArrowException, InputError):
        return None


def curves_of(rows: RunRows, level: LoadLevel, *, streamed: bool) -> RunCurves | None:
    """Return the curves of a run's requests; None: nothing was measured.

    Args:
        rows: Its requests.
        level: Its load.
        streamed: Whether answers were streamed; others have no time to the first token.
    """
    window = window_of(rows, level)
    if window is None:
        return None
    latencies = Latencies.of(rows, open_loop=level.open, streamed=streamed)
    ended_ns = rows.end_ns[rows.ok & window.has(rows.end_ns)]
    due_ns = rows.planned_ns[window.has(rows.planned_ns)] if level.open else ended_ns[:0]
    return RunCurves(
        ttft_s=_quantiles(latencies.ttft[rows.measured]),
        e2e_s=_quantiles(latencies.e2e[rows.measured]),
        completed_s=np.sort(ended_ns - window.start_ns) / _NS,
        due_s=np.sort(due_ns - window.start_ns) / _NS,
        window_s=window.seconds,
    )


def _quantiles(values: Floats) -> Floats:
    found = values[~np.isnan(values)]
    return np.asarray(np.quantile(found, SHARES)) if len(found) else np.zeros(0)


def mean_quantiles(runs: Sequence[Floats]) -> Floats:
    """Return the mean of several runs' latencies at each share, which pools no requests; empty: none."""
    found = [run for run in runs if len(run)]
    return np.mean(found, axis=0) if found else np.zeros(0)


def counted(times_s: Floats) -> tuple[Floats, Floats]:
    """Return times and how many there are up to each, thinned out to what a chart can show."""
    counts = np.arange(1, len(times_s) + 1, dtype=np.float64)
    step = max(1, len(times_s) // _MOST_POINTS)
    return np.r_[0.0, times_s[::step]], np.r_[0.0, counts[::step]]
