"""What the driver has sent a worker: an order to open connections, then the numbers of requests that wait."""

import socket
from collections import deque

from weighbridge.client.frames import ISSUE, OPEN_EARLY

_CONTROL_BYTES = 1 << 16


class WaitingNumbers:
    """Numbers that wait for a connection, packed as they came: 24 bytes each.

    Attributes:
        chunks: Of ISSUE records; empty: nothing waits.
    """

    def __init__(self, control: socket.socket) -> None:
        """Read from the socket to the driver."""
        self._control = control
        self.chunks: deque[bytes] = deque()
        self._at = 0  # of the next one in the first chunk

    def receive(self) -> bool:
        """Read what has arrived; return False if the driver is gone."""
        try:
            chunk = self._control.recv(_CONTROL_BYTES)
            if cut := len(chunk) % ISSUE.size:
                rest = self._control.recv(ISSUE.size - cut, socket.MSG_WAITALL)
                if cut + len(rest) < ISSUE.size:
                    return False  # the driver died while it wrote
                chunk += rest
        except ConnectionError:
            return False
        if chunk:
            self.chunks.append(chunk)
        return bool(chunk)

    def ordered_early(self) -> bool:
        """Return whether the next that waits is the order to open connections, and take it."""
        if self.chunks and self.chunks[0].startswith(OPEN_EARLY, self._at):
            self.take()
            return True
        return False

    def take(self) -> tuple[int, int, int]:
        """Return the next number that waits, the sample's index, and when the driver issued it."""
        chunk, at = self.chunks[0], self._at
        self._at = at + ISSUE.size
        if self._at == len(chunk):
            self.chunks.popleft()
            self._at = 0
        number, index, planned_ns = ISSUE.unpack_from(chunk, at)
        return number, index, planned_ns
