"""Signs of life of the official client: events, CPU time where no query is open, room for its log."""

import os
from collections.abc import Mapping
from time import monotonic, monotonic_ns

from weighbridge.client.liveness import Trouble, Watchdog, trouble_of
from weighbridge.client.process_cost import cpu_time_s
from weighbridge.client.sample_counts import DrivenPhase
from weighbridge.endpoints.event_tail import UNSEEN_EVENTS, EventTail
from weighbridge.endpoints.shared_memory import SHARED_MEMORY

_LEAST_FREE_BYTES = 1 << 20
# A client that starts, reads its dataset or computes its results uses more than this of a core.
_IDLE_SHARE = 0.005
_IDLE_TOLD_AFTER_S = 30.0
_BAR_EVERY_S = 30.0  # its progress bar, as its environment asks for; with a margin


class ClientSigns:
    """Notices what lives and does nothing."""

    def __init__(self, pids: Mapping[int, str], stall_limit_s: float, target_qps: float) -> None:
        """Watch processes, which may become more.

        Args:
            pids: The supervisor first, then the client's processes, with their names.
            stall_limit_s: How long open queries may go without any event.
            target_qps: Queries/s that are issued, or the samples/s that are expected.
        """
        self._pids, self._stall_limit_s, self._target_qps = pids, stall_limit_s, target_qps
        self._watchdog = Watchdog("The official client's supervisor", pids, stall_limit_s)
        self._cpu_s, self._busy_s = 0.0, monotonic()

    @property
    def quiet_s(self) -> float:
        """Seconds since the last event while queries are open, as of the last look."""
        return self._watchdog.quiet_s

    def heard(self) -> None:
        """Note that the supervisor has said something."""
        self._watchdog.heard()

    def look(self, tail: EventTail | None) -> Trouble | None:
        """Return the trouble that ends the run, or else the first that is to be told.

        Args:
            tail: The log of events; None: there is none yet.
        """
        waits = tail is not None and tail.open > 0
        if tail is not None:
            self._watchdog.report(tail.open, self._quiet_s(tail) if waits else 0.0, ())
        found = self._watchdog.look()
        if found is None and not waits:
            found = self._idle(tail)
        if found is not None and found.over:
            return found
        return _full() or found

    def _quiet_s(self, tail: EventTail) -> float:
        """Return how long there has been no part of an answer for certain, though the log is behind."""
        now_ns = monotonic_ns()
        logged_ns = tail.newest_ns - tail.answered_ns if tail.answered_ns else 0
        if tail.bar_ns > tail.grown_ns:
            return max(0.0, (now_ns - tail.bar_ns) / 1e9 - _BAR_EVERY_S)
        warming = tail.warmed_up if tail.phase is DrivenPhase.WARM_UP else 0
        behind_s = (UNSEEN_EVENTS + warming) / self._target_qps
        behind_s = min(behind_s, _BAR_EVERY_S) if tail.bar else behind_s
        return max(0.0, logged_ns / 1e9, (now_ns - tail.grown_ns) / 1e9 - behind_s)

    def _idle(self, tail: EventTail | None) -> Trouble | None:
        """Return that no query is seen to be open, nothing is computed, and no answer is counted.

        Queries may be open that the log does not show yet: the progress bar then counts their answers.
        """
        unseen_s = 0.0
        if tail is not None and tail.bar:
            self._busy_s = max(self._busy_s, tail.bar_ns / 1e9)
        elif tail is not None:  # a slow warm-up, whose answers nothing counts
            unseen_s = UNSEEN_EVENTS / self._target_qps
        others = list(self._pids)[1:]
        now, cpu_s = monotonic(), sum(cpu_time_s(pid) or 0.0 for pid in others)
        # Less than before: a process has ended.
        if abs(cpu_s - self._cpu_s) > _IDLE_SHARE * (now - self._busy_s):
            self._cpu_s, self._busy_s = cpu_s, now
        return trouble_of(
            "the official client computes nothing, and counts no answer,",
            max(0.0, now - self._busy_s - unseen_s),
            self._stall_limit_s,
            _IDLE_TOLD_AFTER_S,
            "client.stall_limit_s",
        )


def _full() -> Trouble | None:
    """Return that the client's log of events has no room left; where that cannot be asked, None."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    if found.f_bavail * found.f_frsize >= _LEAST_FREE_BYTES:
        return None
    sentence = (
        f"{SHARED_MEMORY} is full, where the official client keeps its log of events; make room there, or "
        "give the container more of it"
    )
    return Trouble(sentence, "less than a second", over=True)
