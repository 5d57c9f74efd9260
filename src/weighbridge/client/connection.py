"""One keep-alive HTTP/1.1 connection, driven by readiness events; the innermost part of the hot path.

A body goes from the store's file into the socket in one system call and is never looked at. The answer is
parsed by llhttp (httptools), in C, with the three callbacks below. Nothing here waits: a call that would
block returns, and the worker's epoll calls again.
"""

import os
import socket
import ssl
from time import monotonic_ns
from typing import Protocol

import httptools

from weighbridge.client.answers import Answer, EventStream, read_completion
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.frames import Kind
from weighbridge.requests.bodies import Bodies

EVIDENCE_BYTES = 2048  # of an answer that is no answer, kept for errors.jsonl

# One receive buffer for all connections of a process: what is read is parsed before the next read.
_buffer = bytearray(256 * 1024)
_view = memoryview(_buffer)


class Request:
    """A sample on its way: LoadGen's id, its index, where its body lies, its times (monotonic ns)."""

    __slots__ = ("at", "endpoint", "first_ns", "id", "index", "last_ns", "planned_ns", "sent_ns", "size")

    def __init__(self, id_: int, index: int, planned_ns: int, at: int, size: int, endpoint: Endpoint) -> None:
        self.id, self.index, self.planned_ns = id_, index, planned_ns
        self.at, self.size, self.endpoint = at, size, endpoint
        self.sent_ns = self.first_ns = self.last_ns = 0


class Owner(Protocol):
    """What a connection asks of the worker that owns it."""

    stream: bool
    bodies: Bodies
    bodies_fd: int

    def want_write(self, connection: "Connection", wanted: bool) -> None:
        """Report writability too, or no longer."""

    def connected(self, connection: "Connection") -> None:
        """Note that the endpoint can be reached."""

    def unreachable(self, connection: "Connection", reason: str) -> None:
        """Note that it cannot."""

    def first_content(self, request: Request, text: str) -> None:
        """Take a stream's first content."""

    def finished(
        self,
        connection: "Connection",
        answer: Answer,
        status: int,
        received: int,
        end_ns: int,
        reusable: bool,
    ) -> None:
        """Take the outcome of the connection's request."""

    def closed(self, connection: "Connection") -> None:
        """Forget a connection that closed while idle."""


