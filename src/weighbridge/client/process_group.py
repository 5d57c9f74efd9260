"""The processes of one run: started together, watched, and gone when the run is over."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from types import FrameType
from typing import Any

import msgspec

from weighbridge.client.jobs import LoadGenJob, WorkerJob
from weighbridge.client.process_cost import Meter
from weighbridge.core.errors import SetupError

# After an abort LoadGen's process may finish its logs for this long. Offline it does; in Server it would go
# on issuing until its schedule ends, and is killed.
_GRACE_S = 3.0
_LOADGEN = "loadgen"


@dataclass(frozen=True)
class Progress:
    """How far a run is, in samples."""

    issued: int
    completed: int
    failed: int


class Crew:
    """LoadGen's process and the workers of one run.

    Attributes:
        aborted: Why the run ended early, if it did.
        issued: Samples that LoadGen asked for.
        started, ended: The run itself, without the start of the processes.
        loadgen_version, settings: What LoadGen's process found.
        meter: What each process cost.
    """

    def __init__(self, loadgen: LoadGenJob, workers: Sequence[WorkerJob]) -> None:
        self.aborted: str | None = None
        self.issued = 0
        self.started = self.ended = datetime.now(UTC)
        self.loadgen_version = ""
        self.settings: dict[str, Any] = {}
        self.meter = Meter()
        self._loadgen, self._workers = loadgen, workers
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._deadline = float("inf")
        self._unread = b""
        self._done = False

    def run(
        self, progress: Callable[[Progress], None] | None, alarm: Callable[[], str | None] | None = None
    ) -> None:
        """Run to the end, whichever it is; no process is left.

        Args:
            progress: Told how far the run is.
            alarm: Asked at least once a second for a reason to end the run early.

        Raises:
            SetupError: LoadGen does not take the settings.
        """
        self._control, theirs = socket.socketpair()
        try:
            self._start(theirs)
            with self._obeying_signals():
                self._watch(progress, alarm)
            self.ended = datetime.now(UTC)
        finally:
            self._end()

    def _start(self, control: socket.socket) -> None:
        links = [socket.socketpair() for _ in self._workers]
        for job, (_, theirs) in zip(self._workers, links, strict=True):
            job = msgspec.structs.replace(job, control_fd=theirs.fileno())
            self._spawn(f"worker {job.number}", "client.worker", job, [theirs.fileno()])
        fds = [ours.fileno() for ours, _ in links]
        loadgen = msgspec.structs.replace(self._loadgen, control_fd=control.fileno(), worker_fds=fds)
        self._spawn(_LOADGEN, "loadgen.process", loadgen, [control.fileno(), *fds])
        for end in (control, *(end for pair in links for end in pair)):
            end.close()

    def _spawn(self, name: str, module: str, job: msgspec.Struct, fds: list[int]) -> None:
        # A session of their own: a terminal's Ctrl-C goes to this process, which ends them in order.
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-P", "-m", f"weighbridge.{module}", msgspec.json.encode(job).decode()],
            pass_fds=fds,
            start_new_session=True,
            cwd=self._loadgen.out,
        )
        self.meter.add(name, self._processes[name].pid)

    def _watch(
        self, progress: Callable[[Progress], None] | None, alarm: Callable[[], str | None] | None
    ) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            for name, process in self._processes.items():
                selector.register(os.pidfd_open(process.pid), selectors.EVENT_READ, name)
            try:
                while not self._done:
                    for key, _ in selector.select(max(0.0, min(self._deadline - monotonic(), 1.0))):
                        if key.data is None:
                            self._listen(progress)
                        else:
                            selector.unregister(key.fileobj)
                            os.close(key.fd)
                            self._note_death(key.data)
                    if alarm is not None and self.aborted is None and (reason := alarm()) is not None:
                        self._order(reason)
                    if monotonic() >= self._deadline:
                        return
            finally:
                for key in list(selector.get_map().values()):
                    if key.data is not None:
                        os.close(key.fd)

    def _listen(self, progress: Callable[[Progress], None] | None) -> None:
        try:
            received = self._control.recv(1 << 16)
        except ConnectionResetError:
            received = b""
        if not received:
            self._note_death(_LOADGEN)
            return
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            getattr(self, f"_on_{message.pop('event')}")(progress=progress, **message)

    def _on_settings(self, version: str, settings: dict[str, Any], **_: object) -> None:
        self.loadgen_version, self.settings = version, settings

    def _on_refused(self, reason: str, **_: object) -> None:
        raise SetupError(f"{reason}.")

    def _on_started(self, **_: object) -> None:
        self.started = datetime.now(UTC)
        self.meter.start()

    def _on_progress(
        self,
        issued: int,
        completed: int,
        failed: int,
        aborted: str | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.meter.sample()
        self.issued = issued
        if aborted is not None:
            self._abort(aborted)
        if progress is not None:
            progress(Progress(issued, completed, failed))

    def _on_done(self, issued: int, aborted: str | None, **_: object) -> None:
        self.meter.sample()
        self.issued = issued
        if aborted is not None:
            self._abort(aborted)
        self._done = True

    def _note_death(self, name: str) -> None:
        if self._done:
            return
        code = self._processes[name].wait()
        if name == _LOADGEN:
            self._abort(f"LoadGen's process {_ended(code)}")
            self._done = True
        elif code != 0:  # a worker ends with 0 once LoadGen's process has hung up
            self._order(f"{name} {_ended(code)}")

    def _abort(self, reason: str) -> None:
        self.aborted = self.aborted or reason
        self._deadline = min(self._deadline, monotonic() + _GRACE_S)

    def _order(self, reason: str) -> None:
        """Have LoadGen's process fail what is open."""
        self._abort(reason)
        try:
            self._control.sendall(reason.encode())
        except OSError:
            return  # it is gone, which is noticed on its own

    @contextmanager
    def _obeying_signals(self) -> Iterator[None]:
        def obey(number: int, _frame: FrameType | None) -> None:
            self._order(f"interrupted by {signal.Signals(number).name}")

        try:
            before = {number: signal.signal(number, obey) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread, which then is the one that hears signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self) -> None:
        """Hang up: LoadGen's process ends, then the workers, whose sockets it held; the rest is killed."""
        self._control.close()
        deadline = monotonic() + (_GRACE_S if self._done else 0)
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
