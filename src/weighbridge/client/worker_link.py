"""One worker's socket, as the driver process uses it: numbers go out, frames of outcomes come back."""

import ctypes
import socket
from collections.abc import Iterator

from weighbridge.client.frames import BEGUN, HEADER, ISSUE, Message

_INBOX_BYTES = 1 << 20
# Looked up once: finding a member of an enumeration is slow on Python 3.11.
_READY, _GIVE_UP, _ALIVE, _BACKLOG = map(
    int, (Message.READY, Message.GIVE_UP, Message.ALIVE, Message.BACKLOG)
)


Frame = tuple[int, int, int, int]
"""A frame's message, and where in its link's inbox its records begin, its payloads begin, and it ends."""


class WorkerLink:
    """One worker's socket, and what has arrived through it so far.

    Attributes:
        number: The worker's number.
        sent: Requests given to the worker; only the issuing thread counts here.
        done: Requests returned by it; only the collecting thread counts here.
        begun: Its streams that have begun to answer, as it said last.
        ready: Whether the worker can take numbers.
        heard: Whether something has arrived since this was last set to False.
        gone: Whether the worker has closed its socket.
        broken: Whether something given to it has not reached it.
        inbox: What has arrived and is not yet handled.
        view: The same memory, for slices without a copy.
        address: Where it begins, as LoadGen needs it.
        backlog: Its last report on how late it reads; empty: none has come.
    """

    def __init__(self, number: int, link: socket.socket) -> None:
        self.number = number
        self.socket = link
        self.sent = self.done = self.begun = 0
        self.ready = self.gone = self.heard = self.broken = False
        self.backlog = b""
        self._resize(_INBOX_BYTES)
        self._filled = 0

    def _resize(self, size: int) -> None:
        self.inbox = bytearray(size)
        self.view = memoryview(self.inbox)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.inbox))

    def outstanding(self) -> int:
        """Return how many requests were given to this worker and not returned."""
        return self.sent - self.done

    def send(self, packed: bytes) -> None:
        """Send ISSUE records. A worker that is gone is no error here: the collecting thread looks for it."""
        self.sent += len(packed) // ISSUE.size
        self.order(packed)

    def order(self, packed: bytes) -> None:
        """Send what is in the form of ISSUE records and comes back in no frame."""
        try:
            self.socket.sendall(packed)
        except OSError:
            self.broken = True

    def hang_up(self) -> None:
        """End the worker; also wakes a thread that is waiting in `send`."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is gone already

    def receive(self) -> None:
        """Read what has arrived."""
        if self._filled == len(self.inbox):
            kept = self.inbox
            self._resize(2 * len(kept))
            self.inbox[: len(kept)] = kept
        try:
            count = self.socket.recv_into(self.view[self._filled :] if self._filled else self.view)
        except OSError:
            count = 0
        self._filled += count
        self.gone = count == 0
        self.heard = True

    def note(self, frame: Frame) -> str | None:
        """Note what a frame says of the worker itself; return why it gives up, if it does."""
        message, records, payloads, end = frame
        if message == _ALIVE:
            (self.begun,) = BEGUN.unpack_from(self.inbox, records)
        elif message == _BACKLOG:
            self.backlog = bytes(self.view[payloads:end])
        elif message == _READY:
            self.ready = True
        elif message == _GIVE_UP:
            return bytes(self.view[payloads:end]).decode()
        return None

    def frames(self) -> Iterator[Frame]:
        """Yield the complete frames, which stay in the inbox until the next is asked for."""
        start, filled = 0, self._filled
        while filled - start >= HEADER.size:
            message, records_bytes, payloads_bytes = HEADER.unpack_from(self.inbox, start)
            records = start + HEADER.size
            payloads = records + records_bytes
            end = payloads + payloads_bytes
            if end > filled:
                break
            yield message, records, payloads, end
            start = end
        if start:
            self._filled = filled - start
            if self._filled:
                self.inbox[: self._filled] = self.inbox[start:filled]
