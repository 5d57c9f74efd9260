"""Show a workflow: a line for each stage that ends, and what is at work meanwhile."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from weighbridge.core.formatting import duration
from weighbridge.monitor.follow import RunStatus
from weighbridge.monitor.render import StatusLines, render_overview
from weighbridge.records.progress_record import PROGRESS_FILE
from weighbridge.records.workflow_event import WorkflowEvent

_LINE_EVERY_S = 10.0


@dataclass(frozen=True)
class _Stage:
    """A job at work."""

    started: WorkflowEvent
    since_s: float


class WorkflowView:
    """Collects what a workflow does, and says it in lines and panels."""

    def __init__(self, directory: Path, outcome: Callable[[str, Mapping[str, str]], str | None]) -> None:
        """Show the workflow of a run directory, from now on.

        Args:
            directory: The run directory.
            outcome: Returns what a finished stage came to, by its rule and wildcards; None: no line is due.
        """
        self._directory, self._outcome = directory, outcome
        self._began_s, self._began_clock_s = time.monotonic(), time.time()
        self._said_s = self._began_s
        self._at_work: dict[int, _Stage] = {}
        self._lines = StatusLines(directory)
        self.planned: dict[str, int] | None = None
        self.done: Counter[str] = Counter()
        self.asked = ""
        self.failed: dict[int, WorkflowEvent] = {}

    def is_made(self, rule: str) -> bool:
        """Return whether nothing that a rule makes is still to be made."""
        return self.planned is None or self.done[rule] >= self.planned.get(rule, 0)

    @property
    def elapsed_s(self) -> float:
        """How long it has taken, in s."""
        return time.monotonic() - self._began_s

    def take(self, event: WorkflowEvent) -> Iterator[str]:
        """Take in an event; yield the lines to show for it."""
        if event.kind == "asks":
            self.asked = event.sentence
        if event.kind == "planned":
            self.planned = event.jobs
        if event.job is None:
            return
        if event.kind == "started":
            self.failed.pop(event.job, None)
            self._at_work[event.job] = _Stage(event, time.monotonic())
            return
        stage = self._at_work.pop(event.job, None)
        took = f", {duration(time.monotonic() - stage.since_s)}" if stage else ""
        if event.kind == "failed":
            self.failed[event.job] = event
            yield self._said(f"failed   {event.stage}{took}")
        elif event.kind == "finished" and stage is not None:
            started = stage.started
            self.done[started.rule] += 1
            of = f"/{sum(self.planned.values())}" if self.planned else ""
            yield self._said(f"{f'{self.done.total()}{of}':<8} {started.stage}{took}")
            outcome = self._outcome(started.rule, started.wildcards)
            if outcome is not None:
                yield self._said(f"{'':<8} {outcome}")

    def own(self, runs: Sequence[RunStatus]) -> list[RunStatus]:
        """Return the runs that were at work since the beginning, without those of earlier times."""
        return [run for run in runs if self._is_new(run)]

    def _is_new(self, run: RunStatus) -> bool:
        try:
            # A second is the coarsest stamp of a file system.
            return (run.folder / PROGRESS_FILE).stat().st_mtime >= self._began_clock_s - 1
        except OSError:
            return False

    def due(self, runs: Sequence[RunStatus]) -> Iterator[str]:
        """Yield the lines that are due where there is no panel: of runs, or else of what is at work."""
        for line in self._lines.due_of_runs(runs):
            yield self._said(f"         {line}")
        if time.monotonic() - self._said_s >= _LINE_EVERY_S:
            yield self._said(f"         {self._at_work_text()}")

    def panel(self, runs: Sequence[RunStatus]) -> RenderableType:
        """Draw what is at work."""
        foot = Text(f"{self._at_work_text()} (all: {duration(self.elapsed_s)})", style="dim")
        active = [run for run in runs if run.active and not run.stale_reason]
        return Group(render_overview(active, self._directory), foot) if active else foot

    def _at_work_text(self) -> str:
        if not self._at_work:
            return "between two stages" if self.done else "Snakemake reads the workflow"
        now_s = time.monotonic()
        return "; ".join(
            f"{stage.started.stage}, {duration(now_s - stage.since_s)}" for stage in self._at_work.values()
        )

    def _said(self, line: str) -> str:
        self._said_s = time.monotonic()
        return line
