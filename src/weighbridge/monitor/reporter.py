"""Report a run while it lasts: a panel or log lines here, progress.json for those who watch elsewhere.

A separate thread reports once a second, so that a slow disk or a stopped terminal never delays the run, and
an error in reporting never ends it.
"""

import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.client.issuer import IssuePlan
from weighbridge.core.files import write_atomic
from weighbridge.core.interruption import Interruption
from weighbridge.core.terminal import RECURRING, panel_on_stderr, shows_panels
from weighbridge.monitor.render import render_line, render_panel
from weighbridge.monitor.run_progress import RunProgress
from weighbridge.records.progress_record import EVERY_S, PROGRESS_FILE, Phase, State
from weighbridge.records.run_record import LoadReport

if TYPE_CHECKING:
    from rich.console import RenderableType

log = logging.getLogger(__name__)

_LINE_EVERY_S = 10
_LAST_REPORT_S = 5


@dataclass(frozen=True)
class _Current:
    """What the run does at present."""

    label: str
    phase: Phase
    since_s: float
    detail: str = ""
    lost: str = ""
    progress: RunProgress | None = None


class Reporter:
    """Receives what a run does, and reports it."""

    def __init__(
        self, folder: Path, label: str, draw: Callable[["RenderableType"], None] | None = None
    ) -> None:
        """Prepare to report a run.

        Args:
            folder: Where progress.json is written.
            label: The run's name until it measures.
            draw: Draws a panel; without it, and in log files, a line appears every ten seconds.
        """
        self._file = folder / PROGRESS_FILE
        self._draw = draw
        self._current = _Current(label, Phase.STARTING, time.monotonic())
        self._beats = 0
        self._written = True
        self._line_due_s = time.monotonic() + _LINE_EVERY_S
        self._in_trouble = False
        self._changed, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._report_until_end, name="progress", daemon=True)

    def start(self) -> None:
        """Start the reporting thread."""
        self._thread.start()

    def stop(self) -> None:
        """Report the last state and end the thread; wait 5 s at most, in case the disk hangs."""
        self._ended = True
        self._changed.set()
        self._thread.join(_LAST_REPORT_S)
        if self._current.progress is not None:
            self._current.progress.close()

    def enter(self, phase: Phase, detail: str = "") -> None:
        """Enter a phase of the run."""
        self._now(phase=phase, detail=detail, since_s=time.monotonic())

    def starting(self, stage: str) -> None:
        """Set the stage of the server's start."""
        self.describe(stage)

    def describe(self, detail: str) -> None:
        """Set what is shown of the present phase."""
        self._current = replace(self._current, detail=detail)

    def measure(self, plan: IssuePlan, out: Path, connections: int) -> RunProgress:
        """Enter a measurement in the folder `out`; return its progress, for the run to update."""
        progress = RunProgress(plan, out, connections)
        self._now(
            label=plan.label,
            phase=Phase.RUNNING,
            detail="",
            lost="",
            since_s=time.monotonic(),
            progress=progress,
        )
        return progress

    def lost(self, sentence: str) -> None:
        """Show from now on why the measurement cannot pass any more."""
        self._now(lost=sentence)

    def measured(self, report: LoadReport) -> None:
        """End the measurement with its report."""
        progress = self._current.progress
        assert progress is not None
        progress.end(report)
        self._now(phase=Phase.ABORTED if report.aborted else Phase.DONE, detail=report.aborted or "")

    def abort(self, error: BaseException) -> None:
        """Enter the aborted phase, with the error's first line as the reason."""
        told = isinstance(error, Exception | Interruption)
        reason = (str(error) or type(error).__name__) if told else "interrupted"
        self._now(phase=Phase.ABORTED, detail=reason.splitlines()[0].rstrip(":"))

    def _now(self, **changes: object) -> None:
        self._current = replace(self._current, **changes)  # type: ignore[arg-type]
        self._changed.set()

    def _report_until_end(self) -> None:
        try:
            while True:
                last = self._ended
                self._report_once()
                if last:
                    return
                self._changed.wait(EVERY_S)
                self._changed.clear()
        except Exception:
            log.warning("progress can no longer be shown; the run goes on", exc_info=True)

    def _report_once(self) -> None:
        state = self.state()
        self._write(state)
        self._show(state)
        if state.trouble and not self._in_trouble:
            self._line_due_s = 0.0  # now
        self._in_trouble = bool(state.trouble)
        # The server's start logs lines of its own.
        if time.monotonic() >= self._line_due_s and not state.phase.over:
            self._line_due_s = time.monotonic() + _LINE_EVERY_S
            if state.phase is not Phase.STARTING:
                log.info("%s", render_line(state), extra=RECURRING)

    def _write(self, state: State) -> None:
        try:
            write_atomic(self._file, state.model_dump_json(indent=2) + "\n", durable=False)
        except OSError as error:
            if self._written:
                log.warning(
                    "%s cannot be written (%s): 'weighbridge watch' will not see this run, which goes on",
                    self._file,
                    error.strerror,
                )
            self._written = False

    def _show(self, state: State) -> None:
        if self._draw is None:
            return
        try:
            self._draw(render_panel(state))
        except OSError:
            self._draw = None  # the terminal has gone away

    def state(self) -> State:
        """Return the run's state as of now."""
        current, progress = self._current, self._current.progress
        figures = progress.figures() if progress else None
        phase, elapsed_s = current.phase, time.monotonic() - current.since_s
        if progress is not None and figures is not None:
            elapsed_s = progress.elapsed_s()
            if phase is Phase.RUNNING and figures.issued == figures.expected and not figures.open:
                phase = Phase.COLLECTING
        self._beats += 1
        return State(
            label=current.label,
            phase=phase,
            detail=current.detail or (progress.phase() if progress else ""),
            trouble=progress.trouble() if progress else "",
            lost=current.lost,
            elapsed_s=round(elapsed_s, 3),
            figures=figures,
            host=platform.node(),
            pid=os.getpid(),
            beats=self._beats,
        )


@contextmanager
def reporting(folder: Path, label: str) -> Iterator[Reporter]:
    """Report a run for the length of a with block: by a panel on a terminal, else by log lines.

    Args:
        folder: The run's folder; made if missing.
        label: The run's name until it measures.
    """
    screen = panel_on_stderr() if shows_panels(sys.stderr) else nullcontext(None)
    with screen as draw:
        reporter = Reporter(folder, label, draw)
        reporter.start()
        try:
            yield reporter
        except BaseException as error:
            reporter.abort(error)
            raise
        finally:
            reporter.stop()
