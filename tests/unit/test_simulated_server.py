"""A connection of the simulated server, without a network: how requests are cut out of what arrives."""

import asyncio
import gc
import json
import weakref
from itertools import pairwise
from typing import cast

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.openai_api import Api
from weighbridge.records.notice import mark_in
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.responses import Answers
from weighbridge.simulate.simulated_server import SimulatedServer, _Connection
from weighbridge.system.identity import simulation_sha256

REQUESTS = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"
    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
)


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Server:
    """Keeps the requests that it is given; stands in for the real one behind a connection."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 12))
        self.requests: list[tuple[Api, bytes]] = []

    def complete(self, _connection: _Connection, api: Api, body: bytes) -> None:
        if body == b"defect":
            raise ZeroDivisionError
        self.requests.append((api, body))


def connected() -> tuple[Server, Transport, _Connection]:
    server, transport = Server(), Transport()
    connection = _Connection(cast("SimulatedServer", server))
    connection.connection_made(cast("asyncio.Transport", transport))
    return server, transport, connection


def receive(server: Server, connection: _Connection, data: bytes) -> None:
    connection.get_buffer(-1)
    server.buffer[: len(data)] = data
    connection.buffer_updated(len(data))


@given(st.lists(st.integers(0, len(REQUESTS)), max_size=8))
def test_bodies_come_whole_however_they_arrive(cuts: list[int]) -> None:
    server, _, connection = connected()
    edges = [0, *sorted(set(cuts) - {0, len(REQUESTS)}), len(REQUESTS)]
    for start, stop in pairwise(edges):
        receive(server, connection, REQUESTS[start:stop])
    assert server.requests == [(Api.CHAT, b"hello world"), (Api.COMPLETIONS, b"hello world")]


@pytest.mark.parametrize("data", [b"no HTTP at all\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    server, transport, connection = connected()
    receive(server, connection, data)
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert transport.closed


def test_an_error_of_the_server_is_not_blamed_on_the_request() -> None:
    server, transport, connection = connected()
    with pytest.raises(httptools.HttpParserCallbackError) as caught:
        receive(server, connection, b"POST /completions HTTP/1.1\r\nContent-Length: 6\r\n\r\ndefect")
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert transport.written == b""


def test_a_closed_connection_is_freed_without_a_garbage_collector() -> None:
    gc.disable()
    try:
        server, _, connection = connected()
        receive(server, connection, REQUESTS)
        connection.connection_lost(None)
        gone = weakref.ref(connection)
        del connection
        assert gone() is None
    finally:
        gc.enable()


def test_the_server_says_that_it_is_simulated_and_by_which_code() -> None:
    server = SimulatedServer(Behaviour(), Answers("model"))
    transport = Transport()
    connection = _Connection(server)
    connection.connection_made(cast("asyncio.Transport", transport))
    connection.buffer_updated(_put(server.buffer, b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"))
    version = json.loads(transport.written.partition(b"\r\n\r\n")[2])["version"]
    assert mark_in(version) == "simulated by Weighbridge"
    assert simulation_sha256() in version


def _put(buffer: memoryview, data: bytes) -> int:
    buffer[: len(data)] = data
    return len(data)
