"""A real HTTP endpoint that follows a test's script for each request: answer, wait, fail or hang up."""

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from types import TracebackType
from typing import Any, Self

from weighbridge.core.openai_api import Api

_SAMPLE = re.compile(rb"sample (\d+)")
_REQUEST_ID = re.compile(rb"\r\nX-Request-Id: ([0-9a-z]{1,40})\r\n")
ECHO = "=" * 40
"""In a script's bytes: the request's id, made as long as this."""
MODEL = "tiny"


class End(Enum):
    """How a connection ends after an answer, other than by staying open."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


# Bytes are sent, numbers are seconds to wait, an End ends the connection.
Step = bytes | float | End
Script = Callable[[int], Sequence[Step]]


def http(body: bytes, status: int = 200, *headers: str, kind: str = "application/json") -> bytes:
    """Return a complete HTTP response with a Content-Length."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        f"Content-Type: {kind}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _choice(
    api: Api, key: str, content: object, finish: object, ids: object = None, prompt_ids: object = None
) -> dict[str, object]:
    """Make a choice in the order of vLLM."""
    choice: dict[str, object] = {"index": 0}
    choice |= {key: {"content": content}} if api is Api.CHAT else {"text": content}
    return choice | {"finish_reason": finish, "prompt_token_ids": prompt_ids, "token_ids": ids}


def _content(api: Api, request_id: str, model: object, **more: object) -> dict[str, object]:
    prefix = "chatcmpl" if api is Api.CHAT else "cmpl"
    return {"id": f"{prefix}-{request_id}", "model": model} | more


def _usage(tokens: object, prompt_tokens: object) -> dict[str, object]:
    return {"completion_tokens": tokens, "prompt_tokens": prompt_tokens}


def completion(
    content: object,
    tokens: object = 3,
    api: Api = Api.CHAT,
    *,
    request_id: str = ECHO,
    model: object = MODEL,
    prompt_tokens: object = 7,
    finish: object = "stop",
    ids: object = None,
) -> bytes:
    """Return the body of an answer; without tokens it has no usage. `ids` are its token ids."""
    body = _content(api, request_id, model, choices=[_choice(api, "message", content, finish, ids)])
    if tokens is not None:
        body["usage"] = _usage(tokens, prompt_tokens)
    return json.dumps(body, ensure_ascii=False).encode()


def answer(content: object, tokens: object = 3, api: Api = Api.CHAT, **more: Any) -> list[Step]:
    """Return a valid answer."""
    return [http(completion(content, tokens, api, **more))]


def chunked(*pieces: bytes) -> bytes:
    """Return a response in chunked transfer encoding."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def events(
    *pieces: str,
    tokens: object = 3,
    done: bool = True,
    api: Api = Api.CHAT,
    request_id: str = ECHO,
    model: object = MODEL,
    prompt_tokens: object = 7,
    finish: object = "stop",
    ids: Sequence[object] | None = None,
) -> bytes:
    """Return the events of a streamed answer; `ids` are the token ids of each."""
    parts = zip(pieces, ids or [None] * len(pieces), strict=True)
    choices = [_choice(api, "delta", piece, None, of_piece) for piece, of_piece in parts]
    choices[-1]["finish_reason"] = finish
    if ids is not None:
        choices[0]["prompt_token_ids"] = list(range(300))
    chunks = [_content(api, request_id, model, choices=[choice]) for choice in choices]
    if tokens is not None:
        chunks.append(_content(api, request_id, model, choices=[], usage=_usage(tokens, prompt_tokens)))
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


class Endpoint:
    """Serve a script on 127.0.0.1 in a thread of its own, as a context manager.

    Attributes:
        url: Base URL.
        seen: Sample numbers in the order of arrival.
        heads: Heads of the requests, likewise.
        bodies: Their bodies, likewise.
        connections: Connections accepted so far.
    """

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script, self._tls = script, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.seen: list[int] = []
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    async def _open(self) -> None:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._tls, backlog=2048, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def die(self) -> None:
        """Stop listening and reset every connection, as a killed server does."""
        asyncio.run_coroutine_threadsafe(self._die(), self._loop).result(10)

    async def _die(self) -> None:
        self._server.close()
        # A connection that was accepted a moment ago has a task of the loop's own before it has one of ours,
        # so one round may not reach it. A handshake that never ends is not waited for.
        for _ in range(20):
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if not others:
                break
            for task in self._tasks:
                task.cancel()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.wait(others, timeout=0.05)
        for writer in self._writers:  # of one that was accepted during the last round
            writer.transport.abort()
        await asyncio.sleep(0)  # the aborted transports close

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.CancelledError,
            ssl.SSLError,
        ):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
            body = await reader.readexactly(length)
            sample = int(_SAMPLE.search(body)[1])
            self.seen.append(sample)
            self.heads.append(head)
            self.bodies.append(body)
            found = _REQUEST_ID.search(head)
            request_id = (found[1] if found else b"").ljust(len(ECHO), b".")
            for step in self._script(sample):
                if isinstance(step, bytes):
                    writer.write(step.replace(ECHO.encode(), request_id))
                    await writer.drain()
                elif isinstance(step, End):
                    if step is End.HANG:
                        await asyncio.sleep(3600)
                    elif step is End.RESET:
                        writer.transport.abort()
                    return
                else:
                    await asyncio.sleep(step)
