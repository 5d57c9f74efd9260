"""Send the same requests with other clients of Python, each as a program of its own, for comparison.

    python bench/contenders.py JSON

JSON is a `Load`. Prints what the client itself counted: latencies in ms and, for streams, how late its
stamps of first and last tokens are against the time that the endpoint wrote into each; and when it began and
ended, in monotonic ns. Eight requests before the others load what the libraries load late.
"""

import asyncio
import json
import random
import resource
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic_ns
from typing import Any

PATH = "/v1/chat/completions"
WARM_UP = 8
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class Load:
    """What a contender sends.

    Attributes:
        client: A key of CLIENTS.
        url: The endpoint.
        store: Folder of the request store.
        requests: How many, without the warm-up.
        concurrency: At once, where no rate is given.
        rate: Requests/s, as a Poisson process; 0: as fast as `concurrency` allows.
        stream: Whether the answers are streams.
    """

    client: str
    url: str
    store: str
    requests: int
    concurrency: int = 512
    rate: float = 0.0
    stream: bool = False

    def as_argument(self) -> str:
        """Return the program's argument."""
        return json.dumps(asdict(self))


class Stamps:
    """What a client notes of its answers, in ns."""

    def __init__(self) -> None:
        self.latency: list[int] = []
        self.first_token: list[int] = []
        self.first_error: list[int] = []
        self.last_error: list[int] = []

    def token(self, due_ns: int, texts: list[str]) -> None:
        """Note the first token of an answer."""
        now = monotonic_ns()
        self.first_token.append(now - due_ns)
        self.first_error.append(now - int(texts[0]))

    def ended(self, due_ns: int, last_ns: int, text: str) -> None:
        """Note the end of a streamed answer."""
        self.latency.append(monotonic_ns() - due_ns)
        self.last_error.append(last_ns - int(text))

    def figures(self) -> dict[str, float]:
        """Return the percentiles, in ms."""
        found: dict[str, float] = {}
        for name, values in vars(self).items():
            values.sort()
            for share, percent in (("p50", 50), ("p99", 99)):
                if values:
                    found[f"{name}_{share}_ms"] = values[(len(values) - 1) * percent // 100] / _NS_PER_MS
        return found


Send = Callable[[int, int, Stamps], Awaitable[None]]  # number of the request, when it was due, what is noted


async def _load(load: Load, send: Send) -> dict[str, float]:
    """Send the warm-up, then all requests."""
    stamps = Stamps()
    await asyncio.gather(*(send(number, monotonic_ns(), Stamps()) for number in range(WARM_UP)))
    start_ns = monotonic_ns()
    if load.rate:
        await _at_rate(load, send, stamps)
    else:
        numbers = iter(range(load.requests))

        async def one_after_the_other() -> None:
            for number in numbers:
                await send(number, monotonic_ns(), stamps)

        await asyncio.gather(*(one_after_the_other() for _ in range(load.concurrency)))
    return stamps.figures() | {"start_ns": start_ns, "end_ns": monotonic_ns()}


async def _at_rate(load: Load, send: Send, stamps: Stamps) -> None:
    """Send as a Poisson process; latencies count from the due time, as LoadGen counts them."""
    draws, due_ns = random.Random(1), monotonic_ns()
    async with asyncio.TaskGroup() as tasks:
        for number in range(load.requests):
            due_ns += int(draws.expovariate(load.rate) * 1e9)
            await asyncio.sleep(max(0.0, (due_ns - monotonic_ns()) / 1e9))
            tasks.create_task(_one(send, number, due_ns, stamps))


async def _one(send: Send, number: int, due_ns: int, stamps: Stamps) -> None:
    await send(number, due_ns, stamps)


def reference(load: Load, bodies: Any) -> dict[str, float]:
    """Send requests as the reference harness does: AsyncOpenAI over aiohttp, in one asyncio loop."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    count = min(len(bodies), load.requests)
    messages = [json.loads(bytes(bodies[number]))["messages"] for number in range(count)]
    nothing: dict[str, Any] = dict.fromkeys(
        ("frequency_penalty", "presence_penalty", "temperature", "top_p", "response_format")
    )

    async def run() -> dict[str, float]:
        http = DefaultAioHttpClient()
        async with AsyncOpenAI(base_url=f"{load.url}/v1", api_key="none", http_client=http) as client:

            async def whole(number: int, due_ns: int, stamps: Stamps) -> None:
                completion = await client.chat.completions.create(
                    model="m", messages=messages[number % count], **nothing
                )
                assert completion.choices[0].message.content
                assert completion.usage
                stamps.latency.append(monotonic_ns() - due_ns)

            async def streamed(number: int, due_ns: int, stamps: Stamps) -> None:
                texts: list[str] = []
                last_ns = 0
                stream = await client.chat.completions.create(
                    model="m",
                    messages=messages[number % count],
                    stream=True,
                    stream_options={"include_usage": True},
                    **nothing,
                )
                async for chunk in stream:
                    if not chunk.choices or not (text := chunk.choices[0].delta.content):
                        continue
                    texts.append(text)
                    last_ns = monotonic_ns()
                    if len(texts) == 1:
                        stamps.token(due_ns, texts)
                stamps.ended(due_ns, last_ns, texts[-1])

            return await _load(load, streamed if load.stream else whole)

    return asyncio.run(run())


def aiohttp_bytes(load: Load, bodies: Any) -> dict[str, float]:
    """Send pre-encoded bytes with aiohttp, as patches in published submissions do."""
    import aiohttp

    count = min(len(bodies), load.requests)
    encoded = [bytes(bodies[number]) for number in range(count)]
    head = {"Content-Type": "application/json"}

    async def run() -> dict[str, float]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=head) as session:

            async def whole(number: int, due_ns: int, stamps: Stamps) -> None:
                async with session.post(load.url + PATH, data=encoded[number % count]) as answer:
                    completion = json.loads(await answer.read())
                assert completion["choices"][0]["message"]["content"]
                stamps.latency.append(monotonic_ns() - due_ns)

            async def streamed(number: int, due_ns: int, stamps: Stamps) -> None:
                texts: list[str] = []
                last_ns = 0
                async with session.post(load.url + PATH, data=encoded[number % count]) as answer:
                    async for line in answer.content:
                        if not line.startswith(b"data: {"):
                            continue
                        choices = json.loads(line[6:])["choices"]
                        if not choices or not (text := choices[0]["delta"].get("content")):
                            continue
                        texts.append(text)
                        last_ns = monotonic_ns()
                        if len(texts) == 1:
                            stamps.token(due_ns, texts)
                stamps.ended(due_ns, last_ns, texts[-1])

            return await _load(load, streamed if load.stream else whole)

    return asyncio.run(run())


def blocking_socket(load: Load, bodies: Any) -> dict[str, float]:
    """Send and receive on one blocking socket without parsing: the lower bound in Python."""
    host, _, port = load.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(1 << 16)
        start_ns = 0
        for number in range(WARM_UP + load.requests):
            start_ns = monotonic_ns() if number == WARM_UP else start_ns
            body = bodies[number % len(bodies)]
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            sent = link.sendmsg([head, body])
            if sent < len(head) + len(body):
                link.sendall(body[max(0, sent - len(head)) :])
            assert link.recv_into(buffer) > 0
    return {"start_ns": start_ns, "end_ns": monotonic_ns()}


CLIENTS = {"reference": reference, "aiohttp": aiohttp_bytes, "socket": blocking_socket}


def main() -> None:
    """Run one contender."""
    from weighbridge.requests.bodies import Bodies

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load = Load(**json.loads(sys.argv[1]))
    print(json.dumps(CLIENTS[load.client](load, Bodies(Path(load.store)))))


if __name__ == "__main__":
    main()
