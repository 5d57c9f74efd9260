"""One worker's socket, as the driver process uses it: numbers go out, frames of outcomes come back."""

import ctypes
import socket
from collections.abc import Iterator

from weighbridge.client.frames import HEADER, ISSUE

_INBOX_BYTES = 1 << 20


class WorkerLink:
    """One worker's socket, and what has arrived through it so far.

    Attributes:
        number: The worker's number.
        sent: Requests given to the worker; only the issuing thread counts here.
        done: Requests returned by it; only the collecting thread counts here.
        ready: Whether the worker can take numbers.
        heard: Whether something has arrived since this was last set to False.
        gone: Whether the worker has closed its socket.
        broken: Whether something given to it has not reached it.
    """

    def __init__(self, number: int, link: socket.socket) -> None:
        self.number = number
        self.socket = link
        self.sent = 0
        self.done = 0
        self.ready = self.gone = self.heard = self.broken = False
        self._resize(_INBOX_BYTES)
        self._filled = 0

    def _resize(self, size: int) -> None:
        self._inbox = bytearray(size)
        self._view = memoryview(self._inbox)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._inbox))

    def outstanding(self) -> int:
        """Return how many requests were given to this worker and not returned."""
        return self.sent - self.done

    def send(self, packed: bytes) -> None:
        """Send ISSUE records. A worker that is gone is no error here: the collecting thread looks for it."""
        self.sent += len(packed) // ISSUE.size
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
        if self._filled == len(self._inbox):
            kept = self._inbox
            self._resize(2 * len(kept))
            self._inbox[: len(kept)] = kept
        try:
            count = self.socket.recv_into(self._view[self._filled :])
        except OSError:
            count = 0
        self._filled += count
        self.gone = count == 0
        self.heard = True

    def frames(self) -> Iterator[tuple[int, memoryview, memoryview, int]]:
        """Yield the complete frames: message, records, payloads, and the payloads' address in memory."""
        start = 0
        while self._filled - start >= HEADER.size:
            message, records_bytes, payloads_bytes = HEADER.unpack_from(self._inbox, start)
            records = start + HEADER.size
            payloads = records + records_bytes
            end = payloads + payloads_bytes
            if end > self._filled:
                break
            yield message, self._view[records:payloads], self._view[payloads:end], self._address + payloads
            start = end
        if start:
            self._inbox[: self._filled - start] = self._inbox[start : self._filled]
            self._filled -= start