class Connection:
    """A plain TCP connection."""

    def __init__(self, owner: Owner, endpoint: Endpoint, request: Request | None) -> None:
        """Start connecting; the request, if any, follows as soon as it can.

        Raises:
            OSError: the system has no socket or port left, or there is no route.
        """
        self.owner, self.endpoint, self.request = owner, endpoint, request
        self.socket = socket.socket(endpoint.family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self.socket.fileno()
        self.open = False  # connected, and the TLS handshake done
        self.since_ns = monotonic_ns()  # of connecting, of the request, or of being idle
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
        self._body = b""
        self._head = b""
        self._received = self._status = 0
        self._complete = self._keep_alive = False
        self._stream: EventStream | None = EventStream() if self.owner.stream else None

    def send(self, request: Request) -> None:
        """Send a request on this open, idle connection."""
        self.request = request
        self._head_left = b"%b%d\r\n\r\n" % (self.endpoint.request_head, request.size)
        self._at, self._left = request.at, request.size
        self._write()

    def _write(self) -> None:
        """Send what is left of the request, as far as the socket takes it."""
        try:
            self._transmit()
        except BlockingIOError:
            pass
        except OSError as error:
            # An answer may have come before the server hung up (413, 503): it says more than the error.
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
        """Write once, and no more: what a full socket did not take waits for its event.

        Raises:
            BlockingIOError: the socket takes nothing.
            OSError: the connection broke.
        """
        if self._head_left:
            written = self.socket.send(self._head_left, socket.MSG_MORE)
            self._head_left = self._head_left[written:]
            if self._head_left:
                return
        # From the page cache into the socket, without a copy and without a page of it in this process.
        written = os.sendfile(self.fd, self.owner.bodies_fd, self._at, self._left)
        self._at += written
        self._left -= written

    def on_event(self, readable: bool) -> None:
        """Go on, as far as the socket allows; `readable` also stands for errors and hang-ups."""
        if not self.open:
            self._establish()
            return
        if self._blocked:
            self._write()
        if readable and self.fd >= 0:
            self._read(None)

    def _establish(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
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
        """Read what there is into the common buffer.

        Raises:
            BlockingIOError: there is nothing.
            OSError: the connection broke.
        """
        return self.socket.recv_into(_buffer)

    def _read(self, broken: OSError | None) -> None:
        """Read and parse; `broken` is the error that sending met, if it did."""
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
            self.owner.closed(self)  # an answer that nobody asked for: the connection is of no more use
            return
        self._received += count
        data = _view[:count]
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Kind.MALFORMED, f"no HTTP: {error}: ".encode() + bytes(data[:EVIDENCE_BYTES]), now)
            return
        if self._complete:
            self._finish(now, self._keep_alive and not self._left and broken is None)
        else:
            self._remember_head(data)

    def _remember_head(self, data: memoryview) -> None:
        """Keep the head of an answer that comes in pieces: `_hung_up` needs it."""
        if b"\r\n\r\n" not in self._head:
            self._head += bytes(data[: 1 << 16])

    def _hung_up(self, error: OSError) -> None:
        now = monotonic_ns()
        if self.request is None:
            self.owner.closed(self)
        elif self._until_close():
            self._finish(now, reusable=False)
        else:
            evidence = f"{socket_error(error.errno) if error.errno else error} after "
            evidence += f"{self._received} bytes of the answer: "
            self._fail(Kind.RESET, evidence.encode() + self._body[:EVIDENCE_BYTES], now)

    def _until_close(self) -> bool:
        """Tell whether the answer names no length, so that its end is the connection's."""
        head, separator, _ = self._head.lower().partition(b"\r\n\r\n")
        if not separator or not head.startswith(b"http/1."):
            return False
        self._status = int(head[9:12])
        return b"\r\ncontent-length:" not in head and b"\r\ntransfer-encoding:" not in head

    def fail(self, kind: Kind, evidence: str) -> None:
        """End the request, for a reason that lies outside the connection."""
        self._fail(kind, evidence.encode() + self._body[:EVIDENCE_BYTES], monotonic_ns())

    def _fail(self, kind: Kind, evidence: bytes, now: int) -> None:
        self.owner.finished(self, Answer(kind, evidence), self._status, self._received, now, False)

    def _finish(self, now: int, reusable: bool) -> None:
        request, stream = self.request, self._stream
        assert request is not None
        if self._status != 200:
            answer = Answer(Kind.HTTP_STATUS, self._body)
            reusable = False  # a server in trouble may close without saying so, under the next request
        elif stream is not None:
            answer = stream.close()
        else:
            request.first_ns = request.last_ns = now
            answer = read_completion(self._body)
        status, received = self._status, self._received
        self._reset()
        self.owner.finished(self, answer, status, received, now, reusable)

    def close(self) -> None:
        """Give the descriptor back."""
        self.fd = -1
        del self._parser  # it refers to this object; without it no cycle keeps the memory
        self.socket.close()

    # The parser's callbacks. It looks them up by name; those for headers are left out on purpose.

    def on_body(self, data: bytes) -> None:
        """Take a piece of the answer's body."""
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
        """Take the end of the answer; an interim answer (100, 103) is none."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            self._keep_alive = self._parser.should_keep_alive()
            self._complete = True


class TlsConnection(Connection):
    """A connection within TLS."""

    def _establish(self) -> None:
        if not isinstance(self.socket, ssl.SSLSocket):
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.owner.unreachable(self, socket_error(error))
                return
            assert self.endpoint.tls is not None
            self.socket = self.endpoint.tls.wrap_socket(
                self.socket, server_hostname=self.endpoint.host, do_handshake_on_connect=False
            )
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self.owner.want_write(self, False)
        except ssl.SSLWantWriteError:
            self.owner.want_write(self, True)
        except OSError as error:
            self.owner.unreachable(self, f"TLS: {error}")
        else:
            self._opened()

    def _transmit(self) -> None:
        # TLS encrypts the bytes, so they must pass through this process. A call that would have blocked has
        # to be repeated with the same bytes: the head therefore goes out alone.
        try:
            if self._head_left:
                self.socket.sendall(self._head_left)
                self._head_left = b""
            end = self._at + self._left
            while self._left:
                written = self.socket.send(self.owner.bodies.slice(self._at, end))
                self._at += written
                self._left -= written
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
            raise BlockingIOError from error

    def _receive(self) -> int:
        try:
            count = self.socket.recv_into(_buffer)
            # What TLS has decoded already is invisible to epoll: take it now.
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() and count < len(_buffer):
                count += self.socket.recv_into(_view[count:])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        return count


def socket_error(number: int) -> str:
    """Name a socket's error number as a person would."""
    return os.strerror(number).lower()
