"""The servers of a command, as it sees them: started by a guard, watched, and stopped without leftovers."""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from weighbridge.core.errors import SetupError
from weighbridge.core.interruption import OBEYED
from weighbridge.core.owner import owners
from weighbridge.core.proc import ProcessId, below, children_by_parent, session_of
from weighbridge.serving import guard
from weighbridge.serving.adapter import ServerAdapter
from weighbridge.serving.launch import Launch
from weighbridge.serving.program import missing_library

log = logging.getLogger(__name__)

_TAIL_LINES = 15
_START_S = 60.0  # for the guard to start the servers' processes; a node under load forks slowly
_LOG_MODE = 0o600  # a server may print the requests, and what it was started with
_POLL_S = 0.05


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
    """

    def __init__(self, launches: Sequence[Launch], haste_s: float) -> None:
        """Start servers, each with its output in its log and on the CPUs near its GPUs.

        Args:
            launches: What to start.
            haste_s: From SIGTERM to SIGKILL where this process ends without stopping them.

        Raises:
            OSError: a log cannot be written.
            SetupError: a server's program cannot be run.
        """
        self.servers = tuple(ServerProcess(launch, self) for launch in launches)
        self.unguarded = False
        self._unread = b""
        self._control, theirs = socket.socketpair()
        logs = [_open_log(launch) for launch in launches]
        try:
            # In a session of its own: what ends this command's group or terminal does not end the guard.
            self._guard = subprocess.Popen(
                [sys.executable, "-P", "-m", guard.__name__, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=logs[0],
                pass_fds=[theirs.fileno(), *logs],
                start_new_session=True,
            )
        finally:
            for descriptor in logs:
                os.close(descriptor)
            theirs.close()
        job = {
            "owners": [owner.pid for owner in owners()],
            "haste_s": haste_s,
            "servers": [_described(launch, number) for launch, number in zip(launches, logs, strict=True)],
        }
        self._control.settimeout(_START_S)
        # By the socket: a command line would show the environment, and with it the key, to everyone.
        with contextlib.suppress(ConnectionError):  # it has been killed already, which `_receive` notices
            self._control.sendall(json.dumps(job).encode() + b"\n")

    @property
    def guard_pid(self) -> int:
        """Return the process of the guard."""
        return self._guard.pid

    def await_start(self) -> None:
        """Wait until the processes run; that the servers answer takes longer.

        Raises:
            SetupError: a program cannot be run.
        """
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
        self._control.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while not self.unguarded:
                self._receive()

    def _receive(self) -> None:
        """Receive from the guard once; its end is noted."""
        try:
            received = self._control.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            self.unguarded = True
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            server = self.servers[message["number"]]
            match message["event"]:
                case "started":
                    server.pid = message["pid"]
                case "ended":
                    server.returncode = message["code"]
                case "refused":
                    program = (*server.launch.launcher, *server.launch.command)[0]
                    raise SetupError(f"'{program}' cannot be run ({message['reason']}).")

    def stop(self, timeout_s: float) -> bool:
        """Stop the servers and all that they started, together: SIGTERM, and after `timeout_s` SIGKILL.

        Returns:
            Whether the guard did it; if not, something may be left, for which this process is now the parent.
        """
        # A second Ctrl-C must not leave a server behind that holds the accelerators.
        previous = {number: signal.getsignal(number) for number in OBEYED}
        for number in previous:
            signal.signal(number, signal.SIG_IGN)
        try:
            log.info("stopping the server")
            with contextlib.suppress(OSError):
                self._control.settimeout(timeout_s)
                self._control.sendall(json.dumps({"stop": timeout_s}).encode() + b"\n")
            code = self._await_guard(timeout_s)
            self.listen()
        finally:
            self._control.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return code == 0

    def _await_guard(self, timeout_s: float) -> int:
        """Return the guard's exit code; one that does not end, such as one that is stopped, is killed."""
        try:
            return self._guard.wait(timeout_s + 2 * guard.KILLED_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            return self._guard.wait()


@contextlib.contextmanager
def guarded(launches: Sequence[Launch], stop_timeout_s: float) -> Iterator[tuple[ServerProcess, ...]]:
    """Start servers for the duration of a with block, and stop them and all they started, whatever ends it.

    A guard does it, which also ends them when this process or the Snakemake above it has ended. Should the
    guard be killed, this process, which then inherits what the servers started, ends that.

    Args:
        launches: What to start.
        stop_timeout_s: From SIGTERM to SIGKILL when stopping.

    Raises:
        OSError: a log cannot be written.
        SetupError: a server's program cannot be run.
    """
    with guard.subreaper():
        others = _children()
        group = ServerGroup(launches, min(stop_timeout_s, guard.HASTE_S))
        try:
            group.await_start()
            yield group.servers
        finally:
            if not group.stop(stop_timeout_s):
                log.warning("the servers' guard (process %d) did not end them; doing it now", group.guard_pid)
                _end_inherited(others, min(stop_timeout_s, guard.HASTE_S))


def _described(launch: Launch, log_descriptor: int) -> dict[str, object]:
    """Return a launch as the guard reads it."""
    return {
        "command": [*launch.launcher, *launch.command],
        "environment": launch.environment,
        "log": log_descriptor,
        "cpus": sorted(launch.cpus),
        # srun ends what it started on other nodes on SIGTERM; by SIGKILL it would leave that.
        "death_signal": signal.SIGTERM if launch.launcher[:1] == ("srun",) else signal.SIGKILL,
    }


def _open_log(launch: Launch) -> int:
    descriptor = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _LOG_MODE)
    os.fchmod(descriptor, _LOG_MODE)  # one of an earlier run may be readable by others
    return descriptor


def _children() -> set[ProcessId]:
    found = set()
    for pid in children_by_parent().get(os.getpid(), ()):
        with contextlib.suppress(OSError):
            found.add(ProcessId.of(pid))
    return found


def _inherited(others: set[ProcessId]) -> set[ProcessId]:
    """Return the processes that this one is the parent of since their guard has ended.

    Those are the children that were not there before, in other sessions than ours; what we start ourselves
    and does not get a session of its own is no server.
    """
    found = set()
    for child in _children() - others:
        with contextlib.suppress(OSError):
            if session_of(child.pid) != os.getsid(0):
                found.add(child)
    return found


def _end_inherited(others: set[ProcessId], haste_s: float) -> None:
    """End what a guard that was killed has left to this process: SIGTERM, and after `haste_s` SIGKILL."""
    started = time.monotonic()
    while tops := _inherited(others):
        if time.monotonic() > started + haste_s + guard.KILLED_S:
            names = ", ".join(f"{top.name} ({top.pid})" for top in tops)
            log.warning("processes that the server started do not end: %s", names)
            return
        gently = time.monotonic() < started + haste_s
        for pid in {top.pid for top in tops}.union(*(below(top.pid) for top in tops)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM if gently else signal.SIGKILL)
                os.kill(pid, signal.SIGCONT)
        for top in tops:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(top.pid, os.WNOHANG)
        time.sleep(_POLL_S)
