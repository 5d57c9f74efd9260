"""When each request of a run of conversations is issued: closed loops and open ones. Pure, without a clock.

Closed loops of N: N conversations at a time, in the order of the list; the next begins when one ends. Open
loops: each begins when it is due, however many are in progress. A turn follows the answer to the one before
after its think time. A conversation whose request failed ends there.

The run is over when all conversations of warm-up and measurement have ended. Cool-down conversations keep the
load up until then: where they run out, they begin again; in open loops at the same distances, later.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from weighbridge.requests.run_phase import RunPhase

TURN_BITS = 16
"""A request's number is its conversation's, in the order in which they begin, and in these bits its turn."""
_TURN_MASK = (1 << TURN_BITS) - 1
_MEASURED, _COOLDOWN = int(RunPhase.MEASURED), int(RunPhase.COOLDOWN)


class PlannedConversation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A conversation as it is planned.

    Attributes:
        phase: A RunPhase.
        requests: Of each turn, its place in the store.
        thinks_ns: Of each turn, how long it waits after the answer before; the first does not wait.
        due_ns: Open loops: when it begins, since the start.
    """

    phase: int
    requests: list[int]
    thinks_ns: list[int]
    due_ns: int = 0


class Issue(NamedTuple):
    """A request that is to be sent: its number, its place in the store, and when that was due or decided."""

    number: int
    request: int
    planned_ns: int


class ConversationSchedule:
    """Says what is to be issued, and is told what has ended.

    Attributes:
        next_ns: When something is due next; None: only after an answer, or never.
        over: Whether all conversations of warm-up and measurement have ended.
        in_progress: Conversations that have begun and not ended; those that think are among them.
        not_issued: Turns left out because a request before them, of the same conversation, failed.
    """

    def __init__(self, conversations: Sequence[PlannedConversation], closed: int = 0) -> None:
        """Plan a run.

        Args:
            conversations: In the order in which they begin: warm-up, measured, cool-down; at least one is
                not of cool-down.
            closed: How many are in progress at once; 0: they begin when they are due.
        """
        self.next_ns: int | None = None
        self.over = False
        self.in_progress = self.not_issued = 0
        self._conversations, self._closed = conversations, closed
        self._cooldown_at = next(
            (at for at, each in enumerate(conversations) if each.phase == _COOLDOWN), len(conversations)
        )
        self._left = self._cooldown_at  # conversations that must end
        self._at = self._shift_ns = self._start_ns = 0
        self._period_ns = 0 if closed else _period_ns(conversations, self._cooldown_at)
        self._serial = 0
        self._running: dict[int, PlannedConversation] = {}  # by serial number
        self._due: list[tuple[int, int]] = []  # heap of times and numbers
        self._began_ns = [0, 0]

    @property
    def window_ns(self) -> tuple[int, int]:
        """When the first measured conversation began, and the first one after them; 0: not yet."""
        return self._began_ns[0], self._began_ns[1]

    def start(self, now: int) -> None:
        """Begin the run at this time."""
        self._start_ns = now
        if self._closed:
            for _ in range(self._closed):
                self._begin_next(now)
        else:
            self._begin_next(None)
        self._look_ahead()

    def take(self, now: int) -> list[Issue]:
        """Return what is to be issued now."""
        due, taken = self._due, []
        while due and due[0][0] <= now and not self.over:
            planned_ns, number = heappop(due)
            serial, turn = number >> TURN_BITS, number & _TURN_MASK
            conversation = self._running[serial]
            taken.append(Issue(number, conversation.requests[turn], planned_ns))
            if not turn:
                self._note_begin(conversation, planned_ns)
                if not self._closed:
                    self._begin_next(None)
        self._look_ahead()
        return taken

    def ended(self, number: int, ok: bool, at_ns: int) -> bool:
        """Note that a request ended; return whether its conversation ended with it.

        Args:
            number: Of the request.
            ok: Whether it was answered as it should be.
            at_ns: When it ended; what follows it is planned from then on.

        Raises:
            KeyError: no such request is in progress.
        """
        serial, turn = number >> TURN_BITS, number & _TURN_MASK
        conversation = self._running[serial]
        turn += 1
        goes_on = ok and turn < len(conversation.requests)
        if goes_on:
            heappush(self._due, (at_ns + conversation.thinks_ns[turn], number + 1))
        else:
            self.not_issued += len(conversation.requests) - turn
            self._end(serial, at_ns)
        self._look_ahead()
        return not goes_on

    def _end(self, serial: int, at_ns: int) -> None:
        conversation = self._running.pop(serial)
        self.in_progress -= 1
        if conversation.phase != _COOLDOWN:
            self._left -= 1
            self.over = not self._left
        if self._closed and not self.over:
            self._begin_next(at_ns)

    def _begin_next(self, at_ns: int | None) -> None:
        """Plan the next conversation at this time, or when it is due; none may be left."""
        if self._at == len(self._conversations) and not self._again():
            return
        conversation = self._conversations[self._at]
        self._at += 1
        if at_ns is None:
            at_ns = self._start_ns + conversation.due_ns + self._shift_ns
        self._running[self._serial] = conversation
        heappush(self._due, (at_ns, self._serial << TURN_BITS))
        self._serial += 1

    def _again(self) -> bool:
        """Go back to the first cool-down conversation, if there is any that can begin again."""
        if self._cooldown_at == len(self._conversations) or not (self._closed or self._period_ns):
            return False
        self._at = self._cooldown_at
        self._shift_ns += self._period_ns
        return True

    def _note_begin(self, conversation: PlannedConversation, planned_ns: int) -> None:
        self.in_progress += 1
        which = conversation.phase - _MEASURED
        if which >= 0 and not self._began_ns[which]:
            self._began_ns[which] = planned_ns

    def _look_ahead(self) -> None:
        self.next_ns = self._due[0][0] if self._due and not self.over else None


def _period_ns(conversations: Sequence[PlannedConversation], first: int) -> int:
    """Return after how long cool-down conversations come again: their span, and the run's mean distance."""
    if first == len(conversations) or len(conversations) < 2:
        return 0
    last_ns = conversations[-1].due_ns
    mean_ns = (last_ns - conversations[0].due_ns) // (len(conversations) - 1)
    return last_ns - conversations[first].due_ns + mean_ns
