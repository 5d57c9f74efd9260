"""One keep-alive HTTP/1.1 connection, driven by readiness events; the innermost part of the hot path.

A body goes from the store's file into the socket in one system call and is never looked at. The answer is
parsed by llhttp (httptools), in C, with the three callbacks below. Nothing here waits: a call that would
block returns, and the worker's epoll calls again.
"""

import os
import select
import socket
from time import monotonic_ns

import httptools

from weighbridge.client.answers import Answer, EventStream
from weighbridge.client.connection_owner import Owner, Request
from weighbridge.client.endpoint import Endpoint, socket_error
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.outbox import EVIDENCE_BYTES
from weighbridge.client.response_head import (
    REUSE_WITHIN_NS,
    ends_with_connection,
    final_head,
    reuse_within_ns,
)
from weighbridge.core.errors import InputError
from weighbridge.requests.bodies import BODIES_FILE

_HEAD_BYTES = 1 << 16
# No answer is this long; a server that never stops must not fill the memory, nor the RECORD's 32 bits.
_MOST_BYTES = 1 << 28

# One receive buffer for all connections of a process: what is read is parsed before the next read.
receive_buffer = bytearray(256 * 1024)
receive_view = memoryview(receive_buffer)


class Connection:
    """A plain TCP connection.

    Attributes:
        since_ns: When it began to connect, to carry its request, or to be idle.
        reuse_ns: How long it may be idle and still be used again; its first response may say another limit.
    """

    def __init__(
        self, owner: Owner["Connection"], endpoint: Endpoint["Connection"], request: Request | None
    ) -> None:
        """Start connecting; the request, if any, follows as soon as it can.

        Raises:
            OSError: the system has no socket or port left, or there is no route.
        """
        self.owner, self.endpoint, self.request = owner, endpoint, request
        self.socket = endpoint.new_socket()
        self.fd = self.socket.fileno()
        self.open = False  # connected, and the TLS handshake done
        self.since_ns = monotonic_ns()
        self.reuse_ns = REUSE_WITHIN_NS
        self._first = True  # no response yet
        arrived = select.poll()
        arrived.register(self.fd, select.POLLIN)
        self._arrived = arrived.poll
        self._head_left = b""
        self._at = self._left = 0  # of the body in the store's file
        self._blocked = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()
        try:
            self.socket.connect(endpoint.address)
        except BlockingIOError:
            pass
        except OSError:
            self.socket.close()
            raise

    def _reset(self) -> None:
        self._body = self._head = b""
        self._received = self._status = 0
        self._complete = self._keep_alive = self._excess = self._head_whole = False
        self._stream: EventStream | None = None

    def quiet(self) -> bool:
        """Return whether nothing has arrived on this idle connection: no bytes, no end, no reset.

        Only then may a request be sent on it. Looking costs a third of a microsecond, less than a `recv`
        that raises. A server that closes later than this look still breaks the request.
        """
        return not self._arrived(0)

    def send(self, request: Request) -> None:
        """Send a request on this open, idle connection."""
        self.request = request
        self._head_left = b"%b%dz\r\nContent-Length: %d\r\n\r\n" % (
            self.endpoint.request_head,
            request.id,
            request.size,
        )
        if self.owner.stream:
            self._stream = self.owner.reader.stream(request.id)
        self._at, self._left = request.at, request.size
        self._write()

    def _write(self) -> None:
        """Send what is left of the request, as far as the socket takes it."""
        try:
            self._transmit()
        except BlockingIOError:
            pass
        except OSError as error:
            # The server may have answered before it closed (413, 503): that explains more than the error.
            self._read(error)
            return
        if self._left:
            if not self._blocked:
                self._blocked = True
                self.owner.want_write(self, True)
            return
        if self._blocked:
            self._blocked = False
            self.owner.want_write(self, False)
        if self.request is not None:
            self.request.sent_ns = monotonic_ns()

    def _transmit(self) -> None:
        """Write once; what a full socket did not take waits for its next event.

        Raises:
            BlockingIOError: the socket is full.
            OSError: the connection broke.
            InputError: the file of bodies ends before the body does.
        """
        if self._head_left:
            written = self.socket.send(self._head_left, socket.MSG_MORE)
            self._head_left = self._head_left[written:]
            if self._head_left:
                return
        # From the page cache into the socket, without a copy and without a page of it in this process.
        written = os.sendfile(self.fd, self.owner.bodies_fd, self._at, self._left)
        if not written:
            raise InputError(f"{BODIES_FILE} was cut off during the run; build the requests again.")
        self._at += written
        self._left -= written

    def on_event(self, readable: bool) -> None:
        """Continue as far as the socket allows; `readable` also stands for errors and hang-ups."""
        if not self.open:
            self._establish()
            return
        if self._blocked:
            self._write()
        if readable and self.fd >= 0:
            self._read(None)

    def _establish(self) -> None:
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.owner.unreachable(self, socket_error(error))
            return
        self._opened()

    def _opened(self) -> None:
        self.open = True
        self.owner.want_write(self, False)
        self.owner.connected(self)
        if self.request is not None:
            self.send(self.request)

    def _receive(self) -> int:
        """Read what has arrived into the common buffer.

        Raises:
            BlockingIOError: nothing has arrived.
            OSError: the connection broke.
        """
        return self.socket.recv_into(receive_buffer)

    def _read(self, broken: OSError | None) -> None:
        """Read and parse; `broken` is the error that sending met, if any."""
        try:
            count = self._receive()
        except BlockingIOError:
            if broken is None:
                return
            count, error = 0, broken
        except OSError as met:
            count, error = 0, met
        else:
            error = broken or ConnectionResetError("closed by the server")
        if count == 0:
            self._hung_up(error)
            return
        now = monotonic_ns()
        if self.request is None:
            self.owner.closed(self)  # an answer to no request: the connection cannot be used again
            return
        self._received += count
        data = receive_view[:count]
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            reason = f"not HTTP: {error}: ".encode()
            self._fail(RequestOutcome.MALFORMED, reason + bytes(data[:EVIDENCE_BYTES]), now)
            return
        if not self._complete:
            self._await_more(data, now)
            return
        if self._first:
            self._first = False
            self._remember_head(data)
            self.reuse_ns = reuse_within_ns(final_head(self._head))
        self._finish(now, self._keep_alive and not self._left and broken is None)

    def _await_more(self, data: memoryview, now: int) -> None:
        """Keep what is needed of an answer that arrives in pieces."""
        self._remember_head(data)
        if self._received > _MOST_BYTES:
            self._fail(RequestOutcome.MALFORMED, b"an answer of more than 256 MiB: " + self._evidence(), now)

    def _remember_head(self, data: memoryview) -> None:
        """Keep the start of an answer until its head is complete: `_hung_up` needs it."""
        if not self._head_whole:
            self._head += bytes(data[:_HEAD_BYTES])
            self._head_whole = bool(final_head(self._head))

    def _hung_up(self, error: OSError) -> None:
        now = monotonic_ns()
        if self.request is None:
            self.owner.closed(self)
        elif ends_with_connection(final_head(self._head)):
            self._status = self._parser.get_status_code()
            self._finish(now, reusable=False)
        else:
            evidence = f"{socket_error(error.errno) if error.errno else error} after "
            evidence += f"{self._received} bytes of the answer: "
            self._fail(RequestOutcome.RESET, evidence.encode() + self._evidence(), now)

    def _evidence(self) -> bytes:
        return self._body[:EVIDENCE_BYTES]

    def fail(self, outcome: RequestOutcome, evidence: str) -> None:
        """End the request for a reason outside the connection, such as a timeout."""
        self._fail(outcome, evidence.encode() + self._evidence(), monotonic_ns())

    def _fail(self, outcome: RequestOutcome, evidence: bytes, now: int) -> None:
        self.owner.finished(self, Answer(outcome, evidence), self._status, self._received, now, False)

    def _finish(self, now: int, reusable: bool) -> None:
        request, stream = self.request, self._stream
        assert request is not None
        if self._excess:
            answer = Answer(RequestOutcome.MALFORMED, b"more than one answer to one request: " + self._body)
            reusable = False
        elif self._status != 200:
            answer = Answer(RequestOutcome.HTTP_STATUS, self._body)
            reusable = False  # a server in trouble may close without notice, during the next request
        elif stream is not None:
            answer = stream.close()
        else:
            request.first_ns = request.last_ns = now
            answer = self.owner.reader.read(self._body, request.id)
        status, received = self._status, self._received
        self._reset()
        self.owner.finished(self, answer, status, received, now, reusable)

    def close(self) -> None:
        """Close the socket."""
        self.fd = -1
        del self._parser  # it refers to this object; this breaks the cycle, so that the memory is freed
        self.socket.close()

    # The parser's callbacks, found by name; those for headers are left out on purpose, they would cost time.

    def on_message_begin(self) -> None:
        """Note a second response in the bytes of the first: which one answers the request is unknown."""
        if self._complete:
            self._excess = True

    def on_body(self, data: bytes) -> None:
        """Add a piece of the response's body."""
        stream = self._stream
        if stream is None or self._parser.get_status_code() != 200:
            self._body = self._body + data if self._body else data
            return
        text = stream.feed(data)
        if text and self.request is not None:
            now = monotonic_ns()
            self.request.last_ns = now
            if not self.request.first_ns:
                self.request.first_ns = now
                self.owner.first_content(self.request, text)

    def on_message_complete(self) -> None:
        """Note the end of the response; interim responses (100, 103) do not count."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            self._keep_alive = self._parser.should_keep_alive()
            self._complete = True
