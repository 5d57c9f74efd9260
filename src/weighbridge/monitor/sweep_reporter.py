"""Report a sweep while it lasts: which run it is at, what each run measured, and what remains."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weighbridge.client.sample_counts import SampleCounts
from weighbridge.core.formatting import duration, latency, rate
from weighbridge.monitor.reporter import Reporter, reporting
from weighbridge.records.progress_record import Phase
from weighbridge.records.sweep_plan import CellPlan, SessionKey, SweepPlan
from weighbridge.records.sweep_run import CellRecord

log = logging.getLogger(__name__)


class SweepReporter:
    """Receives what a sweep does, and reports it through the reporter of a run."""

    def __init__(self, reporter: Reporter, run_s: float) -> None:
        """Report a sweep.

        Args:
            reporter: Shows phase and detail, and writes progress.json.
            run_s: How long a run is expected to last, in s, until the first has shown it.
        """
        self._reporter = reporter
        self._run_s = run_s
        self._cell_started_s: float | None = None
        self._lasted_s: list[float] = []
        self._number, self._of = 0, 0
        self._at = ""

    def planned(self, plan: SweepPlan) -> None:
        """Log how much there is to measure."""
        runs = sum(wave.blocks * len(wave.systems) * len(wave.cells) * wave.repeats for wave in plan.waves)
        log.info("%s", planned_text(plan, runs, self._run_s))

    def system(self, name: str, stage: str) -> None:
        """Show what a system is at, such as its start."""
        self._reporter.enter(Phase.WARMING, f"{name}: {stage}")

    def session(self, key: SessionKey) -> None:
        """Begin a session."""
        self._reporter.enter(Phase.WARMING, f"block {key.block}, {key.system}")

    def cell(self, key: SessionKey, cell: CellPlan, number: int, of: int) -> None:
        """Begin a run, which is the `number`-th of all `of` that the sweep consists of."""
        now_s = time.monotonic()
        if self._cell_started_s is not None:
            self._lasted_s.append(now_s - self._cell_started_s)
        self._cell_started_s = now_s
        self._number, self._of = number, of
        self._at = f"run {number} of {of}: block {key.block}, {key.system}, {cell.workload} {cell.level.name}"
        self._reporter.enter(Phase.RUNNING, self._at)

    def measuring(self, counts: SampleCounts) -> None:
        """Show how far a run is; also called while the runs are sized."""
        parts = [self._at] if self._at else []
        parts.append(f"{counts.completed - counts.failed} answered, {counts.open} open")
        if counts.failed:
            parts.append(f"{counts.failed} failed")
        if counts.trouble:
            parts.append(counts.trouble)
        if self._of:
            parts.append(f"about {duration(self.left_s())} left")
        self._reporter.describe(", ".join(parts))

    def measured(self, record: CellRecord) -> None:
        """Log what a run measured, and which checks forbid its comparison."""
        where = f"block {record.block}, {record.system}, {record.workload} {record.level.name}"
        left_s = self.left_s(ended=True)
        left = f"; about {duration(left_s)} left" if left_s >= 1 else ""
        if record.figures is None:
            log.warning("%s: ended early (%s)%s", where, record.load.aborted or "no reason is known", left)
            return
        shown = f"{rate(record.figures.qps)} requests/s"
        if record.figures.e2e is not None:
            shown += f", p50 {latency(record.figures.e2e.p50)}"
        log.info("%s: %s (run %d of %d%s)", where, shown, self._number, self._of, left)
        for check in record.refused:
            remedy = f" {check.remedy}" if check.remedy else ""
            log.warning("%s: %s, so it is not compared.%s", where, check.wording, remedy)

    def left_s(self, *, ended: bool = False) -> float:
        """Return how long the sweep will take from now, in s, by how long its runs have taken so far.

        Args:
            ended: Whether the present run has ended.
        """
        if self._cell_started_s is None:
            return self._of * self._run_s
        present_s = time.monotonic() - self._cell_started_s
        known_s = [*self._lasted_s, present_s] if ended else self._lasted_s
        each_s = sum(known_s) / len(known_s) if known_s else self._run_s
        rest_s = 0.0 if ended else max(each_s - present_s, 0.0)
        return rest_s + max(self._of - self._number, 0) * each_s


def planned_text(plan: SweepPlan, runs: int, run_s: float) -> str:
    """Return a sentence about what will be measured."""
    waves = plan.waves
    systems = sorted({system for wave in waves for system in wave.systems})
    cells = {cell.name for wave in waves for cell in wave.cells}
    blocks = max((wave.blocks for wave in waves), default=0)
    shape = f"{', '.join(systems)}: {_count(len(cells), 'load')} in {_count(blocks, 'block')}"
    return f"{shape}, {_count(runs, 'run')}, about {duration(runs * run_s)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def reporting_sweep(folder: Path, label: str, run_s: float) -> Iterator[SweepReporter]:
    """Report a sweep for the length of a with block: by a panel on a terminal, else by log lines.

    Args:
        folder: The sweep's folder, for progress.json, which `weighbridge watch` reads; made if missing.
        label: What is measured.
        run_s: How long a run is expected to last, in s.
    """
    with reporting(folder, label) as reporter:
        yield SweepReporter(reporter, run_s)
        reporter.enter(Phase.DONE)
