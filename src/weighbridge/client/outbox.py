"""What a worker tells the driver: finished requests, first tokens, and that it lives, in frames."""

import socket

from weighbridge.client.answers import Answer
from weighbridge.client.connection_owner import Request
from weighbridge.client.frames import HEADER, RECORD, FinishReason, Message, RequestOutcome

EVIDENCE_BYTES = 2048  # kept of a failed request's response, for errors.jsonl
_OK = RequestOutcome.OK  # a look-up of its own costs 1,500 instructions in Python 3.11
_MOST_BYTES = (1 << 32) - 1  # of answers in one frame


class Outbox:
    """Records that wait for the next frame, and the socket that frames leave through."""

    def __init__(self, control: socket.socket, worker: int) -> None:
        """Use the socket to the driver; `worker` is the number of this worker."""
        self._control, self._worker = control, worker
        self._records: list[bytes] = []
        self._payloads: list[bytes] = []
        self._first_tokens: list[bytes] = []
        self._first_texts: list[bytes] = []

    def tell(self, message: Message, text: str = "") -> None:
        """Send all that waits, then a message that has no records.

        Raises:
            OSError: the driver is gone; the same holds for the other methods.
        """
        self.flush()
        payload = text.encode()
        self._control.sendall(HEADER.pack(message, 0, len(payload)) + payload)

    def first_content(self, request: Request, text: str) -> None:
        """Queue a stream's first token."""
        payload = text.encode(errors="replace")
        self._first_tokens.append(
            RECORD.pack(
                request.id,
                request.index,
                len(payload),
                0,
                1,
                200,
                RequestOutcome.OK,
                self._worker,
                request.endpoint.number,
                0,
                FinishReason.NOT_TOLD,
                0,
                request.planned_ns,
                request.sent_ns,
                request.first_ns,
                request.last_ns,
                0,
            )
        )
        self._first_texts.append(payload)

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
            )
        )
        self._payloads.append(payload)

    def flush(self) -> None:
        """Send all that waits: first tokens, then outcomes."""
        if self._first_tokens:
            self._send(Message.FIRST_TOKEN, self._first_tokens, self._first_texts)
            self._first_tokens, self._first_texts = [], []
        if self._records:
            self._send(Message.DONE, self._records, self._payloads)
            self._records, self._payloads = [], []

    def _send(self, message: Message, records: list[bytes], payloads: list[bytes]) -> None:
        body = b"".join(records + payloads)
        size = len(records) * RECORD.size
        if len(body) - size > _MOST_BYTES:
            half = len(records) // 2
            self._send(message, records[:half], payloads[:half])
            self._send(message, records[half:], payloads[half:])
            return
        self._control.sendall(HEADER.pack(message, size, len(body) - size) + body)
