"""The second thread of LoadGen's process: it collects outcomes, and tells the parent process of the run.

LoadGen's own thread may be in C++ until the end of a schedule. So this thread also receives the parent's
orders, and whatever goes wrong in either thread is told to the parent, which ends the run.
"""

import os
import select
import socket
import threading
from collections.abc import Callable
from functools import wraps
from time import monotonic, monotonic_ns
from typing import Any

from weighbridge.client.driver_control import PROGRESS_EVERY_S, tell, tell_failure
from weighbridge.client.driver_signs import Signs
from weighbridge.loadgen.sut import SystemUnderTest

PROCESS = "LoadGen's process"


class Failures:
    """Ends the run for an error of any thread of this process, and names it to the parent."""

    def __init__(self, sut: SystemUnderTest, control: socket.socket, out: str) -> None:
        self._sut, self._control, self._out = sut, control, out

    def end_run(self, doing: str, error: BaseException) -> None:
        """End the run; the parent, which is told first, kills this process if LoadGen does not end."""
        tell_failure(self._control, PROCESS, doing, error, self._out)
        self._sut.abort(f"{PROCESS} failed while {doing}")

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
        self._signs = Signs(sut)
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
            for fd, _ in poll(PROGRESS_EVERY_S):
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
            if now - reported > PROGRESS_EVERY_S:
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

    def _report(self) -> None:
        sut = self._sut
        if (lost := self._signs.lost()) is not None:
            sut.abort(lost)
        # In this order: what is counted was issued before that moment, and what ended before is in the log.
        issued, at_ns = sut.issued, monotonic_ns()
        sut.flush()
        tell(
            self._control,
            event="progress",
            at_ns=at_ns,
            issued=issued,
            completed=sut.completed,
            failed=sut.failed.total(),
            first_tokens=sut.first_tokens,
            aborted=sut.aborted,
            **self._signs.look(),
        )
