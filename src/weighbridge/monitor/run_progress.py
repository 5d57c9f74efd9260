"""The figures of a running measurement, reckoned from what LoadGen's process tells and writes."""

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns

from weighbridge.client.frames import Kind
from weighbridge.client.jobs import RECORDS_FILE
from weighbridge.client.process_group import Progress
from weighbridge.client.request_log_tail import RecordsTail
from weighbridge.config.round import Round
from weighbridge.core.terms import Mode, Scenario
from weighbridge.loadgen.work_size import work_size
from weighbridge.monitor.histogram import Histogram
from weighbridge.records.progress_record import Figures
from weighbridge.records.run_record import LoadReport

_NS = 1e9
_RECENT_NS = 30e9


@dataclass(frozen=True)
class Plan:
    """What a measurement is going to do.

    Attributes:
        label: What to call it.
        scenario: How LoadGen issues the work.
        target_qps: Samples/s expected (Offline) or queries/s to issue (Server).
        expected: Samples that LoadGen will issue.
        schedule_s: When the last is due (Server).
        limit_s: What the round allows the p99 (Server).
    """

    label: str
    scenario: Scenario
    target_qps: float
    expected: int
    schedule_s: float
    limit_s: float | None

    @classmethod
    def of(cls, label: str, round_: Round, scenario: Scenario, mode: Mode, target_qps: float) -> "Plan":
        """Reckon it from the round."""
        work = work_size(round_, scenario, mode, target_qps)
        limit_s = round_.scenarios[scenario].target_latency_s
        return cls(label, scenario, target_qps, work.samples, work.scheduled_s, limit_s)


class Gauge:
    """Measures how far a run is. Told by the run's own thread, read by the one that shows it.

    Attributes:
        plan: What is measured.
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        """Take the plan, and the folder of the run."""
        self.plan = plan
        self._records = out / RECORDS_FILE
        self._seen: Progress | None = None
        self._started_ns: int | None = None
        self._ended_ns: int | None = None
        self._tail: RecordsTail | None = None
        self._latencies = Histogram()
        self._recent: deque[tuple[int, int]] = deque()
        self._report: LoadReport | None = None
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        """Be told of the run; only kept, since the run's own thread says it."""
        if self._started_ns is None and progress.issued:
            self._started_ns = monotonic_ns()
        self._seen = progress

    def end(self, report: LoadReport) -> None:
        """Be told what came of the run; whatever was written is counted now."""
        with self._lock, suppress(OSError):
            self._count_latencies()
        self._report, self._ended_ns = report, monotonic_ns()
        self.close()

    def close(self) -> None:
        """Let go of the run's file."""
        with self._lock:
            if self._tail is not None:
                self._tail.close()
                self._tail = None

    def elapsed_s(self) -> float:
        """Seconds from the first query to now, or to the end."""
        if self._started_ns is None:
            return 0.0
        return ((self._ended_ns or monotonic_ns()) - self._started_ns) / _NS

    def figures(self) -> Figures:
        """Tell how far the run is."""
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
            seen = self._seen or Progress(0, 0, 0)
            issued, completed, failed = seen.issued, seen.completed - seen.failed, seen.failed
            qps = completed / max(self.elapsed_s(), 1.0)
        recent_qps = self._recent_qps(completed)
        return Figures(
            scenario=plan.scenario,
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
            left_s=None if report else self._left_s(issued - completed - failed, qps, recent_qps),
        )

    def _count_latencies(self) -> None:
        if self._tail is None:
            # Before the run has spoken an earlier one's file may lie there, and after its end none is left.
            if self._seen is None or self._report is not None:
                return
            self._tail = RecordsTail(self._records)
        records = self._tail.new()
        answered = records[records["kind"] == Kind.OK]
        # Offline everything is issued at once: counted from there, a latency would say when its turn came.
        begin = "planned_ns" if self.plan.scenario is Scenario.SERVER else "sent_ns"
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

    def _left_s(self, waiting: int, qps: float, recent_qps: float) -> float | None:
        """Reckon how long the run will go on; None where nothing tells it yet."""
        if self._started_ns is None:
            return None
        if self.plan.scenario is Scenario.OFFLINE:
            return waiting / qps if qps > 0 else None
        # Once the schedule is over, what is still in flight has to end.
        drained_s = waiting / recent_qps if recent_qps > 0 else 0.0
        return max(self.plan.schedule_s - self.elapsed_s(), drained_s, 0.0)
