"""One run of the official client: started under its supervisor, watched by its events, ended whole."""

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from weighbridge.client.process_cost import ProcessCost
from weighbridge.client.process_group import how_ended
from weighbridge.client.sample_counts import DrivenPhase, Observe, SampleCounts, Stop
from weighbridge.core.errors import SetupError
from weighbridge.core.interruption import told_of_signals
from weighbridge.core.proc import below, command_of, parent_of
from weighbridge.endpoints import client_supervisor
from weighbridge.endpoints.client_signs import ClientSigns
from weighbridge.endpoints.event_tail import EventTail
from weighbridge.endpoints.shared_memory import remove_entries
from weighbridge.serving.guard_process import StartedGuard
from weighbridge.serving.guard_watch import HASTE_S
from weighbridge.serving.guarded_processes import KILLED_S
from weighbridge.serving.json_lines import JsonLines
from weighbridge.serving.leftovers import children, inheriting

ISSUING = "issuing"
"""The client's own process, which decides when a query is sent, in the figures of its processes."""
# From SIGINT, after which the client writes what it has, to SIGTERM.
_GRACE_S = 10.0
_LISTEN_S = 0.25
_LOOK_EVERY_S = 1.0
_LOG_MODE = 0o600
_LAST_BYTES = 4096


@dataclass(frozen=True)
class ClientLaunch:
    """How the client is started.

    Attributes:
        command: Its command line.
        environment: All of its environment.
        folder: Where it runs: a folder of its own, which is removed with whoever ends last.
        log: File for what it prints.
        requests: File for the request log that is made of its events.
        events: Where its log of events is to be when it has ended.
        target_qps: Queries/s, or the samples/s that are expected.
        stall_limit_s: How long open queries may go without any event.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    requests: Path
    events: Path
    target_qps: float
    stall_limit_s: float


class ClientProcess:
    """The client's processes in one run.

    Attributes:
        aborted: Why the run ended early, if it did.
        exit_code: Of the client; negative: the signal that ended it; None: not known.
        warnings: What else is to be told of it.
        cost: What its own process and its workers cost in warm-up and performance phase.
        shared: What the client had in shared memory, of which nothing is left.
        ended: When all of it had ended.
    """

    def __init__(self, launch: ClientLaunch) -> None:
        """Prepare a run."""
        self.aborted: str | None = None
        self.exit_code: int | None = None
        self.warnings: list[str] = []
        self.cost = ProcessCost()
        self.shared: list[str] = []
        self.ended = datetime.now(UTC)
        self._launch = launch
        self._control: JsonLines
        self._supervisor: subprocess.Popen[bytes]
        self._tail: EventTail | None = None
        self._pids: dict[int, str] = {}
        self._client = 0
        self._refused: str | None = None
        self._over = False
        self._stop_s = self._give_up_s = float("inf")
        self._looked_s = self._observed_s = 0.0
        self._trouble: str | None = None
        self._sampling = self._sampled = False

    def run(self, observe: Observe | None = None, stop: Stop | None = None) -> None:
        """Run to the end, regular or not; no process is left, and nothing in shared memory.

        Args:
            observe: Receives the counts, and may end the run.
            stop: Asked for a reason to end the run.

        Raises:
            SetupError: the client cannot be started.
            OSError: the disk takes no more.
        """
        control, theirs = socket.socketpair()
        self._control = JsonLines(control)
        # From the first process to the last: what a killed supervisor leaves comes to this process.
        with told_of_signals(self._order), inheriting():
            guard = self._start(theirs)
            try:
                while not self._over:
                    self._listen()
                    self._follow(observe)
                    if stop is not None and self.aborted is None and (reason := stop()) is not None:
                        self._order(reason)
                    if monotonic() >= self._stop_s:
                        self._tell(stop=HASTE_S)
                        self._stop_s, self._give_up_s = float("inf"), monotonic() + HASTE_S + 2 * KILLED_S
                    if monotonic() >= self._give_up_s:  # a supervisor that is stopped itself
                        break
            finally:
                self._end(guard)
        if self._refused is not None:
            raise SetupError(f"the official client cannot be started ({self._refused}).")

    @property
    def supervisor(self) -> int:
        """Process id of the supervisor."""
        return self._supervisor.pid

    def _start(self, theirs: socket.socket) -> StartedGuard:
        others = children()
        descriptor = os.open(self._launch.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _LOG_MODE)
        try:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-P", "-m", client_supervisor.__name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), descriptor],
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
            theirs.close()
        self._pids[self._supervisor.pid] = "the supervisor of the official client"
        launch = self._launch
        self._signs = ClientSigns(self._pids, launch.stall_limit_s, launch.target_qps)
        # By the socket: a command line would show the environment, and with it the key, to everyone.
        self._tell(
            command=list(launch.command),
            environment=dict(launch.environment),
            folder=str(launch.folder),
            log=descriptor,
        )
        return StartedGuard(self._supervisor, others)

    def _tell(self, **message: object) -> None:
        with contextlib.suppress(OSError):  # it has gone, which `_listen` notices
            self._control.send(**message)

    def _listen(self) -> None:
        if not select.select([self._control.socket], [], [], _LISTEN_S)[0]:
            return
        try:
            messages = self._control.receive()
        except (EOFError, OSError, ValueError):
            self._over = True
            self._abort("the supervisor of the official client was killed")
            return
        for message in messages:
            self._signs.heard()
            getattr(self, f"_on_{message.pop('event')}")(**message)

    def _on_started(self, pid: int) -> None:
        self._client = pid

    def _on_refused(self, reason: str) -> None:
        self._refused, self._over = reason, True

    def _on_alive(self) -> None:
        """Do nothing more: that it was heard is noted."""

    def _on_shared(self, events: str, entries: list[str]) -> None:
        self.shared = entries
        if events and self._tail is None:
            with contextlib.suppress(FileNotFoundError):
                self._tail = EventTail(Path(events), self._launch.requests, self._launch.log)

    def _on_ended(self, code: int | None, left: int, clean: bool) -> None:
        self._over, self.exit_code = True, code
        if left and self.aborted is None:
            processes = "1 process" if left == 1 else f"{left} processes"
            self.warnings.append(f"the official client left {processes} running behind it; ended now")
        if not clean:
            self.warnings.append("processes of the official client do not end; find them with ps")

    def _follow(self, observe: Observe | None) -> None:
        """Read the events, show the counts, and look once a second at what should go on and does not."""
        now = monotonic()
        tail = self._tail
        while tail is not None and tail.read():
            continue
        if now - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now
            self._name_processes()
            if tail is not None:
                tail.look_at_bar()
                self._sample(tail)
            self._look_for_trouble()
        if now - self._observed_s >= _LOOK_EVERY_S / 2:
            self._observed_s = now
            counts = SampleCounts(0, 0, 0, trouble=self._trouble, phase=DrivenPhase.STARTING)
            if tail is not None:
                counts = tail.counts(self._signs.quiet_s, self._trouble)
            reason = observe(counts) if observe is not None else None
            if reason is not None and self.aborted is None:
                self._order(reason)

    def _name_processes(self) -> None:
        """Name the client's own process and its workers, which decide how late a query is."""
        if not self._client or (self._tail is not None and self._tail.phase.measures):
            return
        workers = 0
        for pid in sorted(below(self._supervisor.pid)):
            with contextlib.suppress(OSError):
                name = f"the official client's process {pid}"
                if pid == self._client:
                    self._watch(pid, ISSUING)
                elif parent_of(pid) == self._client and any("spawn_main" in word for word in command_of(pid)):
                    self._watch(pid, f"worker {workers}")
                    workers += 1
                self._pids.setdefault(pid, name)

    def _watch(self, pid: int, name: str) -> None:
        if pid not in self._pids:
            self.cost.add(name, pid)

    def _sample(self, tail: EventTail) -> None:
        """Read what the processes cost, from the first event until the end of the performance phase."""
        if self._sampled or not tail.warmed_up + tail.issued:
            return
        if not self._sampling:
            self._sampling = True
            self.cost.start()
        self.cost.sample(tail.issued, tail.completed)
        self._sampled = tail.phase.measures and tail.phase is not DrivenPhase.PERFORMANCE

    def _look_for_trouble(self) -> None:
        found = self._signs.look(self._tail)
        self._trouble = None if found is None else str(found)
        if found is not None and found.over and self.aborted is None:
            self._order(found.sentence)

    def _abort(self, reason: str) -> None:
        self.aborted = self.aborted or reason

    def _order(self, reason: str) -> None:
        """Order the client to end the run: it stops issuing, and has a few seconds to write its results."""
        if self.aborted is None:
            self._abort(reason)
            self._stop_s = monotonic() + _GRACE_S
            self._tell(interrupt=True)

    def _end(self, guard: StartedGuard) -> None:
        """End what is left: first by the supervisor, then without it; keep the log of events."""
        self._control.close()
        guard.await_end(HASTE_S)
        guard.end_leftovers(HASTE_S)
        self.ended = datetime.now(UTC)
        if self._tail is not None:
            while self._tail.read():
                continue
            self._tail.copy_whole(self._launch.events)
            self._tail.close()
        remove_entries(self.shared)
        if self.exit_code != 0 and self._refused is None:
            self._abort(f"the official client {_ended(self.exit_code)}{self._last_words()}")

    def _last_words(self) -> str:
        """Return the last line that the client has printed, for a sentence."""
        with self._launch.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _LAST_BYTES))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f": {last.rstrip('.')}" if last else ""


def _ended(code: int | None) -> str:
    return "was ended, and its exit code is not known" if code is None else how_ended(code)
