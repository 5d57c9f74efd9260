"""The window of a run, in which throughput counts: the load is steady there, without start and end."""

from dataclasses import dataclass

import numpy as np

from weighbridge.config.load_level import LoadLevel
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


def window_of(rows: RunRows, level: LoadLevel) -> Window | None:
    """Return the time from the start of the first measured conversation to that of the first cool-down one.

    Starts are due times in open loops. In closed ones they are the moments at which the client decides to
    begin: when the conversation before has ended. So a closed window has as many ends as starts.

    The first filler may be among those that the client cut off, which are no rows: its start is then that of
    the schedule. Of a run without fillers, the window ends with the last measured request: the load ebbs
    there, and a short run's throughput is too low.

    Returns:
        None: no measured request was issued, or the window is empty.
    """
    phase, turns = rows.turn("phase"), rows.turns
    measured = phase == RunPhase.MEASURED
    if not measured.any():
        return None
    first = int(rows.planned_ns[measured].min())
    fillers = turns[turns["phase"] == RunPhase.COOLDOWN]
    if not len(fillers):
        last = int(rows.end_ns[measured].max())
    elif level.open:
        began = turns["due_s"][turns["phase"] == RunPhase.MEASURED].min()
        last = first + round(float(fillers["due_s"].min() - began) * _NS)
    else:
        last = _begun_ns(rows, int(fillers["conversation"].min()), level.closed or 1)
    return Window(first, last) if last > first else None


def _begun_ns(rows: RunRows, conversation: int, at_once: int) -> int:
    """Return when a closed loop begins a conversation; 0: among the first ones, or never.

    Each end begins the next one: conversation n, from 0, begins with the end number n - at_once, from 0.
    """
    held, place = np.unique(rows.held, return_inverse=True)
    ends = np.zeros(len(held), dtype=np.int64)
    np.maximum.at(ends, place, rows.end_ns)
    before = np.sort(ends)[:conversation]
    number = conversation - at_once
    return int(before[number]) if 0 <= number < len(before) else 0
