"""A server that a worker sends requests to: address, idle connections, and whether it can be reached."""

import os
import socket
import ssl
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_IP_LOCAL_PORT_RANGE = 51  # of Linux; Python has no name for it

C = TypeVar("C")  # of a connection; this module does not use what it can do


class Endpoint(Generic[C]):
    """A base URL and the state of the connections to it.

    Attributes:
        in_flight: Requests given to it and not finished.
        given: Requests given to it so far, by which equals share the load.
        idle: Open connections without a request, by descriptor, the last used last.
        request_head: The head of every request, up to what differs: id and length.
        down_since_ns: When it first refused a connection, 0 while it can be reached.
    """

    __slots__ = (
        "address",
        "down_since_ns",
        "family",
        "given",
        "host",
        "idle",
        "in_flight",
        "number",
        "probed_ns",
        "request_head",
        "tls",
        "url",
    )

    def __init__(self, number: int, url: str, path: str, api_key: str | None, nonce: str) -> None:
        """Resolve the URL's host.

        Args:
            number: Its place among the endpoints.
            url: A base URL, with or without /v1.
            path: Where requests are posted, such as /v1/chat/completions.
            api_key: Sent as a bearer token; None: no key.
            nonce: What the ids of the requests start with.

        Raises:
            OSError: the host has no address, or the system's certificates cannot be read.
        """
        parts = urlsplit(url)
        self.number, self.url, self.host = number, url, parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)[0]
        self.family, self.address = found[0], found[4]
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        target = parts.path.rstrip("/").removesuffix("/v1") + path
        authorization = f"Authorization: Bearer {api_key}\r\n" if api_key else ""
        self.request_head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
            f"Content-Type: application/json\r\n{authorization}X-Request-Id: {nonce}"
        ).encode()
        self.in_flight = 0
        self.given = 0
        self.idle: dict[int, C] = {}
        self.down_since_ns = 0
        self.probed_ns = 0

    def new_socket(self) -> socket.socket:
        """Return a socket for a connection to this endpoint; it never blocks, and sends at once.

        Raises:
            OSError: the system has none left.
        """
        made = socket.socket(self.family, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Linux first tries every second port of its range. Once these are used up, 14,116 connections to one
        # address, each `connect` looks at all of them again: 1.1 ms, where it is 8 us. With a range of its
        # own, though it is the same, a socket gets the next free port (Linux 6.8; earlier ones refuse it or
        # search as before).
        with suppress(OSError):
            made.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, _local_ports())
        return made


@cache
def _local_ports() -> bytes:
    """Return the system's range of ports for connections as the kernel reads it; empty if it is not known."""
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        return b""
    return (int(high) << 16 | int(low)).to_bytes(4, sys.byteorder)


def socket_error(number: int) -> str:
    """Return the system's text for a socket's error number, in lower case."""
    return os.strerror(number).lower()
