"""TCP ports of this machine: a free one, and who holds one that is not."""

import contextlib
import socket

import psutil

from weighbridge.errors import SetupError

# As source text too, because other nodes of an allocation are asked by a program of one line.
FREE_PORT_SOURCE = "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])"


def free_ports(count: int) -> tuple[int, ...]:
    """Let the system choose ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return tuple(probe.getsockname()[1] for probe in probes)


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
