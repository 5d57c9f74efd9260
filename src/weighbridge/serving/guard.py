"""The guard: a small process that starts model servers, and ends them when nobody is left who wants them.

`server_process` runs it as a program in a session of its own: what ends the command that asked for the
servers (a closed terminal, SIGKILL to its process group) does not end the guard, which then ends the servers.
All that a server starts stays below the guard, which is a child subreaper, even what forks twice to get away
from its parents; the guard leaves when it has no child left.

It talks with the command by a socket, in lines of JSON. It imports little, to be small and start at once.

    command: {"servers": [...], "owners": [pid, ...], "haste_s": 4}   once; each server as `_start` reads it
    command: {"stop": seconds}                          end the servers; SIGKILL after so many seconds
    guard:   {"event": "started", "number": 0, "pid": 4711}
    guard:   {"event": "refused", "number": 0, "reason": "Permission denied"}
    guard:   {"event": "ended", "number": 0, "code": -9}
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from weighbridge.core.parent_death import die_with_parent, prctl
from weighbridge.core.proc import below
from weighbridge.core.process_end import open_process_end

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37  # linux/prctl.h
# Longest time from SIGTERM to SIGKILL where nobody waits for the servers any more: all must be gone in 10 s.
HASTE_S = 4.0
# From SIGKILL until the guard leaves what the kernel does not end, such as a process that waits for a disk.
KILLED_S = 5.0
_POLL_S = 0.05
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)


class Guard:
    """The servers of one command, and those who want them."""

    def __init__(self, control: socket.socket, command: int) -> None:
        """Take orders from a socket, whose other end the process `command` has."""
        self._control, self._command = control, command
        self._servers: dict[int, int] = {}  # pid of a server that runs, and its number
        self._selector = selectors.DefaultSelector()
        self._deadline: float | None = None
        self._haste_s = HASTE_S
        self._unread = b""

    def run(self) -> bool:
        """Start the servers, and end them and all that they started; return whether nothing is left."""
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *_ENDING):
            signal.signal(number, lambda *_: None)
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._on_signals(woken))
        self._selector.register(self._control, selectors.EVENT_READ, self._listen)
        # A guard that is stopped must go on when its command has ended.
        die_with_parent(self._command, signal.SIGCONT)
        prctl(_PR_SET_CHILD_SUBREAPER, 1)
        while self._deadline is None:
            self._serve(None)
        return self._end()

    def _serve(self, timeout_s: float | None) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data()

    def _listen(self) -> None:
        try:
            received = self._control.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            self._selector.unregister(self._control)
            self._hurry()  # the command has ended
            return
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, message: dict[str, Any]) -> None:
        if "stop" in message:
            self._stop_within(message["stop"])
            return
        self._haste_s = message["haste_s"]
        for owner in message["owners"]:
            self._watch(owner)
        for number, server in enumerate(message["servers"]):
            self._start(number, server)

    def _watch(self, owner: int) -> None:
        try:
            descriptor = open_process_end(owner)
        except ProcessLookupError:
            self._hurry()
            return

        def ended() -> None:
            self._selector.unregister(descriptor)
            self._hurry()

        self._selector.register(descriptor, selectors.EVENT_READ, ended)

    def _start(self, number: int, server: dict[str, Any]) -> None:
        """Start a server in a session of its own.

        `server` has its command, its environment, the descriptor of its log, the CPUs that it may use (none:
        all), and the signal that it gets if the guard is killed.
        """
        ready = _child_setup(os.getpid(), signal.Signals(server["death_signal"]), server["cpus"])
        try:
            process = subprocess.Popen(
                server["command"],
                stdin=subprocess.DEVNULL,
                stdout=server["log"],
                stderr=subprocess.STDOUT,
                env=server["environment"],
                start_new_session=True,
                preexec_fn=ready,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._tell("refused", number=number, reason=getattr(error, "strerror", None) or str(error))
            return
        finally:
            os.close(server["log"])
        self._servers[process.pid] = number
        process.returncode = 0  # `_reap` waits for it, and not its destructor
        self._tell("started", number=number, pid=process.pid)

    def _tell(self, event: str, **more: object) -> None:
        with contextlib.suppress(OSError):  # the command has ended, which `_listen` notices
            self._control.sendall(json.dumps({"event": event} | more).encode() + b"\n")

    def _on_signals(self, woken: socket.socket) -> None:
        if set(woken.recv(1 << 12)) & set(_ENDING):
            self._hurry()
        self._reap()

    def _reap(self) -> bool:
        """Take the exit codes of children that have ended, orphans included; return whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in self._servers:
                code = os.waitstatus_to_exitcode(status)
                self._tell("ended", number=self._servers.pop(pid), code=code)

    def _hurry(self) -> None:
        self._stop_within(self._haste_s)

    def _stop_within(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._deadline = until if self._deadline is None else min(self._deadline, until)

    def _end(self) -> bool:
        """End all servers together by SIGTERM, then kill what is left; return whether nothing remains."""
        for pid in self._servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
                os.killpg(pid, signal.SIGCONT)  # a stopped process would not see it
        while self._servers and self._deadline is not None and time.monotonic() < self._deadline:
            self._serve(_POLL_S)
            self._reap()
        until = time.monotonic() + KILLED_S
        while self._reap() and time.monotonic() < until:
            for pid in below(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)
        return not self._reap()


def _child_setup(guard: int, death_signal: signal.Signals, cpus: list[int]) -> Callable[[], None]:
    """Return what a server's process does before it becomes the server's program."""

    def prepare() -> None:
        die_with_parent(guard, death_signal)
        if cpus:
            os.sched_setaffinity(0, cpus)

    return prepare


@contextlib.contextmanager
def subreaper() -> Iterator[None]:
    """Make this process, for the with block, the parent of all descendants whose parents have ended."""
    before = ctypes.c_int()
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(before))
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, before.value)


if __name__ == "__main__":
    descriptor, parent = map(int, sys.argv[1:])
    sys.exit(0 if Guard(socket.socket(fileno=descriptor), parent).run() else 1)
