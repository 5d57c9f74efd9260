"""Send the events of a streamed answer at their times."""

import time
from collections.abc import Callable, Sequence

from weighbridge.simulate.precise_timers import PreciseTimers


class EventSender:
    """Sends pieces of a response when they are due; all that are due at a time leave in one write.

    Times are absolute, so that a late piece delays no other. A piece is never sent early.

    Attributes:
        first_ns, last_ns, end_ns: When the first token, the last token and the last piece were sent; 0: not
            yet.
    """

    __slots__ = (
        "_at",
        "_due_s",
        "_first",
        "_last",
        "_over",
        "_pieces",
        "_send",
        "_timers",
        "end_ns",
        "first_ns",
        "last_ns",
    )

    def __init__(
        self,
        send: Callable[[bytes], None],
        pieces: Sequence[bytes],
        due_s: Sequence[float],
        tokens: slice,
        timers: PreciseTimers,
        over: "Callable[[EventSender], None]",
    ) -> None:
        """Prepare to send; `pump` starts.

        Args:
            send: Sends bytes.
            pieces: What is sent.
            due_s: When each piece is due, on the monotonic clock, not decreasing.
            tokens: Which of the pieces hold tokens; at least one.
            timers: Bring it back to what is due later.
            over: Called with this object when everything was sent.
        """
        self._send, self._pieces, self._due_s, self._over = send, pieces, due_s, over
        self._timers = timers
        self._first, self._last = tokens.start, tokens.stop - 1
        self._at = 0
        self.first_ns = self.last_ns = self.end_ns = 0

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
            self._timers.call_at(due_s[at], self.pump)

    def _send_up_to(self, at: int) -> None:
        data = b"".join(self._pieces[self._at : at])
        sent_ns = time.monotonic_ns()
        if self._at <= self._first < at:
            self.first_ns = sent_ns
        if self._at <= self._last < at:
            self.last_ns = sent_ns
        self.end_ns = sent_ns
        self._at = at
        self._send(data)
