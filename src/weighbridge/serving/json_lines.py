"""Lines of JSON over a connected socket: how a command and the guard of its servers talk.

With the standard library alone, because the guard uses it.
"""

import json
import socket
from typing import Any

LONGEST_BYTES = 1 << 16  # of a line whose sender is not known yet


class JsonLines:
    """One end of a connection."""

    def __init__(self, connection: socket.socket, longest_bytes: int | None = None) -> None:
        """Talk over a socket, whose timeout holds; `longest_bytes` limits a received line."""
        self.socket = connection
        self._longest_bytes = longest_bytes
        self._unread = b""

    def send(self, **message: object) -> None:
        """Send a message.

        Raises:
            OSError: the other end has gone, or does not read.
        """
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]]:
        """Receive once, and return the messages that are complete.

        Raises:
            EOFError: the other end has closed the connection.
            ValueError: what came is no line with an object of JSON, or is longer than allowed.
            OSError: nothing came in time, or nothing is there without waiting.
        """
        try:
            received = self.socket.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            raise EOFError
        *lines, self._unread = (self._unread + received).split(b"\n")
        if self._longest_bytes is not None and len(self._unread) > self._longest_bytes:
            raise ValueError("a line is too long")
        messages = [json.loads(line) for line in lines]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("a line is no object")
        return messages

    def close(self) -> None:
        """Close this end."""
        self.socket.close()
