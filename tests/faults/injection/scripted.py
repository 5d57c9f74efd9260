"""A faulty server: it follows a schedule, and writes down what it received and what it answered."""

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from injection.actions import HANG_S, Action, Answer, End, Fate
from weighbridge.simulate.server_counters import ServerCounters

_RST = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends RST
Decide = Callable[[int, Answer], Action]


@dataclass(frozen=True)
class Seen:
    """One request in the server's own log."""

    sample: int
    action: str
    fate: Fate
    cut: bool


class ScriptedServer:
    """Serve on 127.0.0.1 in a thread of its own, as a context manager.

    Attributes:
        url: Base URL.
        log: What was received, in the order of arrival, without the warm-up.
        warming: Whether a request of the warm-up has arrived.
    """

    def __init__(
        self,
        samples: Mapping[bytes, tuple[int, str]],
        decide: Decide,
        warmups: int = 1,
        token_ids: Callable[[int], tuple[int, ...]] | None = None,
    ) -> None:
        """Answer bodies by their number and right answer; the first `warmups` requests rightly.

        With `token_ids`, which returns those of a sample, answers are streams of them.
        """
        self._samples, self._token_ids = samples, token_ids
        self.begin(decide, warmups)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._counters = ServerCounters("tiny", 0)

    def begin(self, decide: Decide, warmups: int = 1, *, hanging_warmup: bool = False) -> None:
        """Forget the log, and follow another schedule."""
        self._decide, self._warmups, self._hanging = decide, warmups, hanging_warmup
        self.warming = False
        self.log: list[Seen] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256, limit=1 << 22)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for _ in range(20):
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if not others:
                break
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=0.05)
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """End all connections, so that what hung in one run is not in the next."""

        async def end() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stale = False
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(found[1])) if found else b""
            if head.startswith(b"GET "):
                writer.write(self._page(head.split()[1]))
                continue
            action = self._action(head, body, stale)
            stale = stale or action.stale
            for step in action.steps:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                elif isinstance(step, End):
                    if step is End.RESET:
                        plain: socket.socket = writer.get_extra_info("socket")
                        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                        writer.transport.abort()
                    return
                elif step:
                    await asyncio.sleep(step)

    def _action(self, head: bytes, body: bytes, stale: bool) -> Action:
        sample, text = self._samples[body]
        told = re.search(rb"(?i)\r\nx-request-id: *(\S+)", head)
        ids = self._token_ids and self._token_ids(sample)
        answer = Answer(text, max(1, len(body) // 4), told[1].decode() if told else None, ids or None)
        if self._warmups:
            self._warmups -= 1
            self.warming = True
            if self._hanging:
                return Action("warm-up", Fate.FAILED, (HANG_S,))
            return Action("warm-up", Fate.OK, (_plain(answer.body()),))
        action = self._decide(sample, answer)
        fate = Fate.EITHER if stale and action.fate is Fate.OK else action.fate
        self.log.append(Seen(sample, action.name, fate, action.cut))
        return action

    def _page(self, path: bytes) -> bytes:
        if path == b"/metrics":
            return _plain(self._counters.page(), b"text/plain; version=0.0.4; charset=utf-8")
        if path.endswith(b"/models"):
            return _plain(
                json.dumps({"object": "list", "data": [{"id": "tiny", "object": "model"}]}).encode()
            )
        if path in (b"/health", b"/v1/health"):
            return _plain(b"{}")
        if path == b"/version":
            return _plain(b'{"version": "scripted for tests"}')
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def _plain(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)
