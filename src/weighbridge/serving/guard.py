"""The guard: a small process that starts model servers, and ends them when nobody is left who wants them.

It runs as a program in a session of its own: what ends the command that asked for the servers (a closed
terminal, SIGKILL to its process group) does not end the guard, which then ends the servers. All that a server
starts stays below the guard, which is a child subreaper, even what forks twice to get away from its parents;
the guard leaves when it has no child left.

One command at a time holds the servers. A guard that may keep them outlives a command that releases them, and
hands them to the next one that wants the same servers and works for the same Snakemake. It ends them when the
holder ends without releasing them, when Snakemake ends, or when nobody has come for a while.

It talks in lines of JSON: with the command that started it by a socket that this one made, with later ones at
its door (`kept_socket`). It imports little, to be small and start at once.

    starter: {"servers": [...], "owners": [pid, ...], "haste_s": 4, "use": ..., "life": ..., "keep": ...}
    holder:  {"ready": {stage: seconds}, "logs": [bytes, ...]}   all servers answer; so long are their logs
    holder:  {"release": keep_s}                                 keep them so long for the next command
    holder:  {"stop": seconds, "reason": "..."}                  end them; SIGKILL after so many seconds
    other:   {"want": fingerprint, "owners": [pid, ...], "use": ...}
    other:   {"replace": true}                                   end them: others are wanted in their place
    guard:   {"event": "guarding", "pid": 4710, "keeps": true}
    guard:   {"event": "started", "number": 0, "pid": 4711}
    guard:   {"event": "refused", "number": 0, "reason": "Permission denied"}
    guard:   {"event": "ended", "number": 0, "code": -9}
    guard:   {"event": "released"}
    guard:   {"event": "gone", "clean": true}                    to the holder: nothing of them is left
    guard:   {"event": "leased", "servers": [...], "life": ..., "logs": [...]}
    guard:   {"event": "held"}, {"event": "others"}              another command holds them; they are others
    guard:   {"event": "ending", "reason": "...", "untold": false}
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from weighbridge.core.parent_death import die_with_parent
from weighbridge.core.process_end import open_process_end
from weighbridge.serving.guard_watch import ENDING, HASTE_S, go_on_watched, woken_by_signals
from weighbridge.serving.guarded_processes import GuardedProcesses
from weighbridge.serving.json_lines import LONGEST_BYTES, JsonLines
from weighbridge.serving.kept_socket import may_ask, open_door
from weighbridge.serving.leftovers import inherit
from weighbridge.serving.life_file import LifeFile

KEPT = "kept"  # the program's further word: its servers may be kept
_GUESTS = 16  # that talk at the same time


class Guard:
    """The servers, who holds them, and who else is at the door."""

    def __init__(self, control: socket.socket) -> None:
        """Take orders from a socket, whose other end the command has that holds the servers first."""
        self._processes = GuardedProcesses(self._on_server_end)
        self._servers: list[dict[str, Any]] = []  # what the next holder is told of each
        self._selector = selectors.DefaultSelector()
        self._holder: JsonLines | None = JsonLines(control)
        self._guests: list[JsonLines] = []
        self._owners: list[int] = []  # descriptors of the processes that the holder works for
        self._keep: dict[str, Any] = {}
        self._logs: list[int] = []
        self._life: LifeFile | None = None
        self._door: socket.socket | None = None
        self._idle_until: float | None = None
        self._deadline: float | None = None
        self._reason = ""
        self._untold = False  # the servers ended by themselves while nobody used them
        self._haste_s = self._stop_s = HASTE_S

    def run(self) -> bool:
        """Start the servers, and end them and all that they started; return whether nothing is left."""
        woken, _wake = woken_by_signals()
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._on_signals(woken))
        assert self._holder is not None
        self._listen_to(self._holder)
        inherit()
        while self._deadline is None:
            self._serve(None if self._idle_until is None else max(0.0, self._idle_until - time.monotonic()))
            if self._idle_until is not None and time.monotonic() >= self._idle_until:
                self._end_within(self._stop_s, f"nothing wanted it for {self._keep['keep_s']:g} s")
        if self._life is not None:
            self._life.stopping()
        clean = self._processes.end(lambda: self._deadline or 0.0, self._serve)
        if self._life is not None:
            self._life.end(self._reason)
        self._tell("gone", clean=clean)
        while self._untold and time.monotonic() < (self._idle_until or 0.0):
            self._serve(self._idle_until - time.monotonic() if self._idle_until else 0.0)
        return clean

    def _serve(self, timeout_s: float | None) -> None:
        for key, _ in self._selector.select(timeout_s):
            if key.fd in self._selector.get_map():  # what came before it may have ended it
                key.data()

    def _listen_to(self, guest: JsonLines) -> None:
        self._selector.register(guest.socket, selectors.EVENT_READ, lambda: self._listen(guest))

    def _listen(self, guest: JsonLines) -> None:
        try:
            for message in guest.receive():
                self._obey(guest, message)
        except BlockingIOError:
            return
        except (EOFError, OSError, ValueError, TypeError, KeyError):
            # It has ended, or what it says is no message: from who holds the servers, neither may be trusted.
            self._dismiss(guest)

    def _dismiss(self, guest: JsonLines) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(guest.socket)
        guest.close()
        if guest in self._guests:
            self._guests.remove(guest)
        if guest is self._holder:
            self._holder = None
            self._hurry("the command that used it ended without releasing it")

    def _obey(self, guest: JsonLines, message: dict[str, Any]) -> None:
        if guest is not self._holder:
            self._answer(guest, message)
        elif "stop" in message:
            self._end_within(message["stop"], message["reason"])
        elif "release" in message:
            self._release(message["release"])
        elif "ready" in message:
            self._logs = message["logs"]
            if self._life is not None:
                self._life.ready(message["ready"])
        elif "servers" in message:
            self._begin(message)
        else:
            raise ValueError("no order")

    def _begin(self, job: dict[str, Any]) -> None:
        self._haste_s, self._keep = job["haste_s"], job["keep"] or {}
        if job["life"] is not None:
            self._life = LifeFile(Path(job["life"]["file"]), job["life"]["gpus"])
            self._life.begin_use(**job["use"])
        if self._keep:
            self._stop_s = self._keep["stop_s"]
            self._watch(self._keep["top"])
            self._door = open_door(self._keep["name"])
            if self._door is not None:
                self._selector.register(self._door, selectors.EVENT_READ, self._admit)
        self._tell("guarding", pid=os.getpid(), keeps=self._door is not None)
        self._owners = [self._watch(owner) for owner in job["owners"]]
        for number, server in enumerate(job["servers"]):
            self._start(number, server)

    def _watch(self, owner: int) -> int:
        """End the servers when a process ends; return the descriptor that tells it, or -1: it has ended."""
        reason = f"process {owner}, which it was started for, has ended"
        try:
            descriptor = open_process_end(owner)
        except ProcessLookupError:
            self._hurry(reason)
            return -1

        def ended() -> None:
            self._selector.unregister(descriptor)
            self._hurry(reason)

        self._selector.register(descriptor, selectors.EVENT_READ, ended)
        return descriptor

    def _start(self, number: int, server: dict[str, Any]) -> None:
        try:
            pid = self._processes.start(number, server)
        except (OSError, subprocess.SubprocessError) as error:
            self._tell("refused", number=number, reason=getattr(error, "strerror", None) or str(error))
            return
        self._servers.append({"pid": pid, "about": server["about"]})
        self._tell("started", number=number, pid=pid)

    def _tell(self, event: str, **more: object) -> None:
        if self._holder is not None:
            with contextlib.suppress(OSError):  # the command has ended, which `_listen` notices
                self._holder.send(event=event, **more)

    def _release(self, keep_s: float) -> None:
        """Keep the servers for the next command, so long as they all run."""
        if len(self._processes.pids) < len(self._servers) or self._door is None or self._deadline is not None:
            self._end_within(self._stop_s, "a server had ended when it was released")
            return
        if self._life is not None:
            self._life.end_use()
        for descriptor in self._owners:
            self._selector.unregister(descriptor)
            os.close(descriptor)
        self._owners = []
        self._keep["keep_s"], self._idle_until = keep_s, time.monotonic() + keep_s
        self._tell("released")
        holder, self._holder = self._holder, None
        if holder is not None:
            self._dismiss(holder)

    def _admit(self) -> None:
        assert self._door is not None
        try:
            connection, _ = self._door.accept()
        except OSError:  # it has given up, or the system has no descriptor left
            return
        if not may_ask(connection, self._keep["top"]):
            connection.close()
            return
        connection.setblocking(False)
        guest = JsonLines(connection, LONGEST_BYTES)
        self._guests.append(guest)
        self._listen_to(guest)
        if len(self._guests) > _GUESTS:
            self._dismiss(self._guests[0])

    def _answer(self, guest: JsonLines, message: dict[str, Any]) -> None:
        replace = "replace" in message
        wanted = None if replace else message["want"]
        if self._deadline is not None:
            guest.send(event="ending", reason=self._reason, untold=self._untold)
            self._untold = False
        elif self._holder is not None:
            guest.send(event="held")
        elif replace:
            self._end_within(self._stop_s, "a run with another server was next")
            guest.send(event="ending", reason=self._reason, untold=False)
        elif wanted != self._keep["fingerprint"]:
            guest.send(event="others")
        else:
            self._lease(guest, message)

    def _lease(self, guest: JsonLines, message: dict[str, Any]) -> None:
        label, folder, owners = message["use"]["label"], message["use"]["folder"], list(message["owners"])
        self._guests.remove(guest)
        self._holder, self._idle_until = guest, None
        guest.socket.setblocking(True)
        self._owners = [self._watch(owner) for owner in owners]
        life = None
        if self._life is not None:
            self._life.begin_use(label, folder)
            life = self._life.brief()
        self._tell("leased", servers=self._servers, life=life, logs=self._logs)

    def _on_signals(self, woken: socket.socket) -> None:
        got = set(woken.recv(1 << 12)) & set(ENDING)
        if got:
            self._hurry(f"its guard was ended by {signal.Signals(min(got)).name}")
        self._processes.reap()

    def _on_server_end(self, number: int, code: int) -> None:
        self._tell("ended", number=number, code=code)
        if self._holder is None and self._deadline is None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._untold = True
            self._end_within(self._stop_s, f"a server {how} while nothing used it")

    def _hurry(self, reason: str) -> None:
        self._untold = False
        self._end_within(self._haste_s, reason)

    def _end_within(self, seconds: float, reason: str) -> None:
        """End the servers; the first reason is the one that is told."""
        until = time.monotonic() + seconds
        self._deadline = until if self._deadline is None else min(self._deadline, until)
        self._reason = self._reason or reason


if __name__ == "__main__":
    descriptor, parent = map(int, sys.argv[1:3])
    if KEPT in sys.argv[3:]:
        go_on_watched()
    else:
        # A guard that is stopped must go on when its command has ended.
        die_with_parent(parent, signal.SIGCONT)
    sys.exit(0 if Guard(socket.socket(fileno=descriptor)).run() else 1)
