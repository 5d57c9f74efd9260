"""The simulated server: an OpenAI-compatible HTTP endpoint on uvloop and llhttp (httptools).

It must be so fast that a benchmark of the client measures the client: the JSON of a request is hashed and
searched, never parsed, and answers are prepared once.
"""

import asyncio
import gc
import json
import re
import resource
import signal
import time
from collections.abc import Callable
from typing import cast

import httptools
import uvloop

from weighbridge import __version__
from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.records.notice import SIMULATED_BY
from weighbridge.simulate.behaviour import (
    Behaviour,
    Failure,
    OutcomeDraws,
    Queue,
    body_hash,
    prompt_tokens_of,
)
from weighbridge.simulate.responses import Answers, Echo, ServerCounters, filled, tokens_of
from weighbridge.system.identity import simulation_sha256

_BUFFER_BYTES = 256 * 1024
_EDGE_BYTES = 512  # the "stream" field is before or after the messages, so near an end of the body
_BACKLOG = 4096
_STREAMS = re.compile(rb'"stream":\s*true')
_STATUS = {"status_429": 429, "status_500": 500, "status_503": 503}
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Connection(asyncio.BufferedProtocol):
    """One client connection: requests one after the other, never two at once (no pipelining).

    Methods named on_* are called by the parser.
    """

    def __init__(self, server: "SimulatedServer") -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._path = self._request_id = b""
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, if not by name

    def connection_lost(self, _error: Exception | None) -> None:
        del self._parser  # it refers back to this object, and no garbage collector runs here

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._server.buffer

    def buffer_updated(self, count: int) -> None:
        try:
            self._parser.feed_data(self._server.buffer[:count])
        except httptools.HttpParserCallbackError:
            raise  # an error in this program, not in the request
        except httptools.HttpParserError as error:
            self.reply(json.dumps({"error": {"message": str(error)}}).encode(), 400)
            self.hang_up()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"x-request-id":
            self._request_id = value
        elif name == b"expect" and value.lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        path, request_id, body = self._path, self._request_id, b"".join(self._parts)
        self._path, self._request_id, self._parts = b"", b"", []
        if path.endswith(b"/chat/completions"):
            self._server.complete(self, Api.CHAT, body, request_id)
        elif path.endswith(b"/completions"):
            self._server.complete(self, Api.COMPLETIONS, body, request_id)
        elif path.endswith(b"/models"):
            self.reply(self._server.models)
        elif path == b"/metrics":
            page = self._server.metrics.page()
            self.send(_head(200, b"text/plain; version=0.0.4; charset=utf-8", len(page)) + page)
        else:
            known = {b"/health": b"{}", b"/v1/health": b"{}", b"/version": self._server.version}.get(path)
            self.reply(known or b'{"error":"not found"}', 200 if known else 404)

    def reply(self, body: bytes, status: int = 200) -> None:
        """Answer with a JSON body."""
        self.send(_head(status, b"application/json", len(body)) + body)

    def send(self, data: bytes) -> None:
        """Send bytes as they are, unless the connection is closing."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def hang_up(self) -> None:
        """Close the connection after all that was sent."""
        self.transport.close()


class SimulatedServer:
    """Answers chat completions and completions with the delays and failures of a `Behaviour`."""

    def __init__(self, behaviour: Behaviour, answers: Answers) -> None:
        self._behaviour, self._answers = behaviour, answers
        self._outcome = OutcomeDraws(behaviour)
        self._queue = Queue(behaviour.servers)
        self.metrics = ServerCounters(answers.model_name, behaviour.servers)
        # Shared by all connections: each parses what it has read before another one reads.
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        models = [{"id": answers.model_name, "object": "model", "owned_by": "weighbridge"}]
        self.models = json.dumps({"object": "list", "data": models}).encode()
        # Recorded by every run, so that its results cannot pass for a model's.
        version = f"{SIMULATED_BY} {__version__}, code sha256 {simulation_sha256()}"
        self.version = json.dumps({"version": version}).encode()
        # Without random outcomes and known answers every request has the same answer, and needs no hash.
        draws = behaviour.failures or (behaviour.mean_s and behaviour.distribution != "constant")
        self._same_for_all = not draws and not answers.known
        self._fallback = {api: answers.prepared(api, answers.text(0, True)) for api in Api}
        self._fallback_tokens = tokens_of(answers.text(0, True))

    def complete(self, connection: "_Connection", api: Api, body: bytes, request_id: bytes) -> None:
        """Answer a request after its service time."""
        if self._answers.api not in (None, api):
            connection.reply(b'{"error":{"message":"the requests of the store go to the other path"}}', 400)
            return
        now_s = time.monotonic()
        self.metrics.present += 1
        key = 0 if self._same_for_all else body_hash(body)
        service_s = self._outcome.service_s(key)
        end_s = self._queue.add(now_s, service_s)
        failure = self._outcome.failure(key)
        echo = Echo(request_id, prompt_tokens_of(body))
        if _STREAMS.search(body, 0, _EDGE_BYTES) or _STREAMS.search(body, max(0, len(body) - _EDGE_BYTES)):
            self._stream(connection, api, key, failure, end_s - service_s - now_s, service_s, echo)
        elif failure is None:
            prepared, tokens = self._fallback[api], self._fallback_tokens
            if not self._same_for_all:
                text = self._answers.text(key, self._outcome.right(key))
                prepared, tokens = self._answers.prepared(api, text), tokens_of(text)
            answer = filled(prepared, api, echo, tokens)
            _later(end_s - now_s, self._reply, connection, answer, echo.prompt_tokens, tokens)
        else:
            _later(end_s - now_s, self._fail, connection, api, failure, echo)

    def _reply(self, connection: "_Connection", answer: bytes, prompt_tokens: int, tokens: int) -> None:
        self.metrics.answered(prompt_tokens, tokens)
        connection.reply(answer)

    def _fail(self, connection: "_Connection", api: Api, failure: Failure, echo: Echo) -> None:
        self.metrics.answered(0, 0)
        answers = self._answers
        if failure == "hang":
            return
        if failure in _STATUS:
            connection.reply(b'{"error":{"message":"simulated failure"}}', _STATUS[failure])
        elif failure == "cut":
            whole = answers.completion(api, answers.text(0, True), echo)
            connection.send(_head(200, b"application/json", len(whole)) + whole[: len(whole) // 2])
            connection.hang_up()
        elif failure == "reset":
            connection.hang_up()
        elif failure == "malformed":
            connection.reply(b'{"choices": [')
        elif failure == "missing_usage":
            connection.reply(answers.completion(api, answers.text(0, True), echo, usage=False))
        else:
            connection.reply(answers.completion(api, "" if failure == "empty" else None, echo))

    def _stream(
        self,
        connection: "_Connection",
        api: Api,
        key: int,
        failure: Failure | None,
        wait_s: float,
        service_s: float,
        echo: Echo,
    ) -> None:
        """Send an answer's events spread over the service time, or an event stream that fails."""
        if failure in _STATUS or failure in ("reset", "hang"):
            _later(wait_s + service_s, self._fail, connection, api, failure, echo)
            return
        text = {"empty": "", "null_content": None}.get(
            failure or "", self._answers.text(key, self._outcome.right(key))
        )
        events = self._answers.events(api, text, echo, usage=failure != "missing_usage")
        if failure == "malformed":
            events[0] = b"data: {\n\n"
        _later(wait_s, connection.send, _STREAM_HEAD)
        share = self._behaviour.first_token_share
        kept = events[: len(events) // 2] if failure == "cut" else events
        for number, event in enumerate(kept):
            part = share + (1 - share) * number / max(1, len(events) - 1)
            _later(wait_s + part * service_s, connection.send, b"%x\r\n%b\r\n" % (len(event), event))
        tokens = 0 if failure else tokens_of(text)
        _later(wait_s + service_s, self.metrics.answered, echo.prompt_tokens, tokens)
        if failure == "cut":
            _later(wait_s + service_s, connection.hang_up)
        else:
            _later(wait_s + service_s, connection.send, b"0\r\n\r\n")


def _later(delay_s: float, call: Callable[..., None], *arguments: object) -> None:
    if delay_s <= 0:
        call(*arguments)
    else:
        asyncio.get_running_loop().call_later(delay_s, call, *arguments)


def _head(status: int, kind: bytes, length: int) -> bytes:
    reason = b"OK" if status == 200 else b"Failed"
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (
        status,
        reason,
        kind,
        length,
    )


async def start(behaviour: Behaviour, answers: Answers, host: str, port: int) -> asyncio.Server:
    """Start to listen. Port 0 takes a free one: read it from the returned server's sockets.

    Raises:
        OSError: the address is in use, or is not one of this machine.
    """
    server = SimulatedServer(behaviour, answers)
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Connection(server), host, port, backlog=_BACKLOG)


def serve(
    behaviour: Behaviour,
    answers: Answers,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        behaviour: The server's speed and failures.
        answers: The server's answers.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        ready: Called with the base URL when the server accepts requests.

    Raises:
        SetupError: the address cannot be listened on.
    """

    async def until_signal() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            server = await start(behaviour, answers, host, port)
        except OSError as error:
            raise SetupError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another address."
            ) from None
        if ready is not None:
            ready(f"http://{host}:{server.sockets[0].getsockname()[1]}")
        await stop.wait()

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    time.sleep(behaviour.start_s)  # before its handlers: a signal ends it at once
    gc.disable()  # connections and their transports are freed by their reference counts
    uvloop.run(until_signal())
