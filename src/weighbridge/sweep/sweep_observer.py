"""What a sweep reports while it lasts, to an observer that is passed in, such as progress."""

from typing import Protocol

from weighbridge.client.sample_counts import SampleCounts
from weighbridge.records.sweep_plan import CellPlan, SessionKey, SweepPlan
from weighbridge.records.sweep_run import CellRecord


class SweepObserver(Protocol):
    """Receives what a sweep does."""

    def planned(self, plan: SweepPlan, /) -> None:
        """Note that plan.json is written."""

    def system(self, name: str, stage: str, /) -> None:
        """Note what a system is at, outside the runs: its start, a probe, sizing, warm-up."""

    def session(self, key: SessionKey, /) -> None:
        """Note that a session begins."""

    def cell(self, key: SessionKey, cell: CellPlan, number: int, of: int, /) -> None:
        """Note that a run begins, the `number`-th of all `of` that the sweep consists of."""

    def measuring(self, counts: SampleCounts, /) -> None:
        """Receive the counts of a run, and of a sizing one."""

    def measured(self, record: CellRecord, /) -> None:
        """Note that a run has ended."""
