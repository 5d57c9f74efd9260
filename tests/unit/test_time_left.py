"""The estimate of the time left, on simulated runs second by second."""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.monitor.time_left import TimeLeft


@dataclass(frozen=True)
class Trace:
    """A server with some slots; nothing ends between the two times of its stall."""

    due_s: tuple[float, ...]
    slots: int
    service_s: Callable[[random.Random], float]
    planned_qps: float
    stall_s: tuple[float, float] = (0.0, 0.0)

    @property
    def scheduled(self) -> bool:
        return self.due_s[-1] > 0

    def ends_s(self) -> list[float]:
        chance, free, ends = random.Random(1), [0.0] * self.slots, []
        begin, end = self.stall_s
        for due in self.due_s:
            started = max(due, heapq.heappop(free))
            ended = started + self.service_s(chance)
            if ended > begin and started < end:
                ended += end - max(begin, started)
            heapq.heappush(free, ended)
            ends.append(ended)
        return sorted(ends)

    def seconds(self) -> Iterator[tuple[int, int, int]]:
        """Yield the second, and how many were issued and have ended by then; the last second has all."""
        ends, now_s, ended = self.ends_s(), 0, 0
        while ended < len(ends):
            now_s += 1
            ended = sum(end <= now_s for end in ends)
            yield now_s, sum(due <= now_s for due in self.due_s), ended

    def shown(self) -> list[tuple[int, float | None, bool]]:
        """Return, by second, the time left as it is shown, and whether the run stalls."""
        left, found = TimeLeft(self.planned_qps, scheduled=self.scheduled), []
        left.note(0, 0, len(self.due_s))
        for now_s, _, ended in self.seconds():
            seconds = left.note(now_s, ended, len(self.due_s) - ended, self.due_s[-1] - now_s)
            stalls = left.stalled_s(now_s) is not None
            found.append((now_s, None if stalls else seconds, stalls))
        return found


def arrivals(qps: float, seconds: float) -> tuple[float, ...]:
    chance, due = random.Random(2), [0.0]
    while due[-1] < seconds:
        due.append(due[-1] + chance.expovariate(qps))
    return tuple(due)


def usual(chance: random.Random) -> float:
    return chance.lognormvariate(1.0, 0.6)


# A rate that counts the stall would promise an hour: few have ended by then.
SLOW_START = Trace(arrivals(8, 120), 64, usual, 8, stall_s=(2, 40))
OVERLOAD = Trace(arrivals(5, 60), 16, lambda chance: chance.lognormvariate(1.8, 0.5), 5, stall_s=(30, 53))
STALL = Trace((0.0,) * 512, 64, usual, 16, stall_s=(12, 35))
WAVES = Trace((0.0,) * 600, 100, lambda chance: 20 + chance.random(), 8)
STEADY = Trace(arrivals(5, 120), 64, usual, 5)


@pytest.mark.parametrize(
    ("trace", "most_s"),
    [(SLOW_START, 10), (OVERLOAD, 50), (STALL, 30), (WAVES, 15), (STEADY, 3)],
    ids=["slow start", "overload", "stall", "waves", "steady"],
)
def test_the_expected_end_moves_little(trace: Trace, most_s: float) -> None:
    ends = [(now_s, now_s + left_s) for now_s, left_s, _ in trace.shown() if left_s is not None]
    took_s = ends[-1][0]
    # A stall moves the end by its length, and nothing else moves it far.
    assert max(abs(later - before) for (_, before), (_, later) in pairwise(ends)) < most_s
    assert all(end < 2 * took_s for _, end in ends)
    assert len(ends) > took_s / 2
    assert ends[-1][1] == took_s


def test_a_stall_is_told_while_it_lasts_and_waves_are_none() -> None:
    stalled = [now_s for now_s, _, stalls in STALL.shown() if stalls]
    assert stalled == list(range(stalled[0], 36))
    assert 22 <= stalled[0] <= 24
    assert not any(stalls for *_, stalls in (*WAVES.shown(), *STEADY.shown()))


def test_nothing_is_shown_without_evidence() -> None:
    left = TimeLeft(10, scheduled=False)
    assert left.note(0, 0, 100) is None
    assert left.note(20, 4, 96) is None
    assert left.note(21, 5, 95) == pytest.approx(95 / ((5 + 10) / (21 + 1)))
    soon = TimeLeft(10, scheduled=True)
    assert soon.note(0, 50, 50, 60) is None
    assert soon.note(4, 60, 40, 56) is None
    assert soon.note(5, 61, 39, 55) == pytest.approx(55)


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 50)), min_size=1, max_size=1500), st.booleans()
)
def test_any_run_has_no_negative_time_left_and_ends_at_nought(
    steps: list[tuple[float, int]], scheduled: bool
) -> None:
    left, now_s, ended = TimeLeft(3.0, scheduled=scheduled), 0.0, 0
    total = sum(count for _, count in steps)
    for wait_s, count in steps:
        now_s, ended = now_s + wait_s, ended + count
        found = left.note(now_s, ended, total - ended)
        assert found is None or found >= 0
    assert found == 0
