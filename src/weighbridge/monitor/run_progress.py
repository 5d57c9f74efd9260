"""The progress of a running measurement: counts from the driver process, latencies from the request log."""

import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns

import numpy as np
from numpy.typing import NDArray

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.issuer import IssuePlan
from weighbridge.client.process_group import SampleCounts
from weighbridge.client.request_log import RequestLogTail
from weighbridge.records.progress_record import ProgressFigures
from weighbridge.records.run_record import REQUESTS_BINARY, LoadReport

_NS = 1e9
_RECENT_NS = 30e9
_RATIO = 1.01
_SMALLEST_NS, _LARGEST_NS = 1e3, 1e14  # a microsecond to a day and more
_LOG_RATIO = np.log(_RATIO)
_BUCKETS = int(np.ceil(np.log(_LARGEST_NS / _SMALLEST_NS) / _LOG_RATIO))


class RunProgress:
    """How far a run is. The run's thread updates it, the reporter's thread reads it.

    Attributes:
        plan: What the measurement will do.
    """

    def __init__(self, plan: IssuePlan, out: Path) -> None:
        """Follow a measurement that writes its request log into the folder `out`."""
        self.plan = plan
        self._records = out / REQUESTS_BINARY
        self._seen: SampleCounts | None = None
        self._started_ns: int | None = None
        self._ended_ns: int | None = None
        self._tail: RequestLogTail | None = None
        self._latencies = LatencyHistogram()
        self._recent: deque[tuple[int, int]] = deque()
        self._report: LoadReport | None = None
        self._lock = threading.Lock()

    def __call__(self, counts: SampleCounts) -> None:
        """Store the run's latest counts. Does nothing more: it is called on the run's own thread."""
        if self._started_ns is None and counts.issued:
            self._started_ns = monotonic_ns()
        self._seen = counts

    def end(self, report: LoadReport) -> None:
        """Store the final report, and count the latencies written until now."""
        with self._lock, suppress(OSError):
            self._count_latencies()
        self._report, self._ended_ns = report, monotonic_ns()
        self.close()

    def close(self) -> None:
        """Close the request log."""
        with self._lock:
            if self._tail is not None:
                self._tail.close()
                self._tail = None

    def elapsed_s(self) -> float:
        """Return the seconds from the first query to now, or to the end."""
        if self._started_ns is None:
            return 0.0
        return ((self._ended_ns or monotonic_ns()) - self._started_ns) / _NS

    def figures(self) -> ProgressFigures:
        """Return counts, rates, latencies and the time left, as of now."""
        with self._lock, suppress(OSError):
            self._count_latencies()
        plan, report = self.plan, self._report
        if report is not None:
            issued, completed, failed, qps = (
                report.issued,
                report.completed,
                report.failures,
                report.achieved_qps,
            )
        else:
            seen = self._seen or SampleCounts(0, 0, 0)
            issued, completed, failed = seen.issued, seen.completed - seen.failed, seen.failed
            qps = completed / max(self.elapsed_s(), 1.0)
        recent_qps = self._recent_qps(completed)
        return ProgressFigures(
            scenario=plan.scenario,
            scheduled=plan.scheduled,
            expected=max(plan.expected, issued),
            issued=issued,
            completed=completed,
            failed=failed,
            target_qps=plan.target_qps,
            qps=qps,
            recent_qps=recent_qps,
            p50_s=self._latencies.percentile_s(0.5),
            p99_s=self._latencies.percentile_s(0.99),
            limit_s=plan.limit_s,
            left_s=None if report else self._left_s(issued, completed + failed, qps, recent_qps),
        )

    def _count_latencies(self) -> None:
        if self._tail is None:
            # Before the first counts, the file may be an earlier run's; after the end there is none.
            if self._seen is None or self._report is not None:
                return
            self._tail = RequestLogTail(self._records)
        records = self._tail.new()
        answered = records[records["outcome"] == RequestOutcome.OK]
        # Where everything is issued at once, a latency from then on would measure the wait for its turn.
        begin = "planned_ns" if self.plan.scheduled else "sent_ns"
        self._latencies.add(answered["end_ns"] - answered[begin])
        if len(answered) and self._started_ns is not None:
            self._started_ns = min(self._started_ns, int(answered["planned_ns"].min()))

    def _recent_qps(self, completed: int) -> float:
        if self._started_ns is None:
            return 0.0
        now = monotonic_ns()
        self._recent.append((now, completed))
        while len(self._recent) > 2 and now - self._recent[1][0] >= _RECENT_NS:
            self._recent.popleft()
        then, before = self._recent[0]
        return (completed - before) / max(now - then, _NS) * _NS

    def _left_s(self, issued: int, ended: int, qps: float, recent_qps: float) -> float | None:
        """Estimate the seconds until the run ends; None where nothing is known yet."""
        if self._started_ns is None:
            return None
        if not self.plan.scheduled:
            return (max(self.plan.expected, issued) - ended) / qps if qps > 0 else None
        # After the schedule, the queries in flight have to end.
        drained_s = (issued - ended) / recent_qps if recent_qps > 0 else 0.0
        return max(self.plan.schedule_s - self.elapsed_s(), drained_s, 0.0)


class LatencyHistogram:
    """Latencies counted in buckets of equal ratio: bounded memory, percentiles within half a percent.

    Latencies below a microsecond count as one microsecond, those above a day as a day.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_BUCKETS, dtype=np.int64)

    def add(self, latencies_ns: NDArray[np.int64]) -> None:
        """Count latencies, in nanoseconds; any shape (n,)."""
        bounded = np.clip(latencies_ns, _SMALLEST_NS, _LARGEST_NS)
        bucket = (np.log(bounded / _SMALLEST_NS) / _LOG_RATIO).astype(np.int64)
        self._counts += np.bincount(np.minimum(bucket, _BUCKETS - 1), minlength=_BUCKETS)

    def percentile_s(self, percentile: float) -> float | None:
        """Return a percentile in seconds, as LoadGen takes it: the value at index floor(n * percentile).

        None where nothing was counted.
        """
        ranks = np.cumsum(self._counts)
        count = int(ranks[-1])
        if not count:
            return None
        index = min(int(count * percentile), count - 1)
        bucket = int(np.searchsorted(ranks, index, side="right"))
        return float(_SMALLEST_NS * _RATIO ** (bucket + 0.5) / 1e9)
