"""Record what a workflow does: the handler that Snakemake's own log records pass through."""

import logging
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

from weighbridge.records.workflow_event import WorkflowEvent


class WorkflowRecorder(logging.Handler):
    """Turns Snakemake's log records into events, which a program above it may read from a file."""

    def __init__(self, path: str | None) -> None:
        """Record events in memory, and into the file at `path` if one is given."""
        super().__init__()
        self._file = Path(path) if path else None
        self._started: dict[int, WorkflowEvent] = {}
        self._failed: dict[int, WorkflowEvent] = {}
        self._interrupted = False

    def keep_interrupts(self) -> None:
        """Make a Ctrl-C count that comes while Snakemake writes its log: its own handler drops it there.

        It is raised again before another job starts. A Snakemake that ignores it, as one in the background
        of a shell does, goes on ignoring it.
        """
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with suppress(ValueError):  # not the main thread, which alone receives signals
                signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        signal.default_int_handler(number, frame)

    @property
    def failed(self) -> tuple[WorkflowEvent, ...]:
        """The jobs that failed and were not made again, in the order of their failures."""
        return tuple(self._failed.values())

    def emit(self, record: logging.LogRecord) -> None:
        """Record what a log record says, if it is an event.

        Raises:
            KeyboardInterrupt: a job is about to start, though Ctrl-C came.
        """
        try:
            for event in self._events(record):
                if self._interrupted and event.kind == "started":
                    raise KeyboardInterrupt
                self.note(event)
        except Exception:
            self.handleError(record)

    def note(self, event: WorkflowEvent) -> None:
        """Record an event."""
        if event.job is not None and event.kind == "started":
            self._started[event.job] = event
            self._failed.pop(event.job, None)  # Snakemake tries it once more
        elif event.job is not None and event.kind == "failed":
            self._failed[event.job] = event
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(event.model_dump_json(exclude_defaults=True) + "\n")

    def _events(self, record: logging.LogRecord) -> Iterator[WorkflowEvent]:
        said = record.__dict__
        kind = str(said.get("event", ""))
        if kind == "run_info" and "stats" in said:
            jobs = {str(rule): int(jobs) for rule, jobs in said["stats"].items() if rule != "total"}
            yield WorkflowEvent(kind="planned", jobs=jobs)
        elif kind == "job_info":
            yield WorkflowEvent(
                kind="started",
                job=said["jobid"],
                rule=said["rule_name"],
                wildcards={name: str(value) for name, value in (said["wildcards"] or {}).items()},
                logs=_names(said["log"]),
            )
        elif kind == "job_finished":
            yield WorkflowEvent(kind="finished", job=said["job_id"])
        elif kind == "job_error":
            began = self._started.get(said["jobid"])
            yield WorkflowEvent(
                kind="failed",
                job=said["jobid"],
                rule=said["rule_name"],
                wildcards=began.wildcards if began else {},
                logs=_names(said["log"]),
            )


def _names(paths: object) -> tuple[str, ...]:
    return tuple(map(str, paths)) if isinstance(paths, list | tuple) else ()
