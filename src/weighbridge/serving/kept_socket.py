"""The socket at which a guard with kept servers is found: by its name, and by who stands behind it.

The name is in Linux's abstract namespace: it is gone with the guard, however that ends. It holds the user and
the Snakemake whose jobs may use the servers. With the standard library alone, because the guard uses it.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

from weighbridge.core.proc import ProcessId, command_of, parent_of

SLOTS = 16  # kept servers of one Snakemake at the same time; further ones end with their command
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): process, user, group
_BACKLOG = 16
_CONNECT_S = 5.0


def open_door(name: str) -> socket.socket | None:
    """Listen at the first free name of an owner; None: there is none."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    for slot in range(SLOTS):
        with contextlib.suppress(OSError):
            door.bind(f"\0{name}-{slot}")
            door.listen(_BACKLOG)
            return door
    door.close()
    return None


def doors(name: str) -> Iterator[socket.socket]:
    """Yield a connection to whoever listens at each of an owner's names; the receiver closes it."""
    for slot in range(SLOTS):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_S)
        try:
            connection.connect(f"\0{name}-{slot}")
        except OSError:  # nobody is there, or does not take any more connections
            connection.close()
            continue
        yield connection


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Return process and user of the other end, as the kernel saw them when it connected or listened."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(raw)
    return pid, user


def may_ask(connection: socket.socket, top: int) -> bool:
    """Return whether the other end is a process of our user below a Snakemake."""
    pid, user = peer_of(connection)
    with contextlib.suppress(OSError):  # it has ended
        while user == os.getuid() and pid > 1:
            if pid == top:
                return True
            pid = parent_of(pid)
    return False


def not_ours(connection: socket.socket, top: ProcessId, command: list[str]) -> str | None:
    """Return why the other end is no guard of our user that was started below a Snakemake; None: it is one.

    Args:
        connection: To it.
        top: The Snakemake.
        command: The beginning of a guard's command line. Its first word may be another: jobs of one Snakemake
            run in different environments, and a server's fingerprint has Weighbridge's version.
    """
    pid, user = peer_of(connection)
    if user != os.getuid():
        return f"process {pid} of user {user}"
    try:
        process = ProcessId.of(pid)
        runs = command_of(pid)
    except OSError:
        return f"process {pid}, which has ended"
    if runs[1 : len(command)] != command[1:] or process.started_ticks < top.started_ticks:
        return f"process {pid} ({process.name})"
    return None
