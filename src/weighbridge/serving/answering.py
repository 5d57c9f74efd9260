"""Proof that the servers which answer are the ones that were started, and no stranger on their ports."""

import os
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from weighbridge.core.proc import below
from weighbridge.serving.listeners import stranger_at
from weighbridge.serving.server_process import ServerProcess
from weighbridge.serving.slurm import Node

PROVEN = "every socket that listens at an endpoint belongs to a process below the guard of the servers"
PROVEN_ON_NODES = (
    "every socket that listens at an endpoint belongs to a process of this Slurm job on its node"
)


def stranger_among(servers: Sequence[ServerProcess]) -> str | None:
    """Return which endpoint is answered by another process than the started one, and by which; None: by none.

    Raises:
        LookupError: it cannot be seen; says why.
        SetupError: the node of an endpoint cannot be asked.
    """
    for endpoint, found in _found(servers):
        if found is not None:
            return f"{found} listens at {endpoint} beside or instead of the server that was started"
    return None


def _found(servers: Sequence[ServerProcess]) -> Iterator[tuple[str, str | None]]:
    started: set[int] | None = None
    for server in servers:
        endpoint, node = server.launch.endpoint, server.launch.node
        if endpoint is None:
            continue  # it helps a server on another node, and answers nobody
        address = urlsplit(endpoint)
        host, port = address.hostname or "", address.port or 0
        if node is not None:
            yield endpoint, _on_node(node, host, port)
            continue
        started = below(server.group.guard_pid) if started is None else started
        yield endpoint, stranger_at(host, port, started)


def _on_node(node: Node, host: str, port: int) -> str | None:
    return node.stranger_at(host, port, os.environ["SLURM_JOB_ID"])


def how_proven(servers: Sequence[ServerProcess]) -> str:
    """Return how `stranger_among` proves that the right servers answer, for a record."""
    return PROVEN_ON_NODES if any(server.launch.node for server in servers) else PROVEN
