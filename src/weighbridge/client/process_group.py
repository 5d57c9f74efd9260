"""The processes of one run, a driver and its workers: started together, watched, and ended with the run."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import msgspec

from weighbridge.client.frames import Driver, WorkerJob
from weighbridge.client.liveness import Watchdog
from weighbridge.client.process_cost import ProcessCost
from weighbridge.client.sample_counts import Observe, SampleCounts, Stop
from weighbridge.client.written_file import FileProof
from weighbridge.core.errors import SetupError
from weighbridge.core.interruption import told_of_signals
from weighbridge.core.process_end import open_process_end

# After an abort the driver may finish its logs for this long. LoadGen does so in Offline; in Server it would
# continue issuing until its schedule ends, and is killed.
_GRACE_S = 3.0
_LOOK_EVERY_S = 1.0
_WORKER_MODULE = "weighbridge.client.worker"


class ProcessGroup:
    """The driver and the workers of one run.

    Attributes:
        aborted: Why the run ended early, if it did.
        issued: Samples that the driver asked for.
        completed, failed: Those that ended and, by outcome, the failures among them, as the driver counted.
        files: What each file that the driver wrote must hold; empty if it did not come to its end.
        started, ended: Of the run itself, without the start of the processes.
        version, settings: Of the driver's library, as the driver reported them.
        cost: What each process cost.
        cut_off: Requests that were open when the run was over, and are not counted: filling of a load.
        not_issued: Requests that were left out because one before them failed.
        backlogs: Each worker's last report on how late it reads; empty if the driver did not come to its end.
    """

    def __init__(self, driver: Driver, workers: Sequence[WorkerJob], stall_limit_s: float) -> None:
        """Prepare a run, which ends if open requests have no answer for `stall_limit_s`."""
        self.aborted: str | None = None
        self.issued = self.completed = 0
        self.failed: dict[str, int] = {}
        self.files: dict[str, FileProof] = {}
        self.cut_off = self.not_issued = 0
        self.started = self.ended = datetime.now(UTC)
        self.version = ""
        self.settings: dict[str, Any] = {}
        self.cost = ProcessCost()
        self.backlogs: list[str] = []
        self._driver, self._workers, self._stall_limit_s = driver, workers, stall_limit_s
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._deadline = float("inf")
        self._unread, self._done = b"", False
        self._machine_trouble: str | None = None
        self._counts = SampleCounts(0, 0, 0)
        self._observed_s = self._looked_s = self._left_s = 0.0
        self._left: str | None = None

    def run(self, observe: Observe | None = None, stop: Stop | None = None) -> None:
        """Run to the end, regular or not; no process is left.

        Args:
            observe: Receives the counts, and may end the run.
            stop: Asked for a reason to end the run.

        Raises:
            SetupError: the driver refuses its settings, or the disk or the machine fails it.
        """
        self._control, theirs = socket.socketpair()
        # From the first process to the last: an exception in Popen would leave a process that nobody knows.
        with told_of_signals(self._order):
            try:
                self._start(theirs)
                self._watch(observe, stop)
                self.ended = datetime.now(UTC)
            finally:
                self._end()
        if self._machine_trouble is not None:
            raise SetupError(f"{self._machine_trouble}.")

    def _start(self, control: socket.socket) -> None:
        links = [socket.socketpair() for _ in self._workers]
        for job, (_, theirs) in zip(self._workers, links, strict=True):
            job = msgspec.structs.replace(job, control_fd=theirs.fileno(), parent=os.getpid())
            self._spawn(f"worker {job.number}", _WORKER_MODULE, job, [theirs.fileno()])
        fds = [ours.fileno() for ours, _ in links]
        driver = msgspec.structs.replace(
            self._driver.job, parent=os.getpid(), control_fd=control.fileno(), worker_fds=fds
        )
        self._spawn(self._driver.name, self._driver.module, driver, [control.fileno(), *fds])
        for end in (control, *(end for pair in links for end in pair)):
            end.close()
        title, own = f"{self._driver.title}'s process", self._driver.name
        names = {each.pid: title if name == own else name for name, each in self._processes.items()}
        self._watchdog = Watchdog(title, names, self._stall_limit_s)

    def _spawn(self, name: str, module: str, job: msgspec.Struct, fds: list[int]) -> None:
        # A session of their own: a terminal's Ctrl-C goes to this process, which ends them in order.
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-P", "-m", module, msgspec.json.encode(job).decode()],
            pass_fds=fds,
            start_new_session=True,
            cwd=self._driver.job.out,
        )
        self.cost.add(name, self._processes[name].pid)

    def _watch(self, observe: Observe | None, stop: Stop | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            for name, process in self._processes.items():
                selector.register(open_process_end(process.pid), selectors.EVENT_READ, name)
            try:
                while not self._done:
                    for key, _ in selector.select(max(0.0, min(self._deadline - monotonic(), 1.0))):
                        if key.data is None:
                            self._listen(observe)
                        else:
                            selector.unregister(key.fileobj)
                            os.close(key.fd)
                            self._note_death(key.data)
                    if stop is not None and self.aborted is None and (reason := stop()) is not None:
                        self._order(reason)
                    self._look_for_trouble(observe)
                    if monotonic() >= self._deadline:
                        return
            finally:
                for key in list(selector.get_map().values()):
                    if key.data is not None:
                        os.close(key.fd)

    def _listen(self, observe: Observe | None) -> None:
        try:
            received = self._control.recv(1 << 16)
        except OSError:
            received = b""
        if not received:
            self._note_death(self._driver.name)
            return
        self._watchdog.heard()
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            getattr(self, f"_on_{message.pop('event')}")(observe=observe, **message)

    def _on_settings(self, version: str, settings: dict[str, Any], **_: object) -> None:
        self.version, self.settings = version, settings

    def _on_refused(self, reason: str, **_: object) -> None:
        raise SetupError(f"{reason}.")

    def _on_started(self, **_: object) -> None:
        self.started = datetime.now(UTC)
        self.cost.start()

    def _on_progress(
        self,
        issued: int,
        completed: int,
        failed: int,
        aborted: str | None,
        quiet_s: float,
        silent_s: list[float],
        observe: Observe | None,
        first_tokens: int = 0,
        at_ns: int = 0,
    ) -> None:
        self.cost.sample(issued, completed)
        self.issued = issued
        if aborted is not None:
            self._abort(aborted)
        self._counts = SampleCounts(
            issued, completed, failed, quiet_s, self._counts.trouble, first_tokens, at_ns
        )
        self._watchdog.report(self._counts.open, quiet_s, silent_s)
        self._show(observe)

    def _show(self, observe: Observe | None) -> None:
        self._observed_s = monotonic()
        reason = observe(self._counts) if observe is not None else None
        if reason is not None and self.aborted is None:
            self._order(reason)

    def _look_for_trouble(self, observe: Observe | None) -> None:
        """Check once a second what should go on and does not: show it, and end the run in time."""
        now = monotonic()
        if self.aborted is not None or now - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now
        found = self._watchdog.look()
        told = None if found is None else str(found)
        self._counts = replace(self._counts, quiet_s=self._watchdog.quiet_s, trouble=told)
        if now - self._observed_s > _LOOK_EVERY_S:
            self._show(observe)
        if self._left is not None and now - self._left_s > _LOOK_EVERY_S:
            self._order(f"{self._left} ended in the middle of the run, as if it were over")
        if found is not None and found.over and self.aborted is None:
            self._order(found.sentence)

    def _on_failed(self, reason: str, machine: bool, **_: object) -> None:
        if machine and self.aborted is None:
            self._machine_trouble = reason
        self._abort(reason)

    def _on_done(
        self,
        issued: int,
        completed: int,
        failed: dict[str, int],
        aborted: str | None,
        files: dict[str, dict[str, int]],
        backlogs: list[str],
        cut_off: int = 0,
        not_issued: int = 0,
        **_: object,
    ) -> None:
        self.cost.sample(issued, completed)
        self.backlogs, self.cut_off, self.not_issued = backlogs, cut_off, not_issued
        self.issued, self.completed, self.failed = issued, completed, failed
        self.files = {name: FileProof(**proof) for name, proof in files.items()}
        if aborted is not None:
            self._abort(aborted)
        self._done = True

    def _note_death(self, name: str) -> None:
        if self._done:
            return
        try:
            code = self._processes[name].wait(_GRACE_S)
        except subprocess.TimeoutExpired:  # it lives, and nothing is heard of it any more
            self._abort(f"the connection to {self._driver.title}'s process broke")
            self._deadline = monotonic()
            return
        if name == self._driver.name:
            self._abort(f"{self._driver.title}'s process {how_ended(code)}")
            self._done = True
        elif code != 0:
            self._order(f"{name} {how_ended(code)}")
        else:  # as it does when the driver ends the run, which then says so at once; it may not have
            self._left_s, self._left = monotonic(), name

    def _abort(self, reason: str) -> None:
        self.aborted = self.aborted or reason
        self._deadline = min(self._deadline, monotonic() + _GRACE_S)

    def _order(self, reason: str) -> None:
        """Order the driver to end the run: all open requests fail."""
        self._abort(reason)
        try:
            self._control.sendall(reason.encode())
        except OSError:
            return  # it is gone, which `_watch` notices on its own

    def _end(self) -> None:
        """Close the control socket: the driver ends, then its workers; what is left is killed."""
        self._control.close()
        deadline = monotonic() + (_GRACE_S if self._done else 0)
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def how_ended(code: int) -> str:
    """Return how a process ended, by its exit code; a negative one is a signal."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
