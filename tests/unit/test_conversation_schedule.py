"""When the requests of conversations are issued, with a clock of the test's own."""

from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.conversation_schedule import TURN_BITS, ConversationSchedule, PlannedConversation
from weighbridge.client.failure_limit import FailureLimit
from weighbridge.client.frames import RequestOutcome
from weighbridge.requests.run_phase import RunPhase

START = 1_000
WARMUP, MEASURED, COOLDOWN = RunPhase


class Sent(NamedTuple):
    """A request that a run sent: its number, place, plan and end, and whether it was answered."""

    number: int
    request: int
    planned_ns: int
    end_ns: int
    ok: bool

    @property
    def conversation(self) -> int:
        return self.number >> TURN_BITS


class Played(NamedTuple):
    """A run against a system that serves each request in its own time."""

    schedule: ConversationSchedule
    sent: list[Sent]
    over_ns: int
    most: int


def play(
    conversations: Sequence[PlannedConversation],
    closed: int,
    service_ns: Callable[[int], int],
    fails: Callable[[int], bool] = lambda _number: False,
) -> Played:
    """Run a schedule to its end; requests that are open then are left out."""
    schedule, now, sent = ConversationSchedule(conversations, closed), START, []
    running: list[tuple[int, int, Sent]] = []
    schedule.start(now)
    most = 0
    while not schedule.over:
        for issue in schedule.take(now):
            assert issue.planned_ns <= now
            end_ns = now + service_ns(issue.number)
            one = Sent(*issue, end_ns, not fails(issue.number))
            heappush(running, (end_ns, issue.number, one))
        most = max(most, schedule.in_progress)
        times = [time for time in (schedule.next_ns, running[0][0] if running else None) if time is not None]
        assert times, "nothing is open, nothing is due, and the run is not over"
        now = max(now, min(times))
        while running and running[0][0] <= now:
            one = heappop(running)[2]
            sent.append(one)
            schedule.ended(one.number, one.ok, one.end_ns)
    return Played(schedule, sent, now, most)


def of_phases(warmup: int, measured: int, cooldown: int, turns: Sequence[int] = (1,)) -> list[list[int]]:
    """Return the requests of conversations, numbered through."""
    made, at = [], 0
    for number in range(warmup + measured + cooldown):
        length = turns[number % len(turns)]
        made.append(list(range(at, at + length)))
        at += length
    return made


COUNTS = st.tuples(st.integers(0, 12), st.integers(1, 25), st.integers(0, 12))
TURNS = st.lists(st.integers(1, 4), min_size=1, max_size=5)
SERVICES = st.lists(st.integers(1, 500), min_size=1, max_size=20)


def planned(
    counts: tuple[int, int, int], turns: Sequence[int], think_ns: int = 0, gaps_ns: Sequence[int] = (0,)
) -> list[PlannedConversation]:
    phases = [phase for phase, count in zip(RunPhase, counts, strict=True) for _ in range(count)]
    due, made = 0, []
    for number, requests in enumerate(of_phases(*counts, turns=turns)):
        thinks = [think_ns] * len(requests)
        made.append(PlannedConversation(phases[number], requests, thinks, due))
        due += gaps_ns[number % len(gaps_ns)]
    return made


@given(COUNTS, TURNS, SERVICES, st.integers(1, 16), st.integers(0, 300))
def test_a_closed_loop_keeps_its_number_and_measures_everything_once(
    counts: tuple[int, int, int], turns: list[int], services: list[int], closed: int, think_ns: int
) -> None:
    conversations = planned(counts, turns, think_ns)
    played = play(conversations, closed, lambda number: services[number % len(services)])
    assert played.most <= closed
    if counts[2]:
        assert played.most == closed  # what runs out begins again
    asked = Counter(request for each in conversations[: sum(counts[:2])] for request in each.requests)
    found = Counter(one.request for one in played.sent if one.request in asked)
    assert found == asked
    by_number = sorted(played.sent)
    assert len({one.number for one in by_number}) == len(by_number)
    # Conversations begin in their order, each request after the answer before it and its think time.
    first_turns = [one for one in by_number if not one.number & ((1 << TURN_BITS) - 1)]
    begins = [one.planned_ns for one in first_turns]
    assert begins == sorted(begins)
    for before, after in pairwise(by_number):
        if before.conversation == after.conversation:
            assert after.planned_ns == before.end_ns + think_ns
    ends = [one.end_ns for one in played.sent if one.request in asked]
    assert played.over_ns == max(ends)
    begin_ns, end_ns = played.schedule.window_ns
    starts = {one.request: one.planned_ns for one in reversed(by_number)}
    assert begin_ns == starts[conversations[counts[0]].requests[0]]
    if end_ns:
        assert begin_ns <= end_ns <= played.over_ns
        before_it = [one for one in first_turns if one.conversation < sum(counts[:2])]
        assert all(one.planned_ns <= end_ns for one in before_it)


