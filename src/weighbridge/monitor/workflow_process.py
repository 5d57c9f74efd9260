"""Run Snakemake below this program: its words go into a file, its events come back, and it ends with us."""

import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from weighbridge.core.errors import InputError
from weighbridge.core.parent_death import die_with_parent
from weighbridge.core.snakemake_program import path_of_programs, snakemake_program
from weighbridge.records.workflow_event import EVENTS_VARIABLE, WorkflowEvent


class WorkflowProcess:
    """A Snakemake that works."""

    def __init__(self, process: subprocess.Popen[str], events: Path) -> None:
        """Watch a process that writes its events into a file."""
        self._process = process
        self._events, self._read_bytes = events, 0

    @property
    def code(self) -> int | None:
        """The exit code; None while it works."""
        return self._process.poll()

    def new_events(self) -> Iterator[WorkflowEvent]:
        """Yield the events since the last call."""
        if not self._events.is_file():
            return
        with self._events.open("rb") as stream:
            stream.seek(self._read_bytes)
            for line in stream:
                if not line.endswith(b"\n"):
                    return  # the rest is still to come
                self._read_bytes += len(line)
                yield WorkflowEvent.parse_json(line.decode(), str(self._events))

    def interrupt(self) -> None:
        """End it as Ctrl-C does, with all its jobs, and wait."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait()


@contextmanager
def running_workflow(arguments: Sequence[str], log: Path) -> Iterator[WorkflowProcess]:
    """Run Snakemake for the length of a with block; one that is left early interrupts it and waits.

    It has a session of its own: Ctrl-C and a closed terminal reach this program alone, which then ends it in
    order. Killed by SIGHUP itself, Snakemake would leave its lock.

    Args:
        arguments: Of Snakemake.
        log: Takes its words; made anew.

    Raises:
        InputError: another `weighbridge submit` works in this run directory.
        SetupError: there is no Snakemake.
    """
    program = snakemake_program()
    with tempfile.TemporaryDirectory(prefix="weighbridge-submit-") as folder, _own(log) as words:
        events = Path(folder) / "events.jsonl"
        process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            text=True,
            start_new_session=True,
            env=os.environ | {EVENTS_VARIABLE: str(events), "PATH": path_of_programs()},
            preexec_fn=_ending_with(os.getpid()),
        )
        running = WorkflowProcess(process, events)
        try:
            yield running
        finally:
            running.interrupt()


def _ending_with(parent: int) -> Callable[[], None]:
    """Return what the process does first: it is interrupted when this program is killed."""
    return lambda: die_with_parent(parent, signal.SIGINT)


@contextmanager
def _own(log: Path) -> Iterator[TextIO]:
    """Open the log anew, and keep others of this program out of the run directory."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # The lock belongs to a descriptor that Snakemake and its servers do not inherit.
    with log.open("a", encoding="utf-8") as lock, log.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{log.parent.parent}: another `weighbridge submit` works in this run directory; wait for "
                "it, or give another one (--directory)."
            ) from None
        except OSError:
            pass  # a file system without locks; Snakemake has one of its own
        stream.truncate(0)
        yield stream
