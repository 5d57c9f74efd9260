"""TCP ports of this machine: find free ones, and name the process that listens on a busy one.

Run as a program it prints a free port; that is how other nodes of an allocation are asked for one.
"""

import contextlib
import random
import socket
import sys

import psutil

from weighbridge.core.errors import SetupError

# Below the ports that the system assigns by itself: srun, a client or a server's own processes could be given
# one of those between our check and the server's start.
_CANDIDATES = range(20000, 32768)


def free_ports(count: int) -> tuple[int, ...]:
    """Return different ports on which nothing listens.

    Raises:
        SetupError: there are not that many.
    """
    found: list[int] = []
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if len(found) == count:
            return tuple(found)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            found.append(port)
    raise SetupError(f"fewer than {count} ports are free between {_CANDIDATES[0]} and {_CANDIDATES[-1]}.")


def check_port(port: int) -> None:
    """Check that nothing listens on a fixed port.

    Raises:
        SetupError: something does; names the port, and the process where the system shows it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SetupError(
                f"port {port} (server.port) is in use{_holder(port)}; stop that program, or remove "
                "server.port so that a free port is taken."
            ) from None


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listening and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


if __name__ == "__main__":
    sys.stdout.write(f"{free_ports(1)[0]}\n")