@given(COUNTS, TURNS, SERVICES, st.lists(st.integers(0, 300), min_size=1, max_size=10), st.integers(0, 300))
def test_an_open_loop_begins_each_conversation_when_it_is_due(
    counts: tuple[int, int, int], turns: list[int], services: list[int], gaps: list[int], think_ns: int
) -> None:
    conversations = planned(counts, turns, think_ns, gaps)
    played = play(conversations, 0, lambda number: services[number % len(services)])
    first = {one.conversation: one for one in played.sent if not one.number & ((1 << TURN_BITS) - 1)}
    for number, conversation in enumerate(conversations[: sum(counts[:2])]):
        assert first[number].planned_ns == START + conversation.due_ns
        assert first[number].request == conversation.requests[0]
    asked = sum(len(each.requests) for each in conversations[: sum(counts[:2])])
    assert len([one for one in played.sent if one.conversation < sum(counts[:2])]) == asked


def test_cool_down_conversations_of_an_open_loop_come_again_later() -> None:
    conversations = planned((0, 1, 2), [1], gaps_ns=[100])
    played = play(conversations, 0, lambda number: 950 if number == 0 else 10)
    begun = [(one.request, one.planned_ns - START) for one in sorted(played.sent)]
    assert begun[1:] == [(1 + number % 2, 100 + 100 * number) for number in range(9)]


def test_a_conversation_ends_with_a_failure() -> None:
    conversations = planned((0, 4, 0), [3])
    second = (1 << TURN_BITS) + 1
    played = play(conversations, 2, lambda _number: 10, lambda number: number == second)
    assert sorted(one.request for one in played.sent) == [0, 1, 2, 3, 4, *range(6, 12)]
    assert played.schedule.not_issued == 1


def test_the_end_waits_for_warm_up_that_is_still_open() -> None:
    conversations = planned((1, 2, 1), [1])
    played = play(conversations, 2, lambda number: 1_000 if number == 0 else 10)
    assert played.over_ns == START + 1_000


def test_too_many_failures_end_a_run_and_the_most_frequent_is_shown() -> None:
    limit = FailureLimit(0.05)
    limit.answered(60)
    found = [limit.failed(RequestOutcome.HTTP_STATUS, "overloaded") for _ in range(4)]
    found.append(limit.failed(RequestOutcome.RESET, "gone"))
    limit.answered()
    assert found == [None] * 5
    assert limit.failed(RequestOutcome.RESET, "gone") == (
        "6 of the first 67 requests failed, 4 as http_status: overloaded"
    )


@pytest.mark.parametrize("answered", [0, 100])
def test_twenty_failures_in_a_row_end_a_run(answered: int) -> None:
    limit = FailureLimit(1.0)
    limit.answered(answered)
    for number in range(19 + 20):
        if number == 19:
            limit.answered()
        reason = limit.failed(RequestOutcome.TIMEOUT, "")
        assert (reason is None) == (number < 38)
    assert reason == "20 requests in a row failed, 39 as timeout"


def test_after_the_first_hundred_single_failures_are_no_reason() -> None:
    limit = FailureLimit(0.0)
    limit.answered(100)
    for _ in range(50):
        assert limit.failed(RequestOutcome.RESET, "x") is None
        limit.answered()
