"""One connection of the load client against a bare socket: what arrives, and when it may be used again."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer
from weighbridge.client.connection import Connection
from weighbridge.client.connection_owner import Owner, Request
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.response_head import ends_with_connection, final_head, reuse_within_ns
from weighbridge.core.openai_api import Api

BODY = b'{"model":"m","choices":[{"message":{"content":"x"}}],"usage":{"completion_tokens":1}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n"
NS = 1_000_000_000


def response(*fields: bytes) -> bytes:
    return HEAD % (len(BODY), b"".join(field + b"\r\n" for field in fields)) + BODY


class BodiesOfOne:
    """Stands for the store: its only body has 4 bytes."""

    def slice(self, start: int, stop: int) -> bytes:
        return b"body"[start:stop]


class Notes:
    """Stands for the worker: keeps what its connection reports."""

    stream = False
    before = after = b""
    reader = AnswerReader(Api.CHAT, "m", "0" * 16)

    def __init__(self) -> None:
        self.bodies: BodiesOfOne | ManyZeros = BodiesOfOne()
        self.answers: list[tuple[Answer, bool]] = []
        self.closed_idle = 0

    def want_write(self, _connection: Connection, _wanted: bool) -> None:
        pass

    def connected(self, _connection: Connection) -> None:
        pass

    def finished(
        self, connection: Connection, answer: Answer, _status: int, _received: int, _end: int, reusable: bool
    ) -> None:
        connection.request = None
        self.answers.append((answer, reusable))

    def closed(self, _connection: Connection) -> None:
        self.closed_idle += 1


@contextmanager
def exchange() -> Iterator[tuple[Notes, Connection, socket.socket]]:
    """Connect, and send a request of 4 bytes; the server's side is a bare socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        endpoint: Endpoint[Connection] = Endpoint(0, url, "/v1/chat/completions", None, "0" * 16)
        notes = Notes()
        request = Request(0xBEEF, 0, 0, 0, 4, endpoint)
        connection = Connection(cast("Owner[Connection]", notes), endpoint, request)
        select.select([], [connection.fd], [], 5)
        connection.on_event(readable=False)
        server, _ = listener.accept()
        with server:
            sent = b""
            while not sent.endswith(b"body"):
                sent += server.recv(1 << 16)
            assert b"\r\nX-Request-Id: 000000000000000048879z\r\nContent-Length: 4\r\n\r\n" in sent
            yield notes, connection, server
        connection.close()


def arrive(connection: Connection) -> None:
    """Wait for what the server sent, and let the connection read it."""
    assert select.select([connection.fd], [], [], 5)[0]
    connection.on_event(readable=True)


@pytest.mark.parametrize("unexpected", [b"", b"H", response()])
def test_an_idle_connection_is_quiet_until_anything_arrives(unexpected: bytes) -> None:
    with exchange() as (notes, connection, server):
        server.send(response())
        arrive(connection)
        assert [(answer.outcome, again) for answer, again in notes.answers] == [(RequestOutcome.OK, True)]
        assert connection.quiet()
        if unexpected:
            server.send(unexpected)
        else:
            server.shutdown(socket.SHUT_WR)
        assert select.select([connection.fd], [], [], 5)[0]
        assert not connection.quiet()
        connection.on_event(readable=True)
        assert (notes.closed_idle, len(notes.answers)) == (1, 1)


def test_an_idle_connection_that_was_reset_is_not_quiet() -> None:
    with exchange() as (_, connection, server):
        server.send(response())
        arrive(connection)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.close()
        assert select.select([connection.fd], [], [], 5)[0]
        assert not connection.quiet()


def test_the_announced_time_is_taken_from_a_first_response_in_pieces() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nKeep-Alive: timeout=9\r\n\r\n"
    whole = interim + response(b"Keep-Alive: timeout=21")
    with exchange() as (notes, connection, server):
        assert connection.reuse_ns == 3 * NS
        for start in range(0, len(whole), 20):
            server.send(whole[start : start + 20])
            arrive(connection)
        assert notes.answers[0][0].outcome is RequestOutcome.OK
        assert connection.reuse_ns == 20 * NS


