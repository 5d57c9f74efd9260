"""Figures of a phase of the official client, as run.json has them of any run."""

import numpy as np
from numpy.typing import NDArray

from weighbridge.client import request_log
from weighbridge.client.request_log import Records
from weighbridge.endpoints.events import ClientPhase
from weighbridge.endpoints.schedule import arrivals_ns, delays_s
from weighbridge.records.run_record import Delay


def issue_delay(
    phase: ClientPhase | None, target_qps: float | None, seed: int | None, earlier: int | None = None
) -> Delay:
    """Return how late queries were issued after the schedule of the seed; without a schedule nothing is late.

    Args:
        phase: The phase; None: there is none.
        target_qps: Queries/s; None: there is no schedule.
        seed: Of the gaps between queries.
        earlier: Queries of the phase before, as `arrivals_ns` takes it.
    """
    if phase is None or not len(phase) or not target_qps or seed is None:
        return Delay(p50_s=0, p99_s=0, max_s=0)
    late_s = delays_s(phase.issued_ns, arrivals_ns(len(phase), target_qps, seed, earlier))
    p50, p99 = np.quantile(late_s, [0.5, 0.99], method="higher")
    return Delay(p50_s=float(p50), p99_s=float(p99), max_s=float(late_s.max()))


def in_flight(rows: Records) -> tuple[tuple[float, int], ...]:
    """Return the open queries over time, as `request_log.in_flight`; one that never ended stays open."""
    rows = rows.copy()
    if len(rows):
        last_ns = max(int(rows["end_ns"].max()), int(rows["sent_ns"].max()))
        rows["end_ns"][rows["end_ns"] == 0] = last_ns
    return request_log.in_flight(rows)


def answered_by_worker(phase: ClientPhase | None) -> tuple[int, ...]:
    """Return the number of queries that each of the client's workers ended."""
    workers: NDArray[np.int64] = (
        np.empty(0, dtype=np.int64) if phase is None else phase.worker[phase.worker >= 0]
    )
    return tuple(np.bincount(workers).tolist()) if len(workers) else ()
