"""The window of a run, in which throughput counts: the load is steady there, without start and end."""

from dataclasses import dataclass

import numpy as np

from weighbridge.requests.turns import RunPhase
from weighbridge.sweep.run_rows import Flags, Floats, Numbers, RunRows

_NS = 1e9


@dataclass(frozen=True)
class Window:
    """A time, in monotonic ns; the end is no part of it."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / _NS

    def has(self, times_ns: Numbers) -> Flags:
        """Return which times lie in it."""
        return np.asarray((times_ns >= self.start_ns) & (times_ns < self.end_ns))

    def edges(self, parts: int) -> Floats:
        """Return the bounds of equal parts, in ns, shape (parts + 1,)."""
        return np.linspace(self.start_ns, self.end_ns, parts + 1)


def window_of(rows: RunRows, *, open_loop: bool) -> Window | None:
    """Return the time from the start of the first measured conversation to that of the first cool-down one.

    Of a run without cool-down, to the end of the last measured request: the load ebbs at its end, and a short
    run's throughput is too low. Starts are due times in open loops, and times of sending in closed ones.

    Returns:
        None: no measured request was issued, or the window is empty.
    """
    start_ns = rows.start_ns(open_loop=open_loop)
    phase = rows.turn("phase")
    measured, cooldown = phase == RunPhase.MEASURED, phase == RunPhase.COOLDOWN
    if not measured.any():
        return None
    first = int(start_ns[measured].min())
    last = int(start_ns[cooldown].min() if cooldown.any() else rows.end_ns[measured].max())
    return Window(first, last) if last > first else None
