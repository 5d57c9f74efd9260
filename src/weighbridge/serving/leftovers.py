"""End processes that their guard can no longer end: it was killed, or does not answer.

With the standard library alone, because the process that watches a guard uses it.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator

from weighbridge.core.parent_death import prctl
from weighbridge.core.proc import ProcessId, below, children_by_parent
from weighbridge.serving.guarded_processes import KILLED_S, POLL_S

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37  # linux/prctl.h


def inherit() -> None:
    """Make this process the parent of all descendants whose parents have ended."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


@contextlib.contextmanager
def inheriting() -> Iterator[None]:
    """Inherit for the duration of a with block."""
    before = ctypes.c_int()
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(before))
    inherit()
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, before.value)


def children() -> set[ProcessId]:
    """Return the children of this process."""
    return _known(children_by_parent().get(os.getpid(), ()))


def tree_below(pid: int) -> set[ProcessId]:
    """Return a process and all below it."""
    return _known({pid, *below(pid)})


def _known(pids: Iterator[int] | set[int] | list[int] | tuple[int, ...]) -> set[ProcessId]:
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            found.add(ProcessId.of(pid))
    return found


def end_all(find: Callable[[], set[ProcessId]], gently_s: float) -> set[ProcessId]:
    """End processes and all below them: SIGTERM, and after `gently_s` SIGKILL.

    Args:
        find: Returns those that are left; asked again and again.
        gently_s: From SIGTERM to SIGKILL.

    Returns:
        Those that do not end.
    """
    started = time.monotonic()
    while tops := find():
        if time.monotonic() > started + gently_s + KILLED_S:
            return tops
        gently = time.monotonic() < started + gently_s
        for pid in {top.pid for top in tops}.union(*(below(top.pid) for top in tops)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM if gently else signal.SIGKILL)
                os.kill(pid, signal.SIGCONT)
        for top in tops:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(top.pid, os.WNOHANG)
        time.sleep(POLL_S)
    return set()
