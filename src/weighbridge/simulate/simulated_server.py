"""The simulated server on the wire: an OpenAI-compatible endpoint on uvloop.

Fast enough not to be what a benchmark of the client measures: bodies are read into reused buffers, hashed in
place and never parsed; answers are prepared once.
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

import uvloop

from weighbridge.core.errors import SetupError
from weighbridge.simulate.behaviour import Behaviour, Failure, Fate, Line, body_hash
from weighbridge.simulate.metrics import Metrics
from weighbridge.simulate.wire import Answers, tokens_of

_BUFFER_BYTES = 256 * 1024
_EDGE_BYTES = 512  # where a body says that it wants a stream: before or after its messages
_BACKLOG = 4096
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_STREAMS = re.compile(rb'"stream":\s*true')
_STATUS = {"status_429": 429, "status_500": 500, "status_503": 503}
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Session(asyncio.BufferedProtocol):
    """One client connection: requests one after the other, never two at once (no pipelining)."""

    def __init__(self, server: "SimulatedServer") -> None:
        self._server = server
        self._buffer = server.take_buffer()
        self._filled = 0
        self._needed = 0  # bytes of the whole request, 0 until its head is complete
        self._body_at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, if not by name

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.return_buffer(self._buffer)

    def get_buffer(self, _sizehint: int) -> memoryview:
        if self._filled == 0 and len(self._buffer) == 0:
            self._buffer = self._server.take_buffer()
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        self._filled += count
        if not self._needed and not self._read_head():
            return
        if self._filled >= self._needed:
            self._answer()
        elif self._needed > len(self._buffer):
            self._buffer = self._buffer + bytearray(self._needed - len(self._buffer))

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            return False
        self._body_at = end + 4
        length = _CONTENT_LENGTH.search(self._buffer, 0, end + 2)
        self._needed = self._body_at + (int(length[1]) if length else 0)
        if self._filled < self._needed and b"100-continue" in self._buffer[:end].lower():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _answer(self) -> None:
        path = bytes(self._buffer[: self._buffer.find(b" ", 5)]).partition(b" ")[2]
        if path.endswith(b"/chat/completions"):
            self._server.complete(self, memoryview(self._buffer)[self._body_at : self._needed])
        elif path.endswith(b"/models"):
            self.reply(self._server.models)
        elif path == b"/metrics":
            page = self._server.metrics.page()
            self.send(_head(200, b"text/plain; version=0.0.4; charset=utf-8", len(page)) + page)
        else:
            known = path in (b"/health", b"/v1/health", b"/version")
            self.reply(b"{}" if known else b'{"error":"not found"}', 200 if known else 404)
        # What follows a request without pipelining is nothing, so the buffer is free.
        self._filled = self._needed = 0
        self._server.return_buffer(self._buffer)
        self._buffer = bytearray()

    def reply(self, body: bytes, status: int = 200) -> None:
        """Answer with a JSON body."""
        self.send(_head(status, b"application/json", len(body)) + body)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def hang_up(self) -> None:
        """Close the connection once what was sent is out."""
        self.transport.close()


class SimulatedServer:
    """Serves chat completions as a `Behaviour` says."""

    def __init__(self, behaviour: Behaviour, answers: Answers) -> None:
        self._behaviour, self._answers = behaviour, answers
        self._fate = Fate(behaviour)
        self._line = Line(behaviour.servers)
        self.metrics = Metrics(answers.model_name, behaviour.servers)
        self._buffers: list[bytearray] = []
        models = [{"id": answers.model_name, "object": "model", "owned_by": "weighbridge"}]
        self.models = json.dumps({"object": "list", "data": models}).encode()
        # Where nothing is drawn and nothing looked up, nothing needs a hash either.
        draws = behaviour.failures or (behaviour.mean_s and behaviour.distribution != "constant")
        self._same_for_all = not draws and not answers.known
        self._fallback = answers.completion(answers.text(0, True))
        self._fallback_tokens = tokens_of(answers.text(0, True))

    def take_buffer(self) -> bytearray:
        """Lend a buffer to a session that receives."""
        return self._buffers.pop() if self._buffers else bytearray(_BUFFER_BYTES)

    def return_buffer(self, buffer: bytearray) -> None:
        """Take it back."""
        if len(buffer) == _BUFFER_BYTES:
            self._buffers.append(buffer)

    def complete(self, session: "_Session", body: memoryview) -> None:
        """Answer a chat completion request in its time."""
        now_s = time.monotonic()
        self.metrics.present += 1
        key = 0 if self._same_for_all else body_hash(body)
        service_s = self._fate.service_s(key)
        end_s = self._line.join(now_s, service_s)
        failure = self._fate.failure(key)
        if _STREAMS.search(body, 0, _EDGE_BYTES) or _STREAMS.search(body, max(0, len(body) - _EDGE_BYTES)):
            self._stream(session, key, failure, end_s - service_s - now_s, service_s)
        elif failure is None:
            answer, tokens = self._fallback, self._fallback_tokens
            if not self._same_for_all:
                text = self._answers.text(key, self._fate.right(key))
                answer, tokens = self._answers.completion(text), tokens_of(text)
            _later(end_s - now_s, self._reply, session, answer, tokens)
        else:
            _later(end_s - now_s, self._fail, session, failure)

    def _reply(self, session: "_Session", answer: bytes, tokens: int) -> None:
        self.metrics.answered(tokens)
        session.reply(answer)

    def _fail(self, session: "_Session", failure: Failure) -> None:
        self.metrics.answered(0)
        answers = self._answers
        if failure == "hang":
            return
        if failure in _STATUS:
            session.reply(b'{"error":{"message":"simulated failure"}}', _STATUS[failure])
        elif failure == "cut":
            whole = answers.completion(answers.text(0, True))
            session.send(_head(200, b"application/json", len(whole)) + whole[: len(whole) // 2])
            session.hang_up()
        elif failure == "reset":
            session.hang_up()
        elif failure == "malformed":
            session.reply(b'{"choices": [')
        elif failure == "missing_usage":
            session.reply(answers.completion(answers.text(0, True), usage=False))
        else:
            session.reply(answers.completion("" if failure == "empty" else None))

    def _stream(
        self, session: "_Session", key: int, failure: Failure | None, wait_s: float, service_s: float
    ) -> None:
        """Spread an answer's events over the service time; failures show in them."""
        if failure in _STATUS or failure in ("reset", "hang"):
            _later(wait_s + service_s, self._fail, session, failure)
            return
        text = {"empty": "", "null_content": None}.get(
            failure or "", self._answers.text(key, self._fate.right(key))
        )
        events = self._answers.events(text, usage=failure != "missing_usage")
        if failure == "malformed":
            events[0] = b"data: {\n\n"
        _later(wait_s, session.send, _STREAM_HEAD)
        share = self._behaviour.first_token_share
        kept = events[: len(events) // 2] if failure == "cut" else events
        for number, event in enumerate(kept):
            part = share + (1 - share) * number / max(1, len(events) - 1)
            _later(wait_s + part * service_s, session.send, b"%x\r\n%b\r\n" % (len(event), event))
        _later(wait_s + service_s, self.metrics.answered, 0 if failure else tokens_of(text))
        if failure == "cut":
            _later(wait_s + service_s, session.hang_up)
        else:
            _later(wait_s + service_s, session.send, b"0\r\n\r\n")


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
    """Listen; port 0 takes a free one, which the returned server's sockets tell.

    Raises:
        OSError: the address is in use or not this machine's.
    """
    server = SimulatedServer(behaviour, answers)
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Session(server), host, port, backlog=_BACKLOG)


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
        behaviour: What the server is like.
        answers: What it says.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        ready: Told the base URL once it can be used.

    Raises:
        SetupError: the address cannot be listened on.
    """

    async def until_told() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            server = await start(behaviour, answers, host, port)
        except OSError as error:
            raise SetupError(
                f"{host}:{port} cannot be listened on ({error.strerror}); choose another."
            ) from None
        if ready is not None:
            ready(f"http://{host}:{server.sockets[0].getsockname()[1]}")
        await stop.wait()

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()  # sessions and their transports are freed by their counts
    uvloop.run(until_told())
