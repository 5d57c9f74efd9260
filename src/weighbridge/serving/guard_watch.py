"""The process above the guard of kept servers: nobody else would be left to end them if it were killed.

Between two uses no command is there to inherit what a killed guard leaves, or to continue a stopped one.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

from weighbridge.core.parent_death import die_with_parent
from weighbridge.serving.leftovers import children, end_all, inherit

# Longest time from SIGTERM to SIGKILL where nobody waits for the servers any more: all must be gone in 10 s.
HASTE_S = 4.0
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
_STOPPED_S = 1.0  # a guard may stay stopped for so long


def woken_by_signals() -> tuple[socket.socket, socket.socket]:
    """Return a socket that gets the numbers of signals: a child has ended, or the program is asked to end.

    Returns:
        It, and its other end, which the caller keeps open.
    """
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *ENDING):
        signal.signal(number, lambda *_: None)
    return woken, wake


def go_on_watched() -> int:
    """Go on in a child, which this process watches until both end; return this process, for the child.

    The child ends in order, by SIGTERM, if this process is killed.
    """
    watcher = os.getpid()
    inherit()
    if guard := os.fork():
        _close_all()
        sys.exit(_watch(guard))
    die_with_parent(watcher, signal.SIGTERM)
    return watcher


def _close_all() -> None:
    """Close all descriptors but the standard ones: who talks with the guard must see its end.

    Those that are open, and not all that the system would allow, which may be a thousand million.
    """
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2:
            with contextlib.suppress(OSError):  # the one that the folder was listed with
                os.close(descriptor)


def _watch(guard: int) -> int:
    """Wait for the guard, and end what one that was killed has left; return the exit code."""
    for number in ENDING:  # they are for the guard, which gets them too where they go to all
        signal.signal(number, signal.SIG_IGN)
    while True:
        pid, status = os.waitpid(-1, os.WUNTRACED)
        if pid == guard and os.WIFSTOPPED(status):
            time.sleep(_STOPPED_S)
            os.kill(guard, signal.SIGCONT)
        elif pid == guard:
            break
    if os.waitstatus_to_exitcode(status) < 0:
        end_all(children, HASTE_S)
    return 1 if children() else 0
