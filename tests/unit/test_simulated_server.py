"""A connection of the simulated server, without a network: how requests are cut out of what arrives."""

import asyncio
import gc
import json
import random
import re
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
from weighbridge.simulate.known_answers import KnownAnswers
from weighbridge.simulate.request_fields import prompt_tokens_of
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
        self.replies = self

    def answer(self, _connection: _Connection, api: Api, body: bytes, _request_id: bytes) -> None:
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
    server = SimulatedServer(Behaviour(), KnownAnswers("model"))
    transport = Transport()
    connection = _Connection(server)
    connection.connection_made(cast("asyncio.Transport", transport))
    connection.buffer_updated(_put(server.buffer, b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"))
    version = json.loads(transport.written.partition(b"\r\n\r\n")[2])["version"]
    assert mark_in(version) == "simulated by Weighbridge"
    assert simulation_sha256() in version


def ask(server: SimulatedServer, body: bytes, *fields: bytes, api: Api = Api.CHAT) -> bytes:
    """Return the body of the server's answer to a request."""
    transport = Transport()
    connection = _Connection(server)
    connection.connection_made(cast("asyncio.Transport", transport))
    head = [b"POST " + api.path.encode() + b" HTTP/1.1", *fields, b"Content-Length: %d" % len(body)]
    connection.buffer_updated(_put(server.buffer, b"\r\n".join(head) + b"\r\n\r\n" + body))
    return transport.written.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(("api", "prefix"), [(Api.CHAT, "chatcmpl-"), (Api.COMPLETIONS, "cmpl-")])
def test_answers_carry_the_id_of_their_request_as_vllms_do(api: Api, prefix: str) -> None:
    server = SimulatedServer(Behaviour(), KnownAnswers("model"))
    for value in (b"0123abcd", b'with "quotes", \\ and \xfc'):
        answer = json.loads(ask(server, b"{}", b"x-request-ID: " + value, api=api))
        assert answer["id"] == prefix + value.decode("latin-1")
    assert json.loads(ask(server, b"{}", api=api))["id"] == "simulated"
    streamed = ask(server, b'{"stream": true}', b"X-Request-Id: 17", api=api)
    events = [json.loads(data) for data in re.findall(rb"data: (\{.*\})", streamed)]
    assert {event["id"] for event in events} == {prefix + "17"}
    finishes = [event["choices"][0].get("finish_reason") for event in events if event["choices"]]
    assert finishes[-2:] == [None, "stop"]


def test_the_tokens_of_a_prompt_are_those_of_its_body() -> None:
    server = SimulatedServer(Behaviour(), KnownAnswers("model"))
    bodies = [b"sample %d" % number for number in range(50)]
    counted = [json.loads(ask(server, body))["usage"] for body in bodies]
    assert counted == [json.loads(ask(server, body))["usage"] for body in bodies]
    prompts = [usage["prompt_tokens"] for usage in counted]
    assert all(one != other for one, other in pairwise(prompts))
    assert all(
        usage["total_tokens"] - usage["prompt_tokens"] == usage["completion_tokens"] for usage in counted
    )
    assert re.search(rb"vllm:prompt_tokens_total\{.*\} (\d+)\.0", server.replies.metrics.page())[1] == (
        b"%d" % (2 * sum(prompts))
    )


@pytest.mark.parametrize("size", [100, 10_000, 1_000_000])
def test_two_bodies_rarely_have_as_many_tokens(size: int) -> None:
    bodies = [random.Random(number).randbytes(size) for number in range(100)]
    assert len({prompt_tokens_of(body) for body in bodies}) > 85
    assert prompt_tokens_of(b"") == 1


def _put(buffer: memoryview, data: bytes) -> int:
    buffer[: len(data)] = data
    return len(data)
