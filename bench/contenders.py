"""Send the same requests with other clients, each in a process of its own, for comparison.

    python bench/contenders.py NAME URL STORE REQUESTS CONCURRENCY

Prints one JSON object: CPU seconds of the process from the first request to the last, and the seconds it
took. Loading the store and the libraries is excluded for all of them.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from weighbridge.requests.bodies import Bodies

PATH = "/v1/chat/completions"


class Clock:
    """CPU and wall time since its creation."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """Return the seconds spent."""
        return {"cpu_s": time.process_time() - self._cpu, "wall_s": time.perf_counter() - self._wall}


async def _all(send: Callable[[int], Awaitable[None]], requests: int, concurrency: int) -> None:
    """Send all requests, `concurrency` at a time."""
    numbers = iter(range(requests))

    async def one_after_the_other() -> None:
        for number in numbers:
            await send(number)

    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))


def reference(url: str, bodies: Bodies, requests: int, concurrency: int) -> dict[str, float]:
    """Send requests as the reference harness does: AsyncOpenAI over aiohttp, in one asyncio loop."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    messages = [json.loads(bytes(bodies[number % len(bodies)]))["messages"] for number in range(requests)]

    async def run() -> dict[str, float]:
        async with AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", http_client=DefaultAioHttpClient()
        ) as client:

            async def send(number: int) -> None:
                completion = await client.chat.completions.create(
                    model="m",
                    messages=messages[number],
                    frequency_penalty=None,
                    presence_penalty=None,
                    temperature=None,
                    top_p=None,
                    response_format=None,
                )
                assert completion.choices[0].message.content
                assert completion.usage

            await _all(send, min(8, requests), 8)
            clock = Clock()
            await _all(send, requests, concurrency)
            return clock.read()

    return asyncio.run(run())


def aiohttp_bytes(url: str, bodies: Bodies, requests: int, concurrency: int) -> dict[str, float]:
    """Send pre-encoded bytes with aiohttp, as patches in published submissions do."""
    import aiohttp

    encoded = [bytes(bodies[number % len(bodies)]) for number in range(min(requests, len(bodies)))]

    async def run() -> dict[str, float]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            connector=connector, headers={"Content-Type": "application/json"}
        ) as session:

            async def send(number: int) -> None:
                body = encoded[number % len(encoded)]
                async with session.post(url + PATH, data=body) as answer:
                    completion = json.loads(await answer.read())
                assert completion["choices"][0]["message"]["content"]

            await _all(send, min(8, requests), 8)
            clock = Clock()
            await _all(send, requests, concurrency)
            return clock.read()

    return asyncio.run(run())


def blocking_socket(url: str, bodies: Bodies, requests: int, _concurrency: int) -> dict[str, float]:
    """Send and receive on one blocking socket without parsing: the lower bound in Python."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(1 << 16)
        clock = Clock()
        for number in range(requests):
            body = bodies[number % len(bodies)]
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            sent = link.sendmsg([head, body])
            if sent < len(head) + len(body):
                link.sendall(body[sent - len(head) :])
            assert link.recv_into(buffer) > 0
        return clock.read()


CONTENDERS = {"reference": reference, "aiohttp": aiohttp_bytes, "socket": blocking_socket}


def main() -> None:
    """Run one contender."""
    name, url, store, requests, concurrency = sys.argv[1:]
    found = CONTENDERS[name](url, Bodies(Path(store)), int(requests), int(concurrency))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
