"""TCP ports of this machine: a free one, and who holds one that is not.

Run as a program it prints a free port: so other nodes of an allocation are asked.
"""

import contextlib
import random
import socket
import sys

import psutil

from weighbridge.core.errors import SetupError

# Below those that the system hands out by itself: srun, a client or a server's own processes could be given
# a port of that range between our look and the server's start.
_CANDIDATES = range(20000, 32768)


def free_ports(count: int) -> tuple[int, ...]:
    """Find ports that nobody listens on, all different.

    Raises:
        SetupError: there are not as many.
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
    """Make sure that nothing listens on a fixed port.

    Raises:
        SetupError: naming the port, and who holds it where the system tells.
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
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


if __name__ == "__main__":
    sys.stdout.write(f"{free_ports(1)[0]}\n")