def test_a_second_answer_in_the_same_bytes_makes_the_first_one_doubtful() -> None:
    with exchange() as (notes, connection, server):
        server.send(response() + response()[:30])
        arrive(connection)
        (answer, again), *more = notes.answers
        assert (answer.outcome, again, more) == (RequestOutcome.MALFORMED, False, [])


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.client.connection._MOST_BYTES", 1000)
    with exchange() as (notes, connection, server):
        server.send(HEAD % (1 << 40, b"") + b"x" * 2000)
        arrive(connection)
        assert notes.answers[0][0].outcome is RequestOutcome.MALFORMED
        assert notes.answers[0][0].text.startswith(b"an answer of more than 256 MiB: xxx")


def test_an_interim_response_before_a_cut_one_is_not_its_end() -> None:
    with exchange() as (notes, connection, server):
        server.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + response()[:-1])
        arrive(connection)
        server.shutdown(socket.SHUT_WR)
        arrive(connection)
        assert notes.answers[0][0].outcome is RequestOutcome.RESET


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (b"Server: uvicorn", 3),
        (b"Keep-Alive: timeout=5", 4),
        (b"keep-alive: timeout=20, max=1000", 19),
        (b"Keep-Alive: max=5, timeout = 10", 9),
        (b"Keep-Alive: timeout=1", 0.5),
        (b"Keep-Alive: timeout=0", 0),
        (b"Keep-Alive: timeout=86400", 60),
        (b"Keep-Alive: timeout=soon", 3),
        (b"X-Keep-Alive: timeout=1", 3),
    ],
)
def test_an_idle_connection_is_used_for_as_long_as_its_server_announced(field: bytes, seconds: float) -> None:
    assert reuse_within_ns(b"HTTP/1.1 200 OK\r\nA: b\r\n" + field) == seconds * NS


def test_the_head_that_counts_is_the_final_one() -> None:
    interim, final = b"HTTP/1.1 103 X\r\nLink: y\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3"
    assert final_head(interim) == final_head(interim + final) == final_head(b"") == b""
    assert final_head(2 * interim + final + b"\r\n\r\nabc") == final
    assert not ends_with_connection(final)
    assert ends_with_connection(b"HTTP/1.1 200 OK\r\nServer: x")
    assert not ends_with_connection(b"")


class Narrow:
    """A socket that takes a few bytes at a time."""

    def __init__(self, link: socket.socket, most: int) -> None:
        self._link, self._most = link, most

    def sendmsg(self, parts: tuple[bytes, ...]) -> int:
        return self._link.send(b"".join(parts)[: self._most])


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b""), (b"{prefix", b"suffix}"), (b"p", b""), (b"", b"s")]
)
@pytest.mark.parametrize("most", [1, 7, 20, 1000])
def test_a_request_arrives_whole_however_little_the_socket_takes(
    most: int, before: bytes, after: bytes
) -> None:
    with exchange() as (notes, connection, server):
        server.send(response())
        arrive(connection)
        assert len(notes.answers) == 1
        link = connection.socket
        connection.socket = cast("socket.socket", Narrow(link, most))
        request = Request(0xBEEF, 0, 0, 0, 4, connection.endpoint)
        notes.before, notes.after = before, after
        connection.send(request)
        while not request.sent_ns:
            connection.on_event(readable=False)
        connection.socket = link
        body = before + b"body" + after
        expected = connection.endpoint.request_head + b"48879z\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )
        sent = b""
        while len(sent) < len(expected):
            sent += server.recv(1 << 16)
        assert sent == expected


class ManyZeros:
    """Stands for the store: its only body fills every socket."""

    def slice(self, start: int, stop: int) -> bytes:
        return bytes(stop - start)


def test_an_answer_before_the_whole_request_ends_it_once() -> None:
    with exchange() as (notes, connection, server):
        server.send(response())
        arrive(connection)
        notes.bodies = ManyZeros()
        connection.send(Request(0xBEEF, 0, 0, 0, 1 << 26, connection.endpoint))
        assert connection.request is not None
        server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        server.close()  # and resets, because not all was read
        arrive(connection)
        answer, reusable = notes.answers[-1]
        assert (len(notes.answers), answer.outcome, answer.text) == (2, RequestOutcome.HTTP_STATUS, b"no")
        assert (reusable, notes.closed_idle) == (False, 0)
