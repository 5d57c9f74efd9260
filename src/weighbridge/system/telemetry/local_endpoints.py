"""Which endpoints are on this machine, and which processes listen for them."""

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

_PORTS = {"http": 80, "https": 443}
# What a server prints that listens on all addresses; who connects to one of them comes to this machine.
_ANY = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def local_ports(endpoints: Sequence[str]) -> set[int]:
    """Return the ports of those endpoints that are on this machine; a name that does not resolve is not."""
    interfaces = psutil.net_if_addrs().values()
    here = _ANY | {address.address.partition("%")[0] for each in interfaces for address in each}
    found = set()
    for endpoint in endpoints:
        url = urlsplit(endpoint)
        port = url.port or _PORTS.get(url.scheme, 0)
        with suppress(OSError, UnicodeError):
            addresses = {str(each[4][0]) for each in socket.getaddrinfo(url.hostname, port)}
            if any(address in here or address.startswith("127.") for address in addresses):
                found.add(port)
    return found


def ports_of(processes: Iterable[psutil.Process]) -> set[int]:
    """Return the TCP ports that these processes listen on; another user's process does not show its own."""
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            found |= {
                each.laddr.port
                for each in process.net_connections("tcp")
                if each.status == psutil.CONN_LISTEN
            }
    return found
