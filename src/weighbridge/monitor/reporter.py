"""Telling of a run while it lasts: a panel or lines for the person before it, progress.json for others.

A thread of its own does it once a second, so that neither a slow disk nor a terminal that has stopped holds
the run up, and whatever goes wrong with it, the run goes on.
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

from weighbridge.core.files import write_atomic
from weighbridge.core.terminal import RECURRING, panel_on_stderr, shows_panels
from weighbridge.monitor.lines import line
from weighbridge.monitor.panel import panel
from weighbridge.monitor.run_progress import Gauge, Plan
from weighbridge.records.progress_record import EVERY_S, PROGRESS_FILE, Phase, State
from weighbridge.records.run_record import LoadReport

if TYPE_CHECKING:
    from rich.console import RenderableType

log = logging.getLogger(__name__)

_LINE_EVERY_S = 10
_LAST_WORD_S = 5


@dataclass(frozen=True)
class _Moment:
    """What the run said of itself last."""

    label: str
    phase: Phase
    since_s: float
    detail: str = ""
    gauge: Gauge | None = None


class Reporter:
    """Is told what a run does, and tells it on."""

    def __init__(
        self, folder: Path, label: str, draw: Callable[["RenderableType"], None] | None = None
    ) -> None:
        """Take the folder for progress.json, what to call the run until it measures, and what draws a panel.

        Without a panel, and in log files, there is a line every ten seconds.
        """
        self._file = folder / PROGRESS_FILE
        self._draw = draw
        self._moment = _Moment(label, Phase.STARTING, time.monotonic())
        self._beats = 0
        self._written = True
        self._line_due_s = time.monotonic() + _LINE_EVERY_S
        self._changed, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the last state and end; a disk that hangs is not waited for."""
        self._ended = True
        self._changed.set()
        self._thread.join(_LAST_WORD_S)
        if self._moment.gauge is not None:
            self._moment.gauge.close()

    def enter(self, phase: Phase, detail: str = "") -> None:
        """Note what the run does now."""
        self._now(phase=phase, detail=detail, since_s=time.monotonic())

    def starting(self, stage: str) -> None:
        """Note how far the server's start is."""
        self._moment = replace(self._moment, detail=stage)

    def measure(self, plan: Plan, out: Path) -> Gauge:
        """Note that a measurement begins in a folder; the gauge is to be told how far it is."""
        gauge = Gauge(plan, out)
        self._now(label=plan.label, phase=Phase.RUNNING, detail="", since_s=time.monotonic(), gauge=gauge)
        return gauge

    def measured(self, report: LoadReport) -> None:
        """Note what came of the measurement."""
        gauge = self._moment.gauge
        assert gauge is not None
        gauge.end(report)
        self._now(phase=Phase.ABORTED if report.aborted else Phase.DONE, detail=report.aborted or "")

    def abort(self, error: BaseException) -> None:
        """Note what ended the run."""
        reason = (str(error) or type(error).__name__) if isinstance(error, Exception) else "interrupted"
        self._now(phase=Phase.ABORTED, detail=reason.splitlines()[0].rstrip(":"))

    def _now(self, **changes: object) -> None:
        self._moment = replace(self._moment, **changes)  # type: ignore[arg-type]
        self._changed.set()

    def _tell(self) -> None:
        try:
            while True:
                last = self._ended
                self._tell_once()
                if last:
                    return
                self._changed.wait(EVERY_S)
                self._changed.clear()
        except Exception:
            log.warning("the progress can no longer be shown; the run goes on", exc_info=True)

    def _tell_once(self) -> None:
        state = self.state()
        self._write(state)
        self._show(state)
        # The server's start has lines of its own, whoever started it.
        if time.monotonic() >= self._line_due_s and not state.phase.over:
            self._line_due_s = time.monotonic() + _LINE_EVERY_S
            if state.phase is not Phase.STARTING:
                log.info("%s", line(state), extra=RECURRING)

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
            self._draw(panel(state))
        except OSError:
            self._draw = None  # the terminal has gone away

    def state(self) -> State:
        """Tell how the run stands."""
        moment, gauge = self._moment, self._moment.gauge
        figures = gauge.figures() if gauge else None
        phase, elapsed_s = moment.phase, time.monotonic() - moment.since_s
        if gauge is not None and figures is not None:
            elapsed_s = gauge.elapsed_s()
            if phase is Phase.RUNNING and figures.issued == figures.expected and not figures.open:
                phase = Phase.COLLECTING
        self._beats += 1
        return State(
            label=moment.label,
            phase=phase,
            detail=moment.detail,
            elapsed_s=round(elapsed_s, 3),
            figures=figures,
            host=platform.node(),
            pid=os.getpid(),
            beats=self._beats,
        )


@contextmanager
def reporting(folder: Path, label: str) -> Iterator[Reporter]:
    """Tell of a run for the length of a with block: on a terminal by a panel, else by lines.

    Args:
        folder: Of the run; made if missing.
        label: What to call the run until it measures.
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
