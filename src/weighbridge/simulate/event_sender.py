"""Send the events of a streamed answer at their times."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

_MS = 1000


class EventSender:
    """Sends pieces of a response when they are due; all that are due at a time leave in one write.

    Times are absolute, so that a late piece delays no other. A piece is never sent early.
    """

    __slots__ = ("_at", "_due_s", "_first", "_last", "_over", "_pieces", "_send", "first_ns", "last_ns")

    def __init__(
        self,
        send: Callable[[bytes], None],
        pieces: Sequence[bytes],
        due_s: Sequence[float],
        tokens: slice,
        over: "Callable[[EventSender], None]",
    ) -> None:
        """Prepare to send; `pump` starts.

        Args:
            send: Sends bytes.
            pieces: What is sent.
            due_s: When each piece is due, on the monotonic clock, not decreasing.
            tokens: Which of the pieces hold tokens; at least one.
            over: Called with this object when everything was sent.
        """
        self._send, self._pieces, self._due_s, self._over = send, pieces, due_s, over
        self._first, self._last = tokens.start, tokens.stop - 1
        self._at = 0
        self.first_ns = self.last_ns = 0

    def pump(self) -> None:
        """Send all that is due, and come back when the next piece is."""
        now_s = time.monotonic()
        at, count, due_s = self._at, len(self._pieces), self._due_s
        while at < count and due_s[at] <= now_s:
            at += 1
        if at > self._at:
            self._send_up_to(at)
        if at == count:
            self._over(self)
        else:
            # Rounded up to whole milliseconds, which is what uvloop's timers count.
            later(math.ceil((due_s[at] - now_s) * _MS) / _MS, self.pump)

    def _send_up_to(self, at: int) -> None:
        data = b"".join(self._pieces[self._at : at])
        sent_ns = time.monotonic_ns()
        if self._at <= self._first < at:
            self.first_ns = sent_ns
        if self._at <= self._last < at:
            self.last_ns = sent_ns
        self._at = at
        self._send(data)


def later(delay_s: float, call: Callable[..., None], *arguments: object) -> None:
    """Call after a delay in seconds, or at once."""
    if delay_s <= 0:
        call(*arguments)
    else:
        asyncio.get_running_loop().call_later(delay_s, call, *arguments)
