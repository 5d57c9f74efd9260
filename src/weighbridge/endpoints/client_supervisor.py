"""The supervisor: a small process that starts the official client, and ends all of it when its time has come.

It runs as a program in a session of its own, so that a terminal's Ctrl-C reaches neither it nor the client.
All that the client starts stays below it, also what forks twice to get away. It ends that when the client has
ended, when it is told to, and when the command that started it is gone, which then cleans up no more.

It talks in lines of JSON with that command, by a socket:

    command:    {"command": [...], "environment": {...}, "folder": "/tmp/...", "log": 7}
    command:    {"interrupt": true}                    SIGINT: the client stops issuing and writes its results
    command:    {"stop": seconds}                      SIGTERM; SIGKILL after so many seconds
    supervisor: {"event": "started", "pid": 4711}
    supervisor: {"event": "refused", "reason": "Permission denied"}
    supervisor: {"event": "alive"}                     twice a second, or more often
    supervisor: {"event": "shared", "events": "/dev/shm/.../events.jsonl", "entries": ["/dev/shm/..."]}
    supervisor: {"event": "ended", "code": -9, "left": 0, "clean": true}
"""

import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from weighbridge.core.proc import below
from weighbridge.endpoints.shared_memory import open_files, remove_entries, shared_entries
from weighbridge.serving.guard_watch import ENDING, HASTE_S, woken_by_signals
from weighbridge.serving.guarded_processes import POLL_S, GuardedProcesses
from weighbridge.serving.json_lines import JsonLines
from weighbridge.serving.leftovers import inherit

EVENT_LOG = "events.jsonl"
_ALIVE_EVERY_S = 0.5
_SOON_S = 0.1  # until the log of events is there
_LOOK_EVERY_S = 5.0
# A client that has ended may leave helpers that end by themselves, such as those of Python's multiprocessing.
_LINGER_S = 2.0


class Supervisor:
    """The client's processes, and what they have in shared memory."""

    def __init__(self, control: socket.socket) -> None:
        """Take orders from a socket, whose other end has the command that started this program."""
        self._command: JsonLines | None = JsonLines(control)
        self._processes = GuardedProcesses(self._on_end)
        self._selector = selectors.DefaultSelector()
        self._code: int | None = None
        self._client = 0
        self._deadline: float | None = None
        self._folder = ""
        self._events = ""
        self._entries: set[str] = set()
        self._looked_s = 0.0

    def run(self) -> bool:
        """Start the client, wait for its end, end what is left; return whether nothing is."""
        woken, _wake = woken_by_signals()
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._on_signals(woken))
        assert self._command is not None
        self._selector.register(self._command.socket, selectors.EVENT_READ, self._listen)
        inherit()
        while self._deadline is None and self._code is None:
            self._serve(_ALIVE_EVERY_S if self._events else _SOON_S)
            if self._client:
                self._look()
                self._tell("alive")
        if self._deadline is None:
            self._linger()
        left = len(below(os.getpid()))
        self._note(shared_entries(below(os.getpid())))
        clean = self._processes.end(lambda: self._deadline or 0.0, self._serve)
        self._tell("ended", code=self._code, left=left, clean=clean)
        if self._command is None:  # nobody else is left to clean up
            remove_entries(self._entries)
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
        return clean

    def _serve(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data()

    def _listen(self) -> None:
        assert self._command is not None
        try:
            for message in self._command.receive():
                self._obey(message)
        except (EOFError, OSError, ValueError, TypeError, KeyError):
            self._selector.unregister(self._command.socket)
            self._command.close()
            self._command = None
            self._end_within(HASTE_S)

    def _obey(self, message: dict[str, Any]) -> None:
        if "stop" in message:
            self._end_within(message["stop"])
        elif "interrupt" in message:
            if self._client in self._processes.pids:
                os.kill(self._client, signal.SIGINT)
        else:
            self._start(message)

    def _start(self, job: dict[str, Any]) -> None:
        os.umask(0o077)  # its files hold the answers
        self._folder = job["folder"]
        os.chdir(self._folder)
        order = {
            "command": job["command"],
            "environment": job["environment"],
            "log": job["log"],
            "cpus": [],
            "death_signal": signal.SIGKILL,
        }
        try:
            self._client = self._processes.start(0, order)
        except (OSError, subprocess.SubprocessError) as error:
            self._tell("refused", reason=getattr(error, "strerror", None) or str(error))
            self._end_within(0.0)
            return
        self._tell("started", pid=self._client)

    def _on_end(self, _number: int, code: int) -> None:
        self._code = code

    def _look(self) -> None:
        """Find the log of events as soon as it is there, and from time to time what else is to be removed."""
        if not self._events:
            self._events = next((path for path in self._open_files() if path.endswith(f"/{EVENT_LOG}")), "")
            if self._events:
                self._looked_s = 0.0
        if time.monotonic() - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            self._note(shared_entries(below(os.getpid())))

    def _open_files(self) -> list[str]:
        found: list[str] = []
        for pid in below(os.getpid()):
            with contextlib.suppress(OSError):
                found += open_files(pid)
        return found

    def _note(self, entries: set[str]) -> None:
        self._entries |= entries
        self._tell("shared", events=self._events, entries=sorted(self._entries))

    def _linger(self) -> None:
        self._looked_s = 0.0  # what is left may end by itself, and with it what names its entries
        self._look()
        until = time.monotonic() + _LINGER_S
        while self._processes.reap() and time.monotonic() < until:
            self._serve(POLL_S)

    def _end_within(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)

    def _on_signals(self, woken: socket.socket) -> None:
        numbers = woken.recv(1 << 10)
        self._processes.reap()
        if set(numbers) & set(ENDING):
            self._end_within(HASTE_S)

    def _tell(self, event: str, **more: object) -> None:
        if self._command is not None:
            with contextlib.suppress(OSError):  # it has gone, which `_listen` notices
                self._command.send(event=event, **more)


def main() -> None:
    """Supervise one client; the only argument is the descriptor of the socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    sys.exit(0 if Supervisor(control).run() else 1)


if __name__ == "__main__":
    main()
