"""The progress of a running measurement: counts from the driver process, latencies from the request log.

Requests without an answer count in what is shown, each at its present age: else a stalled run looks fast.
"""

import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns

import numpy as np
from numpy.typing import NDArray

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.issuer import IssuePlan
from weighbridge.client.request_log import Records, RequestLogTail
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.core.formatting import duration
from weighbridge.monitor.time_left import TimeLeft
from weighbridge.monitor.unanswered import Ages, Unanswered, UnansweredSinceIssue, UnansweredSinceSending
from weighbridge.records.progress_record import ProgressFigures
from weighbridge.records.run_record import REQUESTS_BINARY, LoadReport

_NS = 1e9
_RECENT_NS = 30e9
# Without an answer for so long a run no longer goes on, and its end cannot be foreseen.
_QUIET_S = 10.0
_RATIO = 1.01
_SMALLEST_NS, _LARGEST_NS = 1e3, 1e14  # a microsecond to a day and more
_LOG_RATIO = np.log(_RATIO)
_BUCKETS = int(np.ceil(np.log(_LARGEST_NS / _SMALLEST_NS) / _LOG_RATIO))


class RunProgress:
    """How far a run is. The run's thread updates it, the reporter's thread reads it.

    Attributes:
        plan: What the measurement will do.
    """

    def __init__(self, plan: IssuePlan, out: Path, connections: int) -> None:
        """Follow a measurement that writes its request log into the folder `out`.

        `connections` is how many requests are under way at the same time, at most.
        """
        self.plan = plan
        self._records = out / REQUESTS_BINARY
        self._seen: SampleCounts | None = None
        self._started_ns: int | None = None
        self._ended_ns: int | None = None
        self._tail: RequestLogTail | None = None
        self._latencies = LatencyHistogram()
        self._late = 0
        # Where everything is issued at once, a latency from then on would measure the wait for its turn.
        self._unanswered: Unanswered = (
            UnansweredSinceIssue() if plan.scheduled else UnansweredSinceSending(connections)
        )
        self._seen_ns = self._held_ns = 0
        self._time_left = TimeLeft(plan.target_qps, scheduled=plan.scheduled)
        self._recent: deque[tuple[int, int]] = deque()
        self._report: LoadReport | None = None
        self._lock = threading.Lock()

    def __call__(self, counts: SampleCounts) -> None:
        """Store the run's latest counts. Does nothing more: it is called on the run's own thread."""
        now_ns = monotonic_ns()
        if self._started_ns is None and counts.issued:
            self._started_ns = now_ns
        self._held_ns = counts.at_ns or now_ns
        self._unanswered.note(self._held_ns, counts.issued)
        self._seen, self._seen_ns = counts, now_ns

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

    def trouble(self) -> str:
        """Return what keeps the run from going on; "" where it goes on."""
        seen = self._seen
        if seen is None or self._ended_ns is not None:
            return ""
        if seen.trouble is not None or seen.phase is not None:
            return seen.trouble or ""  # such a driver is seen in parts, and knows itself what is silence
        quiet_s = seen.quiet_s + (monotonic_ns() - self._seen_ns) / _NS if seen.open else 0.0
        if quiet_s >= _QUIET_S:
            return f"stalled: no answer for {duration(quiet_s)}, {_counted(seen.open)} open"
        stalled_s = self._time_left.stalled_s(monotonic_ns() / _NS) if seen.open else None
        if stalled_s is None:
            return ""
        return f"stalled: no request has ended for {duration(stalled_s)}, {_counted(seen.open)} open"

    def phase(self) -> str:
        """Return what the driver does at present; "" where it has one phase only, or the run is over."""
        seen = self._seen
        return str(seen.phase) if seen is not None and seen.phase and self._ended_ns is None else ""

    def figures(self) -> ProgressFigures:
        """Return counts, rates, latencies and the time left, as of now."""
        with self._lock:
            with suppress(OSError):
                self._count_latencies()
            # As of the last counts: answers since then are not in the request log yet.
            ages = self._unanswered.ages(self._ended_ns or self._held_ns)
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
            ended, failed = max(seen.completed, seen.shown), seen.failed
            issued, completed = max(seen.issued, ended), ended - failed
            qps = completed / max(self.elapsed_s(), 1.0)
        expected, recent_qps = max(plan.expected, issued), self._recent_qps(completed)
        if report is not None and report.aborted is None and self._seen is not None and self._seen.phase:
            expected = issued  # the report is of one of the driver's phases
        waiting = self._latencies.with_ages(ages)
        p50_s, p50_at_least = self._percentile(0.5, waiting)
        p99_s, p99_at_least = self._percentile(0.99, waiting)
        return ProgressFigures(
            scenario=plan.scenario,
            scheduled=plan.scheduled,
            expected=expected,
            issued=issued,
            completed=completed,
            failed=failed,
            target_qps=plan.target_qps,
            qps=qps,
            recent_qps=recent_qps,
            p50_s=p50_s,
            p50_at_least=p50_at_least,
            p99_s=p99_s,
            p99_at_least=p99_at_least,
            limit_s=plan.limit_s,
            late=self._count_late(ages),
            left_s=None
            if report
            else self._note_time_left(expected, completed + failed, None if p50_at_least else p50_s),
        )

    def _percentile(self, percentile: float, waiting: "LatencyHistogram") -> tuple[float | None, bool]:
        """Return a percentile, and whether it is only a bound, set by requests without an answer.

        Young open requests would make it look better than the answers do, so they do not count.
        """
        answered_s, bound_s = self._latencies.percentile_s(percentile), waiting.percentile_s(percentile)
        if bound_s is not None and (answered_s is None or bound_s > answered_s):
            return bound_s, True
        return answered_s, False

    def _count_late(self, ages: Ages) -> int | None:
        if self.plan.limit_s is None:
            return None
        ages_ns, counts = ages
        return self._late + int(counts[ages_ns > self.plan.limit_s * _NS].sum())

    def _count_latencies(self) -> None:
        if self._tail is None:
            # Before the first counts, the file may be an earlier run's; after the end there is none.
            if self._seen is None or self._report is not None:
                return
            self._tail = RequestLogTail(self._records)
        while len(records := self._tail.new()):
            self._count(records)

    def _count(self, records: Records) -> None:
        answered = records[records["outcome"] == RequestOutcome.OK]
        latencies_ns = answered["end_ns"] - answered["planned_ns" if self.plan.scheduled else "sent_ns"]
        self._latencies.add(latencies_ns)
        if self.plan.limit_s is not None:
            self._late += int((latencies_ns > self.plan.limit_s * _NS).sum())
        self._unanswered.add(records)
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

    def _note_time_left(self, expected: int, ended: int, p50_s: float | None) -> float | None:
        """Return the seconds until the run ends; None where too little is known, or nothing goes on."""
        if self._started_ns is None:
            return None
        last_due_s = self.plan.schedule_s + (p50_s or 0.0) if self.plan.scheduled else 0.0
        left_s = self._time_left.note(
            monotonic_ns() / _NS, ended, expected - ended, last_due_s - self.elapsed_s()
        )
        return None if self.trouble() else left_s


class LatencyHistogram:
    """Latencies counted in buckets of equal ratio: bounded memory, percentiles within half a percent.

    Latencies below a microsecond count as one microsecond, those above a day as a day.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_BUCKETS, dtype=np.int64)

    def add(self, latencies_ns: NDArray[np.int64]) -> None:
        """Count latencies, in nanoseconds; any shape (n,)."""
        self._counts += np.bincount(_bucket(latencies_ns), minlength=_BUCKETS)

    def with_ages(self, ages: Ages) -> "LatencyHistogram":
        """Return a copy that counts the ages of requests too."""
        ages_ns, counts = ages
        copy = LatencyHistogram()
        copy._counts = self._counts.copy()
        np.add.at(copy._counts, _bucket(ages_ns), counts)
        return copy

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


def _bucket(latencies_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    bounded = np.clip(latencies_ns, _SMALLEST_NS, _LARGEST_NS)
    bucket: NDArray[np.int64] = (np.log(bounded / _SMALLEST_NS) / _LOG_RATIO).astype(np.int64)
    return np.minimum(bucket, _BUCKETS - 1, out=bucket)


def _counted(requests: int) -> str:
    return "1 request" if requests == 1 else f"{requests:,} requests"
