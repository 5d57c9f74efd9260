"""The simulated server: an OpenAI-compatible HTTP endpoint on uvloop and llhttp (httptools).

It must be so fast that a benchmark of the client measures the client: the JSON of a request is hashed and
searched, never parsed, and answers are prepared once.
"""

import asyncio
import gc
import json
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import httptools
import uvloop

from weighbridge import __version__
from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.records.notice import SIMULATED_BY
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_answers import Answers
from weighbridge.simulate.replies import Replies, response_head
from weighbridge.simulate.sent_log import SentLog
from weighbridge.system.identity import simulation_sha256

_BUFFER_BYTES = 256 * 1024
_BACKLOG = 4096
_NEW_RUN = (b"/reset_prefix_cache", b"/flush_cache")  # vLLM's and SGLang's paths
_RESETS = (*_NEW_RUN, b"/reset_mm_cache", b"/reset_encoder_cache")


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
            self._server.replies.answer(self, Api.CHAT, body, request_id)
        elif path.endswith(b"/completions"):
            self._server.replies.answer(self, Api.COMPLETIONS, body, request_id)
        elif path.endswith(b"/models"):
            self.reply(self._server.models)
        elif path == b"/metrics":
            page = self._server.replies.metrics.page()
            self.send(response_head(200, b"text/plain; version=0.0.4; charset=utf-8", len(page)) + page)
        elif path.partition(b"?")[0] in _RESETS and self._server.resets:
            if path.partition(b"?")[0] in _NEW_RUN:
                self._server.replies.reset_caches()
            self.reply(b"{}")
        else:
            known = {b"/health": b"{}", b"/v1/health": b"{}", b"/version": self._server.version}.get(path)
            self.reply(known or b'{"error":"not found"}', 200 if known else 404)

    def reply(self, body: bytes, status: int = 200) -> None:
        """Answer with a JSON body."""
        self.send(response_head(status, b"application/json", len(body)) + body)

    def send(self, data: bytes) -> None:
        """Send bytes as they are, unless the connection is closing."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def hang_up(self) -> None:
        """Close the connection after all that was sent."""
        self.transport.close()


class SimulatedServer:
    """Answers chat completions and completions with the delays and failures of a `Behaviour`."""

    def __init__(self, behaviour: Behaviour, answers: Answers, sent: SentLog | None = None) -> None:
        self.replies, self.resets = Replies(behaviour, answers, sent), behaviour.resets
        # Shared by all connections: each parses what it has read before another one reads.
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        models = [{"id": answers.model_name, "object": "model", "owned_by": "weighbridge"}]
        self.models = json.dumps({"object": "list", "data": models}).encode()
        # Recorded by every run, so that its results cannot pass for a model's.
        version = f"{SIMULATED_BY} {__version__}, code sha256 {simulation_sha256()}"
        self.version = json.dumps({"version": version}).encode()


async def start(
    behaviour: Behaviour, answers: Answers, host: str, port: int, sent: SentLog | None = None
) -> asyncio.Server:
    """Start to listen. Port 0 takes a free one: read it from the returned server's sockets.

    Raises:
        OSError: the address is in use, or is not one of this machine.
    """
    server = SimulatedServer(behaviour, answers, sent)
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Connection(server), host, port, backlog=_BACKLOG)


def serve(
    behaviour: Behaviour,
    answers: Answers,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    sent_log: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        behaviour: The server's speed and failures.
        answers: The server's answers.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        sent_log: File for the times at which the answers were sent; None: they are not logged.
        ready: Called with the base URL when the server accepts requests.

    Raises:
        SetupError: the address cannot be listened on, or the log cannot be written.
    """
    try:
        sent = None if sent_log is None else SentLog(sent_log)
    except OSError as error:
        raise SetupError(f"{sent_log}: cannot be written ({error.strerror}); choose another file.") from None

    async def until_signal() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            server = await start(behaviour, answers, host, port, sent)
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
    try:
        uvloop.run(until_signal())
    finally:
        if sent is not None:
            sent.close()
