"""Find stalls: stretches in which no request ended although, by the run's own pace, many should have.

A pause alone is no sign. A system may answer in waves, a long answer may be the only one open, and at a low
rate nothing may be due. So a pause counts only beside what the rest of the run leads one to expect.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from weighbridge.disturbances.run_trace import Floats, Numbers, RunTrace

# A pause below this moves a rate by less than 0.5 %, and less than the share of late queries that is allowed.
_SHORTEST_S, _SHORTEST_SHARE = 1.0, 0.005
_ALWAYS_LONG_S = 10.0
# Ends at random leave a pause of ln(n) + 7 times the mean one with a chance of exp(-7), once in 1,000 runs.
_RARE_BY_CHANCE = 7.0
# A fifth of a run's time passes in pauses below this quantile: 0.824 mean pauses, where ends are random.
_TIME_SHARE, _MEANS = 0.2, 0.824
# A system that took so long for its first answer works in steps of that length.
_FIRST_ANSWERS = 2.0
# After a wave, as much as a pause owes ends within half its length; after a stall, half as much.
_LOOK_AHEAD, _CAUGHT_UP = 0.5, 0.75
_LEAST_OPEN = 0.2  # of all requests; below it an Offline run ends, and its last answers are its longest
# Of requests issued one by one: so many that are overdue at once are no chance; one must be this much slower.
_FEWEST_DUE, _USUAL, _FAR_SLOWER = 8, 0.95, 10.0
_FEWEST_OTHERS = 20
# The server's own counter of tokens: at half its usual pace or more, it worked.
_WORKED = 0.5
_LEAST_COUNTED_S = 3.0  # telemetry is read once a second


@dataclass(frozen=True)
class Stall:
    """A stretch in which nothing ended.

    Attributes:
        start_s: In s since the first issue.
        length_s: Its length.
        open: Requests that were open all the while.
        expected: How many would have ended, by the pace of the rest of the run or by their own latencies.
    """

    start_s: float
    length_s: float
    open: int
    expected: float


@dataclass(frozen=True)
class GeneratedCounter:
    """What the servers counted of generated tokens: times in s since the first issue, ascending, and sums."""

    time_s: Floats
    tokens: Floats

    def worked(self, start_s: float, length_s: float) -> bool:
        """Return whether tokens grew in a stretch at half the pace of the rest, or faster; False: unknown."""
        end_s = start_s + length_s
        if length_s < _LEAST_COUNTED_S or len(self.time_s) < 3:
            return False
        if self.time_s[0] > start_s or self.time_s[-1] < end_s:
            return False
        inside = float(np.diff(np.interp([start_s, end_s], self.time_s, self.tokens))[0])
        rest_s = float(self.time_s[-1] - self.time_s[0]) - length_s
        rest = float(self.tokens[-1] - self.tokens[0]) - inside
        return rest_s > 0 and rest > 0 and inside / length_s >= _WORKED * rest / rest_s


def find_stalls(trace: RunTrace, counter: GeneratedCounter | None = None) -> list[Stall]:
    """Return the stalls of a run in their order.

    Args:
        trace: Its requests.
        counter: What the servers counted meanwhile, where they do: a server that generates is not stalled.
    """
    if len(trace) < _FEWEST_OTHERS:
        return []
    pauses_s = np.diff(trace.end_s)
    floor_s = min(max(_SHORTEST_S, _SHORTEST_SHARE * trace.span_s), _ALWAYS_LONG_S)
    long = np.flatnonzero(pauses_s >= floor_s)
    if not len(long):
        return []
    look = _while_all_waited if trace.at_once else _while_some_were_due
    found = [each for each in look(trace, pauses_s, long) if each.length_s >= floor_s]
    return [stall for stall in found if counter is None or not counter.worked(stall.start_s, stall.length_s)]


def _while_all_waited(trace: RunTrace, pauses_s: Floats, long: Numbers) -> Iterator[Stall]:
    """Yield the pauses of a run whose requests all wait from the start, by the pace of the rest of it."""
    n, first_s = len(trace), float(trace.end_s[0])
    work = np.concatenate([[0.0], np.cumsum(trace.tokens)])
    for place in long.tolist():
        length_s = float(pauses_s[place])
        begin_s, end_s, left = float(trace.end_s[place]), float(trace.end_s[place + 1]), n - place - 1
        rest_s = max(trace.span_s - length_s, 1e-9)
        expected = length_s * n / rest_s
        if left < _LEAST_OPEN * n or length_s < _FIRST_ANSWERS * first_s:
            continue
        if expected < math.log(n) + _RARE_BY_CHANCE or length_s < _longest_by_chance_s(
            trace, pauses_s, place
        ):
            continue
        until = int(np.searchsorted(trace.end_s, end_s + _LOOK_AHEAD * length_s, side="right"))
        ended = (until - place - 1) / expected
        worked = float(work[until] - work[place + 1]) / (length_s * float(work[-1]) / rest_s)
        if max(ended, worked) < _CAUGHT_UP:
            yield Stall(begin_s, length_s, left, expected)


def _longest_by_chance_s(trace: RunTrace, pauses_s: Floats, place: int) -> float:
    """Return how long a pause is that a run with such other pauses hardly has, in s.

    Of its other pauses, that counts below which it spends a fifth of its time: a long one where ends come in
    waves. An answer longer than most makes a pause longer in proportion, where nothing is served beside it.
    """
    ordered = np.sort(np.delete(pauses_s, place))
    spent = np.cumsum(ordered)
    usual_s = (
        float(ordered[min(int(np.searchsorted(spent, _TIME_SHARE * spent[-1])), len(ordered) - 1)]) / _MEANS
    )
    longer = max(1.0, float(trace.tokens[place + 1] / np.median(trace.tokens)))
    return (math.log(len(trace)) + _RARE_BY_CHANCE) * usual_s * longer


def _while_some_were_due(trace: RunTrace, pauses_s: Floats, long: Numbers) -> Iterator[Stall]:
    """Yield the pauses of a run whose requests were issued one by one, by the latencies of the others."""
    latency_s, last_issue_s = trace.latency_s, float(trace.planned_s.max())
    for place in long.tolist():
        begin_s, end_s = float(trace.end_s[place]), float(trace.end_s[place + 1])
        if begin_s > last_issue_s:
            return  # only the slowest are still open
        waiting = (trace.planned_s < end_s) & (trace.end_s >= end_s)
        others = latency_s[~waiting]
        if len(others) < _FEWEST_OTHERS:
            continue
        planned_s = trace.planned_s[waiting]
        begin_s = max(begin_s, float(planned_s.min()))
        length_s = end_s - begin_s
        longer = np.maximum(
            trace.tokens[waiting] / np.median(trace.tokens), 1
        )  # a longer answer takes longer
        due = int((planned_s + float(np.quantile(others, _USUAL)) * longer <= end_s).sum())
        far = (end_s - np.maximum(planned_s, begin_s)) / longer > _FAR_SLOWER * float(others.max())
        several = due >= _FEWEST_DUE and length_s >= _longest_by_chance_s(trace, pauses_s, place)
        if several or (due and far.any()):
            yield Stall(begin_s, length_s, max(int((planned_s <= begin_s).sum()), due), float(due))
