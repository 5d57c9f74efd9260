"""Calls at times of the monotonic clock, to a fraction of a millisecond; uvloop's timers count whole ones."""

import asyncio
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

from weighbridge.client.kernel_timer import KernelTimer

_NS = 1e9
_GRID_NS = 500_000
"""Calls wait for the next multiple, so that a busy server wakes up 2,000 times a second at most."""


class PreciseTimers:
    """All waiting calls of one event loop, behind one timer of the kernel."""

    def __init__(self) -> None:
        """Wait for nothing."""
        self._waiting: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []  # a heap
        self._order = count()
        self._kernel: KernelTimer | None = None

    def call_at(self, due_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """Call at a time of the monotonic clock in seconds, never before it; at once if it has passed."""
        due_ns = int(due_s * _NS) + 1
        if due_ns <= time.monotonic_ns():
            call(*arguments)
            return
        due_ns += -due_ns % _GRID_NS
        first = not self._waiting or due_ns < self._waiting[0][0]
        heappush(self._waiting, (due_ns, next(self._order), call, arguments))
        if first:
            self._timer().set(due_ns)

    def close(self) -> None:
        """Forget all calls."""
        self._waiting.clear()
        if self._kernel is not None:
            asyncio.get_running_loop().remove_reader(self._kernel.fd)
            self._kernel.close()
            self._kernel = None

    def _timer(self) -> KernelTimer:
        """Return the kernel's timer, which the running loop watches from the first call on."""
        if self._kernel is None:
            self._kernel = KernelTimer()
            asyncio.get_running_loop().add_reader(self._kernel.fd, self._expired)
        return self._kernel

    def _expired(self) -> None:
        timer, waiting = self._timer(), self._waiting
        now_ns = time.monotonic_ns()
        try:
            while waiting and waiting[0][0] <= now_ns:
                _, _, call, arguments = heappop(waiting)
                call(*arguments)
        finally:
            timer.set(waiting[0][0] if waiting else 0)  # so that it is no longer expired
