"""The servers of a command, as it sees them: started by a guard, watched, and stopped or left to it."""

import contextlib
import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weighbridge.core.errors import SetupError
from weighbridge.core.interruption import OBEYED
from weighbridge.core.proc import below
from weighbridge.serving.adapter import ServerAdapter
from weighbridge.serving.guard_process import GuardProcess
from weighbridge.serving.json_lines import JsonLines
from weighbridge.serving.launch import Launch
from weighbridge.serving.program import missing_library

log = logging.getLogger(__name__)

_TAIL_LINES = 15
_START_S = 60.0  # for the guard to start the servers' processes; a node under load forks slowly
_RELEASE_S = 10.0


@dataclass
class ServerProcess:
    """A launch and its process.

    Attributes:
        launch: What was started.
        group: The servers that it was started with.
        pid: Its process; 0 until it runs.
        returncode: How it ended, as of Popen; None while it runs.
    """

    launch: Launch
    group: "ServerGroup" = field(repr=False)
    pid: int = 0
    returncode: int | None = None

    @property
    def dead(self) -> bool:
        """Return whether the process has ended, or nobody guards it any more."""
        self.group.listen()
        return self.returncode is not None or self.group.unguarded

    def how_it_ended(self) -> str:
        """Return the signal or exit code with which it ended, for a sentence."""
        code = self.returncode
        if code is None:
            return f"lost its guard (process {self.group.guard_pid})"
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def exit_message(self, adapter: ServerAdapter) -> str:
        """Return how it ended while starting: a missing library, or else the end of its log."""
        output = self.launch.log.read_text(errors="replace")
        if sentence := missing_library(output, adapter):
            return sentence
        end = "\n".join(output.splitlines()[-_TAIL_LINES:])
        return (
            f"the server {self.how_it_ended()} while starting; the end of its log {self.launch.log}:\n{end}"
        )


class ServerGroup:
    """Servers that were started together, and their guard.

    Attributes:
        servers: In the order of their launches.
        unguarded: Whether the guard has ended though nobody asked it to.
        keeps: Whether the guard can keep them for the next command.
    """

    def __init__(self, launches: Sequence[Launch], lines: JsonLines, guard: GuardProcess) -> None:
        """Hold the servers of a guard, with which `lines` talks."""
        self.servers = tuple(ServerProcess(launch, self) for launch in launches)
        self.unguarded = self.keeps = False
        self._lines, self._guard = lines, guard
        self._released = self._clean = False

    @property
    def guard_pid(self) -> int:
        """Return the process of the guard."""
        return self._guard.pid

    def order(self, job: Mapping[str, Any]) -> None:
        """Send the guard what to start."""
        self._send(**job)

    def adopt(self, pids: Sequence[int]) -> None:
        """Take over processes that run already, from a guard that keeps them.

        Raises:
            ValueError: one is no descendant of the guard.
        """
        if not set(pids) <= below(self.guard_pid):
            raise ValueError("a server is not below its guard")
        for server, pid in zip(self.servers, pids, strict=True):
            server.pid = pid
        self.keeps = True

    def await_start(self) -> None:
        """Wait until the processes run; that the servers answer takes longer.

        Raises:
            SetupError: a program cannot be run.
        """
        self._lines.socket.settimeout(_START_S)
        while not self.unguarded and not all(server.pid for server in self.servers):
            try:
                self._receive()
            except TimeoutError:
                raise SetupError(
                    f"the servers' guard (process {self.guard_pid}) has not started them within "
                    f"{_START_S:g} s; this machine is too busy."
                ) from None

    def listen(self) -> None:
        """Note what the guard has said since the last call."""
        self._lines.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while not self.unguarded:
                self._receive()

    def _receive(self) -> None:
        """Receive from the guard once; its end is noted."""
        try:
            messages = self._lines.receive()
        except (EOFError, ValueError):
            self.unguarded = True
            return
        for message in messages:
            self._note(message)

    def _note(self, message: Mapping[str, Any]) -> None:
        match message["event"]:
            case "guarding":
                self._guard.pid, self.keeps = message["pid"], message["keeps"]
            case "started":
                self.servers[message["number"]].pid = message["pid"]
            case "ended":
                self.servers[message["number"]].returncode = message["code"]
            case "refused":
                launch = self.servers[message["number"]].launch
                raise SetupError(
                    f"'{(*launch.launcher, *launch.command)[0]}' cannot be run ({message['reason']})."
                )
            case "released":
                self._released = True
            case "gone":
                self._clean = message["clean"]

    def tell_ready(self, stages: Mapping[str, float], logs: Sequence[int]) -> None:
        """Report to the guard that all answer: how long each stage took, in s, and each log's length."""
        self._send(ready=dict(stages), logs=list(logs))

    def _send(self, **message: object) -> None:
        with contextlib.suppress(OSError):  # it has ended, which `_receive` notices
            self._lines.socket.settimeout(_START_S)
            self._lines.send(**message)

    def release(self, keep_s: float) -> bool:
        """Leave the servers to the guard, for the next command; return whether it keeps them."""
        self.listen()
        if not self.keeps or any(server.dead for server in self.servers):
            return False
        with _deaf_to_signals():  # either it is released, or it is stopped
            self._send(release=keep_s)
            self._lines.socket.settimeout(_RELEASE_S)
            with contextlib.suppress(OSError):
                while not self._released and not self.unguarded:
                    self._receive()
            if self._released:
                self._lines.close()
                self._guard.leave()
        return self._released

    def stop(self, timeout_s: float, reason: str) -> None:
        """Stop the servers and all that they started, together: SIGTERM, and after `timeout_s` SIGKILL.

        What a guard leaves that was killed, or does not answer, this process ends.

        Args:
            timeout_s: From SIGTERM to SIGKILL.
            reason: Why, for the record of their life.
        """
        with _deaf_to_signals():
            log.info("stopping the server")
            self._send(stop=timeout_s, reason=reason)
            self._guard.await_end(timeout_s)
            self.listen()
            self._lines.close()
            if not self._clean:
                log.warning("the servers' guard (process %d) did not end them; doing it now", self.guard_pid)
                self._guard.end_leftovers(timeout_s)


@contextlib.contextmanager
def _deaf_to_signals() -> Iterator[None]:
    """Ignore signals in a with block: a second Ctrl-C must not leave a server that holds the accelerators."""
    previous = {number: signal.getsignal(number) for number in OBEYED}
    for number in previous:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
