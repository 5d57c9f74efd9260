"""The time that a run has left: one estimate, which is corrected as the run goes on."""

from collections import deque
from math import exp

_EVIDENCE = 5  # requests that must have ended before anything is estimated
_EVIDENCE_S = 5.0  # and for how long
_PLANNED = 10  # requests that the planned rate counts for, beside those that have ended
_WINDOW_S = 30.0
_SHARE = 0.5  # of the time so far: a long run's rate is taken over more than the window
_POINTS = 512
_LEAST_QPS = 1e-6
# The estimate follows what is computed now within a quarter of the time left, between these limits.
_FASTEST_S, _SLOWEST_S = 2.0, 30.0
_QUIET_S = 10.0
_LONGER_THAN_BEFORE = 2.0


class TimeLeft:
    """Estimates when a run ends, from how many of its requests have ended by when."""

    def __init__(self, planned_qps: float, *, scheduled: bool) -> None:
        """Begin a run.

        Args:
            planned_qps: Requests a second that are expected.
            scheduled: Requests have due times: how long the first one takes says nothing about the rate.
        """
        self._planned_s, self._scheduled = _PLANNED / max(planned_qps, _LEAST_QPS), scheduled
        self._ended: deque[tuple[float, int]] = deque()
        self._began_s: float | None = None
        self._longest_gap_s = self._stalled_s = 0.0  # stalled: it says nothing about the rate
        self._end_s: float | None = None
        self._noted_s = 0.0

    def note(self, now_s: float, ended: int, to_end: int, at_least_s: float = 0.0) -> float | None:
        """Note how far the run is, and return the seconds that are left; None where too little is known.

        Args:
            now_s: The time, by any clock that only goes forward.
            ended: Requests that have ended until now.
            to_end: Requests that have not, those included that are still to be issued.
            at_least_s: What is left by the run's schedule.
        """
        if self._began_s is None:
            self._began_s = now_s
        if ended > self._ended[-1][1] if self._ended else ended or not self._scheduled:
            self._stalled_s += self.stalled_s(now_s) or 0.0
            self._longest_gap_s = max(self._longest_gap_s, now_s - self._last_s())
            self._ended.append((now_s - self._stalled_s, ended))
            self._thin()
        if not to_end:
            self._end_s, self._noted_s = now_s, now_s
            return 0.0
        rate = self._rate(now_s - self._stalled_s, ended)
        if rate is None:
            return None
        computed_s = now_s + max(at_least_s, to_end / rate)
        if self._end_s is None:
            self._end_s = computed_s
        else:
            slowness_s = min(max((computed_s - now_s) / 4, _FASTEST_S), _SLOWEST_S)
            self._end_s += (computed_s - self._end_s) * (1 - exp((self._noted_s - now_s) / slowness_s))
        self._noted_s = now_s
        return max(self._end_s - now_s, 0.0)

    def stalled_s(self, now_s: float) -> float | None:
        """Return for how long no request has ended, where that is far longer than ever before; else None.

        Before the first has ended, nothing says how long a request takes.
        """
        if not self._longest_gap_s:
            return None
        quiet_s = now_s - self._last_s()
        return quiet_s if quiet_s > max(_QUIET_S, _LONGER_THAN_BEFORE * self._longest_gap_s) else None

    def _last_s(self) -> float:
        """Return when the last request ended; where none has, when the run began."""
        return self._ended[-1][0] + self._stalled_s if self._ended else self._began_s or 0.0

    def _rate(self, now_s: float, ended: int) -> float | None:
        """Return the requests that ended a second, over the window and as many as are needed as evidence.

        `now_s` is without the time of stalls, as the times of what has ended are.
        """
        if ended < _EVIDENCE or now_s - self._ended[0][0] < _EVIDENCE_S:
            return None
        since_s = now_s - max(_WINDOW_S, _SHARE * (now_s - self._ended[0][0]))
        then_s, before = self._ended[0]
        for at_s, count in self._ended:
            if at_s > since_s or ended - count < _EVIDENCE:
                break
            then_s, before = at_s, count
        return (ended - before + _PLANNED) / (now_s - then_s + self._planned_s)

    def _thin(self) -> None:
        """Keep every second point of a long run, the latest included."""
        if len(self._ended) > _POINTS:
            self._ended = deque([*list(self._ended)[:-1:2], self._ended[-1]])
