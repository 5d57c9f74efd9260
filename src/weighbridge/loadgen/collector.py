"""The second thread of LoadGen's process: it collects outcomes, and tells the parent process of the run.

LoadGen's own thread may be in C++ until the end of a schedule. So this thread also receives the parent's
orders, and whatever goes wrong in either thread is told to the parent, which ends the run.
"""

import json
import os
import select
import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from time import monotonic
from typing import Any

from weighbridge.client.frames import RequestOutcome
from weighbridge.core.errors import machine_trouble
from weighbridge.core.files import disk_failure
from weighbridge.loadgen.sut import SystemUnderTest

_PROGRESS_EVERY_S = 0.5


class Failures:
    """Ends the run for an error of any thread of this process, and names it to the parent."""

    def __init__(self, sut: SystemUnderTest, control: socket.socket, out: str) -> None:
        self._sut, self._control, self._out = sut, control, out

    def end_run(self, doing: str, error: BaseException) -> None:
        """End the run; the parent, which is told first, kills this process if LoadGen does not end."""
        tell_failure(self._control, doing, error, self._out)
        self._sut.abort(f"LoadGen's process failed while {doing}")

    def guarded(self, doing: str, call: Callable[..., None]) -> Callable[..., None]:
        """Return what LoadGen's library may call: it would end this process for an exception, unnamed."""

        @wraps(call)
        def guard(*arguments: Any) -> None:
            try:
                call(*arguments)
            except BaseException as error:
                self.end_run(doing, error)

        return guard


class Collector(threading.Thread):
    """Collects outcomes, reports progress and receives orders, until it is stopped."""

    def __init__(self, sut: SystemUnderTest, control: socket.socket, failures: Failures) -> None:
        super().__init__(daemon=True)
        self._sut, self._control, self._failures = sut, control, failures
        self._wake, self._waker = socket.socketpair()
        self._links = {link.socket.fileno(): link for link in sut.links}
        self._signs, self._lost = Signs(sut), False
        self._epoll = select.epoll()
        for fd in (*self._links, control.fileno(), self._wake.fileno()):
            self._epoll.register(fd, select.EPOLLIN)

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._waker.send(b"x")
        self.join()

    def run(self) -> None:
        """Handle what can be read, and report every half second."""
        try:
            self._collect_until_stopped()
        except BaseException as error:
            self._failures.end_run("collecting outcomes", error)

    def _collect_until_stopped(self) -> None:
        reported, poll, control = 0.0, self._epoll.poll, self._control.fileno()
        while True:
            for fd, _ in poll(_PROGRESS_EVERY_S):
                link = self._links.get(fd)
                if link is not None:
                    self._sut.collect(link)
                    if link.gone:
                        self._epoll.unregister(fd)
                        del self._links[fd]
                elif fd == control:
                    self._obey()
                elif fd == self._wake.fileno():
                    return
                if self._sut.aborted is not None:
                    self._forget_workers()
            now = monotonic()
            if now - reported > _PROGRESS_EVERY_S:
                reported = now
                self._report()

    def _obey(self) -> None:
        order = self._control.recv(4096)
        if not order:
            os._exit(1)  # the parent is gone, and with it the run
        self._sut.abort(order.decode())

    def _forget_workers(self) -> None:
        for fd in self._links:
            self._epoll.unregister(fd)
        if self._links:
            self._links = {}
            self._report()

    def _end_if_lost(self) -> None:
        """End the run for a worker that cannot be reached, if nobody has said within a report why."""
        lost = next((link.number for link in self._sut.links if link.gone or link.broken), None)
        if lost is not None and self._lost and self._sut.aborted is None:
            self._sut.abort(f"the connection to worker {lost} broke")
        self._lost = lost is not None

    def _report(self) -> None:
        self._end_if_lost()
        sut = self._sut
        sut.flush()
        tell(
            self._control,
            event="progress",
            issued=sut.issued,
            completed=sut.completed,
            failed=sut.failed.total(),
            first_tokens=sut.first_tokens,
            aborted=sut.aborted,
            **self._signs.look(),
        )


class Signs:
    """Since when the server has answered nothing, and each worker said nothing; seen once a report."""

    def __init__(self, sut: SystemUnderTest) -> None:
        self._sut = sut
        self._answers = (-1, -1)
        self._answered_s = monotonic()
        self._heard_s = [monotonic()] * len(sut.links)

    def look(self) -> dict[str, object]:
        """Return `quiet_s`, 0 while no request is open, and `silent_s`, one number a worker."""
        sut, now = self._sut, monotonic()
        # What ends by a limit of our own is no answer.
        answers = (sut.begun(), sut.completed - sut.failed[RequestOutcome.TIMEOUT])
        if answers != self._answers or not sut.open():
            self._answers, self._answered_s = answers, now
        for number, link in enumerate(sut.links):
            if link.heard:
                link.heard, self._heard_s[number] = False, now
        return {"quiet_s": now - self._answered_s, "silent_s": [now - heard for heard in self._heard_s]}


def tell(control: socket.socket, **message: object) -> None:
    """Send the parent one JSON object on a line."""
    control.sendall(json.dumps(message).encode() + b"\n")


def tell_failure(control: socket.socket, doing: str, error: BaseException, out: str) -> None:
    """Send the parent why this process cannot go on, and whether the machine is the cause.

    What a library or the system says is told in one sentence; an error of this program shows its place too.
    """
    full = disk_failure(error, out) if isinstance(error, OSError) else None
    trouble = machine_trouble(error)
    said = trouble.rstrip(".") if trouble else f"{type(error).__name__}: {error}"
    reason = full or f"LoadGen's process failed while {doing}: {said}"
    tell(control, event="failed", reason=reason, machine=trouble is not None)
    if not isinstance(error, OSError | MemoryError | RuntimeError):
        with suppress(OSError):  # its log may be on a full disk
            traceback.print_exception(error)
