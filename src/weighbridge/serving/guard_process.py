"""The process of a guard, as a command sees it that started it, or that found it with kept servers."""

import abc
import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection

from weighbridge.core.proc import ProcessId, session_of
from weighbridge.core.process_end import open_process_end
from weighbridge.serving import guard
from weighbridge.serving.guard_watch import HASTE_S
from weighbridge.serving.guarded_processes import KILLED_S
from weighbridge.serving.leftovers import children, end_all, tree_below

log = logging.getLogger(__name__)


def guard_command() -> list[str]:
    """Return the beginning of a guard's command line."""
    return [sys.executable, "-P", "-m", guard.__name__]


class GuardProcess(abc.ABC):
    """A guard that runs.

    Attributes:
        pid: Its process, below which all servers are.
    """

    pid: int

    @abc.abstractmethod
    def await_end(self, timeout_s: float) -> None:
        """Wait until it has ended, for which it needs `timeout_s`; kill one that does not."""

    @abc.abstractmethod
    def leave(self) -> None:
        """Leave it to itself."""

    def end_leftovers(self, timeout_s: float) -> None:
        """End what it has left: SIGTERM, and after `timeout_s` or a few seconds SIGKILL."""
        left = end_all(self._left, min(timeout_s, HASTE_S))
        if left:
            names = ", ".join(f"{process.name} ({process.pid})" for process in left)
            log.warning("processes that the server started do not end: %s", names)

    @abc.abstractmethod
    def _left(self) -> set[ProcessId]: ...


class StartedGuard(GuardProcess):
    """A guard that this process started, and from which it inherits what a killed one leaves."""

    def __init__(self, process: "subprocess.Popen[bytes]", others: Collection[ProcessId]) -> None:
        """`others` are the children that this process had before."""
        self.pid = process.pid
        self._process, self._others = process, others

    def await_end(self, timeout_s: float) -> None:
        """Wait until the process that was started, and so all of the guard, has ended."""
        try:
            self._process.wait(timeout_s + 2 * KILLED_S)
        except subprocess.TimeoutExpired:
            # First the guard itself: the process that watches one of kept servers then ends what is left.
            for pid in (self.pid, self._process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(HASTE_S + 2 * KILLED_S)
                    return

    def leave(self) -> None:
        """Take it for one that somebody else waits for."""
        self._process.returncode = 0  # nobody waits for it, and its destructor need not say so

    def _left(self) -> set[ProcessId]:
        """Return the children that were not there before, in other sessions than ours.

        What we start ourselves and does not get a session of its own is no server.
        """
        found = set()
        for child in children() - set(self._others):
            with contextlib.suppress(OSError):
                if session_of(child.pid) != os.getsid(0):
                    found.add(child)
        return found


class FoundGuard(GuardProcess):
    """A guard that another command started; what is below it does not become ours if it is killed."""

    def __init__(self, guard: ProcessId) -> None:
        """Note what is below a guard now, while it runs."""
        self.pid = guard.pid
        self._guard = guard
        self._tree = tree_below(guard.pid)

    def await_end(self, timeout_s: float) -> None:
        """Wait until the guard has ended, and note before what is below it."""
        self._tree |= tree_below(self.pid) if self._guard.lives else set()
        if self._ends_within(timeout_s + 2 * KILLED_S):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._ends_within(KILLED_S)

    def _ends_within(self, seconds: float) -> bool:
        try:
            descriptor = open_process_end(self.pid)
        except ProcessLookupError:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ended = not self._guard.lives or bool(poll.poll(seconds * 1000))
        os.close(descriptor)
        return ended

    def leave(self) -> None:
        """Do nothing: it never was this process's own."""

    def _left(self) -> set[ProcessId]:
        return {process for process in self._tree if process.lives}
