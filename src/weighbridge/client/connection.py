"""One keep-alive HTTP/1.1 connection, driven by readiness events; the innermost part of the hot path.

A body goes from the store's map into the socket in one system call and is never looked at. Nothing here
waits: a call that would block returns, and the worker's epoll calls again.
"""

import errno
import select
import socket
from time import monotonic_ns

import httptools

from weighbridge.client.answers import EVIDENCE_BYTES, Answer
from weighbridge.client.connection_owner import Owner, Request
from weighbridge.client.endpoint import Endpoint, socket_error
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.response import Response
from weighbridge.client.response_head import REUSE_WITHIN_NS, ends_with_connection, reuse_within_ns
from weighbridge.requests.bodies import bodies_cut_off

# No answer is this long; a server that never stops must not fill the memory, nor the RECORD's 32 bits.
_MOST_BYTES = 1 << 28

# Read at once. Reads of more than 128 KiB would be slow: the C library maps and unmaps memory for each.
RECEIVE_BYTES = 1 << 16


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
        self._head_left = self._tail_left = b""
        self._at = self._left = 0  # of the body in the store's file
        self._blocked = False
        self._response = Response()
        try:
            self.socket.connect(endpoint.address)
        except BlockingIOError:
            pass
        except OSError:
            self.socket.close()
            raise

    def quiet(self) -> bool:
        """Return whether nothing has arrived on this idle connection: no bytes, no end, no reset.

        Only then may a request be sent on it. Looking costs a third of a microsecond, less than a `recv`
        that raises. A server that closes later than this look still breaks the request.
        """
        return not self._arrived(0)

    def send(self, request: Request) -> None:
        """Send a request on this open, idle connection."""
        self.request = request
        owner = self.owner
        before, after = owner.before + request.spliced, owner.after
        self._head_left = b"%b%dz\r\nContent-Length: %d\r\n\r\n%b" % (
            self.endpoint.request_head,
            request.id,
            len(before) + request.size + len(after),
            before,
        )
        if owner.stream:
            self._response.stream = owner.reader.stream(request.id)
        self._at, self._left, self._tail_left = request.at, request.size, after
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
        if self._unsent:
            if not self._blocked:
                self._blocked = True
                self.owner.want_write(self, True)
            return
        if self._blocked:
            self._blocked = False
            self.owner.want_write(self, False)
        if self.request is not None:
            self.request.sent_ns = monotonic_ns()

    @property
    def _unsent(self) -> bool:
        """Whether a part of the request's body has not left yet."""
        return bool(self._left or self._tail_left)

    def _transmit(self) -> None:
        """Write once; what a full socket did not take waits for its next event.

        Raises:
            BlockingIOError: the socket is full.
            OSError: the connection broke.
            InputError: the file of bodies ends before the body does.
        """
        # Out of the store's map: cheaper than sendfile, which takes the file page by page.
        body = self.owner.bodies.slice(self._at, self._at + self._left)
        try:
            written = self.socket.sendmsg((self._head_left, body, self._tail_left)) - len(self._head_left)
        except OSError as error:
            if error.errno == errno.EFAULT:
                raise bodies_cut_off() from None
            raise
        if written < 0:
            self._head_left = self._head_left[written:]
            return
        self._head_left = b""
        of_body = min(written, self._left)
        self._at += of_body
        self._left -= of_body
        self._tail_left = self._tail_left[written - of_body :]

    def on_event(self, readable: bool) -> None:
        """Continue as far as the socket allows; `readable` also stands for errors and hang-ups."""
        if not self.open:
            self._establish()
            return
        if self._blocked:
            self._write()
            if self.request is None:
                return  # it ended with an error of sending, and so did this connection
        if readable:
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

    def _receive(self) -> bytes:
        """Return what has arrived; empty: the server has closed the connection.

        Raises:
            BlockingIOError: nothing has arrived.
            OSError: the connection broke.
        """
        return self.socket.recv(RECEIVE_BYTES)

    def _read(self, broken: OSError | None) -> None:
        """Read and parse; `broken` is the error that sending met, if any."""
        try:
            data = self._receive()
        except BlockingIOError:
            if broken is not None:
                self._hung_up(broken)
            return
        except OSError as met:
            self._hung_up(met)
            return
        if not data:
            self._hung_up(broken or ConnectionResetError("closed by the server"))
            return
        now = monotonic_ns()
        request, response = self.request, self._response
        if request is None:
            self.owner.closed(self)  # an answer to no request: the connection cannot be used again
            return
        response.received += len(data)
        if response.flow is None:
            self._parse(data, data, now, broken)
            return
        # The usual case of a stream, in as few steps as can be.
        taken = response.flow.take(data)
        if taken:
            request.last_ns = now
        if taken < len(data):
            self._parse(data, data[taken:], now, broken)
        elif response.received > _MOST_BYTES:
            self._too_long(now)

    def _parse(self, data: bytes, fresh: bytes, now: int, broken: OSError | None) -> None:
        """Parse `fresh`, the end of the `data` that arrived."""
        request, response = self.request, self._response
        if request is not None and not request.first_byte_ns:
            request.first_byte_ns = now
        try:
            response.feed(fresh)
        except httptools.HttpParserError as error:
            self._note_content(now)
            reason = f"not HTTP: {error}: ".encode()
            self._fail(RequestOutcome.MALFORMED, reason + data[:EVIDENCE_BYTES], now)
            return
        if response.stream is not None:
            self._note_content(now)
        if not response.complete:
            response.go_on(data)
            if response.received > _MOST_BYTES:
                self._too_long(now)
            return
        if self._first:
            self._first = False
            response.remember_head(data)
            self.reuse_ns = reuse_within_ns(response.head)
        self._finish(now, response.keep_alive and not self._unsent and broken is None)

    def _note_content(self, now: int) -> None:
        """Note when a stream's content arrived, if any did; the first is told at once."""
        request, response = self.request, self._response
        if response.said and request is not None:
            request.last_ns = now
            if not request.first_ns:
                request.first_ns = now
                self.owner.first_content(request, response.said)
            response.said = ""

    def _too_long(self, now: int) -> None:
        self._fail(RequestOutcome.MALFORMED, b"an answer of more than 256 MiB: " + self._evidence(), now)

    def _hung_up(self, error: OSError) -> None:
        now, response = monotonic_ns(), self._response
        if self.request is None:
            self.owner.closed(self)
        elif ends_with_connection(response.head):
            response.status = response.status_so_far()
            self._finish(now, reusable=False)
        else:
            evidence = f"{socket_error(error.errno) if error.errno else error} after "
            evidence += f"{response.received} bytes of the answer: "
            self._fail(RequestOutcome.RESET, evidence.encode() + self._evidence(), now)

    def _evidence(self) -> bytes:
        return self._response.body[:EVIDENCE_BYTES]

    def fail(self, outcome: RequestOutcome, evidence: str) -> None:
        """End the request for a reason outside the connection, such as a timeout."""
        self._fail(outcome, evidence.encode() + self._evidence(), monotonic_ns())

    def _fail(self, outcome: RequestOutcome, evidence: bytes, now: int) -> None:
        response = self._response
        self.owner.finished(self, Answer(outcome, evidence), response.status, response.received, now, False)

    def _finish(self, now: int, reusable: bool) -> None:
        request, response = self.request, self._response
        assert request is not None
        if response.excess:
            reason = b"more than one answer to one request: "
            answer = Answer(RequestOutcome.MALFORMED, reason + response.body)
            reusable = False
        elif response.status != 200:
            answer = Answer(RequestOutcome.HTTP_STATUS, response.body)
            reusable = False  # a server in trouble may close without notice, during the next request
        elif response.stream is not None:
            answer = response.stream.close()
        else:
            request.first_ns = request.last_ns = now
            answer = self.owner.reader.read(response.body, request.id)
        status, received = response.status, response.received
        response.reset()
        self.owner.finished(self, answer, status, received, now, reusable)

    def close(self) -> None:
        """Close the socket."""
        self.fd = -1
        self._response.release()
        self.socket.close()
