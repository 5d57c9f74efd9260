"""The response that a connection reads: parsed by llhttp (httptools), in C, with the callbacks below."""

import httptools

from weighbridge.client.answer_reader import AnswerStream
from weighbridge.client.response_head import final_head

_HEAD_BYTES = 1 << 16


class Response:
    """What has arrived of the response to one request.

    Attributes:
        stream: Reads the body of a streamed answer.
        received: Bytes, the head included.
        complete: Whether its end has arrived, and with it `status` and `keep_alive` are known.
        excess: Whether another response follows it in the same bytes.
        said: The first content of what was fed last, if a stream had any; else empty.
        head: Its head, once `remember_head` has seen it whole.
        flow: Takes the next bytes, should they be chunks of the body as usual; None: all is for the parser.
    """

    __slots__ = (
        "_between",
        "_kept",
        "_more",
        "_parser",
        "_start",
        "complete",
        "excess",
        "feed",
        "flow",
        "head",
        "keep_alive",
        "received",
        "said",
        "status",
        "stream",
    )

    def __init__(self) -> None:
        """Prepare to read the first response of a connection."""
        self._parser = httptools.HttpResponseParser(self)
        self.feed = self._parser.feed_data
        self.reset()

    def reset(self) -> None:
        """Prepare to read the next response."""
        self._start = self._kept = self.head = b""
        self._more: list[bytes] | None = None
        self.received = self.status = 0
        self.complete = self.keep_alive = self.excess = self._between = False
        self.stream: AnswerStream | None = None
        self.flow: AnswerStream | None = None
        self.said: str | bytes = ""

    def release(self) -> None:
        """End the use of the parser. It refers to this object: without its end, the memory stays in use."""
        del self._parser, self.feed

    @property
    def body(self) -> bytes:
        """The body of an answer that is not streamed, as far as it has arrived."""
        if self._more is not None:
            self._start, self._more = b"".join([self._start, *self._more]), None
        return self._start

    def status_so_far(self) -> int:
        """Return the status of the response that has begun."""
        status: int = self._parser.get_status_code()
        return status

    def remember_head(self, data: bytes) -> None:
        """Keep the start of a response until its head is complete: how it may end depends on it."""
        if not self.head:
            self._kept += data[:_HEAD_BYTES]
            self.head = final_head(self._kept)

    def go_on(self, data: bytes) -> None:
        """Prepare for the next bytes of a response that `data` did not complete."""
        self.remember_head(data)
        # Within the line of a chunk's size the parser alone knows how to go on.
        stream, between = self.stream, self._between and data.endswith(b"\r\n")
        self.flow = stream if between and stream is not None and stream.tail else None

    # The parser's callbacks, found by name; those for headers are left out on purpose, they would cost time.

    def on_message_begin(self) -> None:
        """Note a second response in the bytes of the first: which one answers the request is unknown."""
        if self.complete:
            self.excess = True

    def on_chunk_header(self) -> None:
        """Note that a chunk of the body has begun."""
        self._between = False

    def on_chunk_complete(self) -> None:
        """Note that a chunk of the body has ended."""
        self._between = True

    def on_body(self, data: bytes) -> None:
        """Add a piece of the response's body."""
        if self.stream is not None and self._parser.get_status_code() == 200:
            content = self.stream.feed(data)
            self.said = self.said or content
        elif not self._start:
            self._start = data
        elif self._more is None:
            self._more = [data]
        else:
            self._more.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the response; interim responses (100, 103) do not count."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
            self.keep_alive = self._parser.should_keep_alive()
            self.complete = True
