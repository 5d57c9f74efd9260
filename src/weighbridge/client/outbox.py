"""What a worker tells the driver: finished requests, first tokens, and that it lives, in frames."""

import os
import socket
from contextlib import suppress

from weighbridge.client.answers import EVIDENCE_BYTES, Answer
from weighbridge.client.connection_owner import Request
from weighbridge.client.frames import BEGUN, FIRST, HEADER, RECORD, Message, RequestOutcome

_CONTROL_BYTES = 1 << 16
_OK = RequestOutcome.OK  # a look-up of its own costs 1,500 instructions in Python 3.11
_MOST_BYTES = (1 << 32) - 1  # of answers in one frame
# In one frame: what comes after it waits until the driver has completed them, some 0.5 ms.
_MOST_RECORDS = 256
# Where the driver counts first tokens, nothing waits longer for more of its kind. A frame costs the worker
# some 5 us, which all that it reads later waits for: too much for each of a thousand that begin at once.
_LONGEST_WAIT_NS = 200_000


class Outbox:
    """Records that wait for the next frame, and the socket that frames leave through."""

    def __init__(self, control: socket.socket, worker: int, first_tokens: bool) -> None:
        """Use a socket to the driver.

        Args:
            control: The socket.
            worker: The number of this worker.
            first_tokens: Whether the driver counts first tokens.
        """
        self._control, self._worker, self._first_tokens = control, worker, first_tokens
        self._records: list[bytes] = []
        self._payloads: list[bytes] = []
        self._firsts: list[bytes] = []
        self._first_texts: list[bytes] = []
        self._waits_since_ns = self._begun = 0

    def tell(self, message: Message, text: str = "") -> None:
        """Send all that waits, then a message that has no records.

        Raises:
            OSError: the driver is gone; the same holds for the other methods.
        """
        self.flush()
        payload = text.encode()
        self._control.sendall(HEADER.pack(message, 0, len(payload)) + payload)

    def alive(self) -> None:
        """Send all that waits, then a sign of life with the number of streams that have begun."""
        self.flush()
        self._control.sendall(HEADER.pack(Message.ALIVE, BEGUN.size, 0) + BEGUN.pack(self._begun))

    def report(self, backlog: bytes) -> None:
        """Send what the worker has measured of its lateness, ahead of all that waits."""
        self._control.sendall(HEADER.pack(Message.BACKLOG, 0, len(backlog)) + backlog)

    def first_content(self, request: Request, content: str | bytes) -> None:
        """Count a stream that has begun; queue its first token where the driver counts them."""
        self._begun += 1
        if self._first_tokens:
            payload = content if isinstance(content, bytes) else content.encode(errors="replace")
            self._firsts.append(FIRST.pack(request.id, len(payload)))
            self._first_texts.append(payload)
            self._flush_in_time(request.first_ns)

    def finished(self, request: Request, answer: Answer, status: int, received: int, end_ns: int) -> None:
        """Queue the outcome of a request."""
        payload = answer.text if answer.outcome is _OK else answer.text[:EVIDENCE_BYTES]
        self._records.append(
            RECORD.pack(
                request.id,
                request.index,
                len(payload),
                received,
                answer.tokens,
                status,
                answer.outcome,
                self._worker,
                request.endpoint.number,
                answer.prompt_tokens,
                answer.finish,
                answer.id_echoed,
                request.planned_ns,
                request.sent_ns,
                request.first_ns,
                request.last_ns,
                end_ns,
                request.first_byte_ns,
                answer.cached_tokens,
                answer.chunks,
            )
        )
        self._payloads.append(payload)
        if len(self._records) >= _MOST_RECORDS:
            self.flush()
        elif self._first_tokens:
            self._flush_in_time(end_ns)

    def _flush_in_time(self, now: int) -> None:
        """Send all that waits if the oldest of it has waited long enough."""
        if not self._waits_since_ns:
            self._waits_since_ns = now
        elif now - self._waits_since_ns > _LONGEST_WAIT_NS:
            self.flush()

    def flush(self) -> None:
        """Send all that waits: first tokens, then outcomes."""
        self._waits_since_ns = 0
        if self._firsts:
            self._send(Message.FIRST_TOKEN, self._firsts, self._first_texts)
            self._firsts, self._first_texts = [], []
        if self._records:
            self._send(Message.DONE, self._records, self._payloads)
            self._records, self._payloads = [], []

    def _send(self, message: Message, records: list[bytes], payloads: list[bytes]) -> None:
        body = b"".join(records + payloads)
        size = sum(map(len, payloads))
        if size > _MOST_BYTES:
            half = len(records) // 2
            self._send(message, records[:half], payloads[:half])
            self._send(message, records[half:], payloads[half:])
            return
        self._control.sendall(HEADER.pack(message, len(body) - size, size) + body)


def give_up(control: int, reason: str) -> None:
    """Send the driver why this process ends, and wait until it hangs up, so that this reason is the first."""
    text = reason.encode()
    with suppress(OSError):  # the driver is gone too
        os.write(control, HEADER.pack(Message.GIVE_UP, 0, len(text)) + text)
        while os.read(control, _CONTROL_BYTES):
            pass
