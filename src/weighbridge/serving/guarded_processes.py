"""The servers' processes as their guard has them: started, waited for, and ended with all below them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from weighbridge.core.parent_death import GUARD_VARIABLE, die_with_parent
from weighbridge.core.proc import below

# From SIGKILL until the guard leaves what the kernel does not end, such as a process that waits for a disk.
KILLED_S = 5.0
POLL_S = 0.05


class GuardedProcesses:
    """The servers, which are children of this process, and all that they start and that comes back to it."""

    def __init__(self, ended: Callable[[int, int], None]) -> None:
        """Call `ended` with number and exit code (as of Popen) of a server that has ended."""
        self._ended = ended
        self._numbers: dict[int, int] = {}  # by the process of a server that runs

    @property
    def pids(self) -> list[int]:
        """Return the servers that run."""
        return list(self._numbers)

    def start(self, number: int, server: dict[str, Any]) -> int:
        """Start a server in a session of its own; return its process.

        `server` has its command, its environment, the descriptor of its log, the CPUs that it may use (none:
        all), and the signal that it gets if the guard is killed.

        Raises:
            OSError, SubprocessError: its program cannot be run.
        """
        ready = _child_setup(os.getpid(), signal.Signals(server["death_signal"]), server["cpus"])
        try:
            process = subprocess.Popen(
                server["command"],
                stdin=subprocess.DEVNULL,
                stdout=server["log"],
                stderr=subprocess.STDOUT,
                env=server["environment"] | {GUARD_VARIABLE: str(os.getpid())},
                start_new_session=True,
                preexec_fn=ready,
            )
        finally:
            os.close(server["log"])
        self._numbers[process.pid] = number
        process.returncode = 0  # `reap` waits for it, and not its destructor
        return process.pid

    def reap(self) -> bool:
        """Take the exit codes of children that have ended, orphans included; return whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in self._numbers:
                self._ended(self._numbers.pop(pid), os.waitstatus_to_exitcode(status))

    def end(self, deadline: Callable[[], float], meanwhile: Callable[[float], None]) -> bool:
        """End all servers together by SIGTERM, then kill what is left.

        Args:
            deadline: When to kill, as of time.monotonic; it may come nearer.
            meanwhile: Called again and again until then, with how long it may take in s.

        Returns:
            Whether nothing remains.
        """
        for pid in self._numbers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
                os.killpg(pid, signal.SIGCONT)  # a stopped process would not see it
        while self._numbers and time.monotonic() < deadline():
            meanwhile(POLL_S)
            self.reap()
        until = time.monotonic() + KILLED_S
        while self.reap() and time.monotonic() < until:
            for pid in below(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            meanwhile(POLL_S)
        return not self.reap()


def _child_setup(guard: int, death_signal: signal.Signals, cpus: list[int]) -> Callable[[], None]:
    """Return what a server's process does before it becomes the server's program."""

    def prepare() -> None:
        die_with_parent(guard, death_signal)
        if cpus:
            os.sched_setaffinity(0, cpus)

    return prepare
