"""Whose process answers at an address: the listening sockets of this machine and who holds them; see proc(5).

A port that was free when a server started may be taken by a stranger before the server binds it, and with
SO_REUSEPORT even afterwards: the kernel then gives a part of the connections to each.

Run as a program on another node of a Slurm job it prints whether all listeners belong to that job.
"""

import socket
import sys
from collections.abc import Collection
from contextlib import suppress

from weighbridge.core.proc import PROC, all_pids, command_of, name_of, parent_of

_LISTEN = "0A"
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 (read, not bound)
# What the program prints; anything else is a stranger's name.
OURS, UNSEEN = "ours", "unseen"


def listening_sockets(address: str, port: int) -> set[str]:
    """Return the sockets that may be given a connection to an address and port, by their inodes.

    Those that listen at the address itself, or at all addresses of this machine. A name, as Slurm may have it
    of a node, stands for all of its addresses.

    Raises:
        LookupError: there is no address of that name.
    """
    found = set()
    try:
        addresses = {str(each[4][0]) for each in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise LookupError(f"{address} is no known name of a machine ({error.strerror})") from None
    for table in ("tcp", "tcp6"):
        with suppress(OSError):  # a machine without IPv6
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                host, _, number = local.partition(":")
                if (
                    state == _LISTEN
                    and int(number, 16) == port
                    and _address(host) in (*addresses, *_ANYWHERE)
                ):
                    found.add(rest[5])
    return found


def _address(hexadecimal: str) -> str:
    """Return an address as people write it; the kernel prints it in words of the machine's byte order."""
    words = [hexadecimal[start : start + 8] for start in range(0, len(hexadecimal), 8)]
    data = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    if len(data) == 4:
        return socket.inet_ntop(socket.AF_INET, data)
    mapped = data[:12] == bytes(10) + b"\xff\xff"
    return socket.inet_ntop(socket.AF_INET, data[12:]) if mapped else socket.inet_ntop(socket.AF_INET6, data)


def sockets_of(pid: int) -> set[str] | None:
    """Return the inodes of the sockets that a process has open; None where that may not be seen."""
    found = set()
    try:
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                kind, _, inode = str(link.readlink()).partition(":[")
                if kind == "socket":
                    found.add(inode.removesuffix("]"))
    except PermissionError:
        return None
    except OSError:
        pass  # it has ended
    return found


def stranger_at(address: str, port: int, ours: Collection[int]) -> str | None:
    """Return what else than our processes listens at an address and port; None: nothing does.

    Args:
        address: The address that requests are sent to, or its name.
        port: The port.
        ours: Our processes.

    Raises:
        LookupError: it cannot be seen; says why.
    """
    listening = listening_sockets(address, port)
    if not listening:
        raise LookupError(f"nothing is seen to listen at {address}:{port}")
    held = [sockets_of(pid) for pid in ours]
    listening = listening.difference(*filter(None, held))
    if not listening:
        return None
    for pid in all_pids():
        if (sockets_of(pid) or set()) & listening:
            with suppress(OSError):
                return f"{name_of(pid)} (process {pid})"
    if None in held:
        raise LookupError(f"the open files of a server at {address}:{port} may not be seen")
    return "a process of another user"


def processes_of_job(job: str) -> set[int]:
    """Return the processes of a Slurm job on this machine: those below the programs that run its steps."""
    inside: dict[int, bool] = {}
    return {pid for pid in all_pids() if _belongs(pid, job, inside)}


def _belongs(pid: int, job: str, known: dict[int, bool]) -> bool:
    if pid not in known:
        known[pid] = False
        with suppress(OSError):
            # Either may be hidden: a program may write its title over its environment, and a system may show
            # nobody the processes of others.
            step = " ".join(command_of(pid)).startswith(f"slurmstepd: [{job}.")
            known[pid] = step or f"SLURM_JOB_ID={job}" in _environment_of(pid)
            if not known[pid] and (parent := parent_of(pid)) > 1:
                known[pid] = _belongs(parent, job, known)
    return known[pid]


def _environment_of(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


if __name__ == "__main__":
    try:
        found = stranger_at(sys.argv[1], int(sys.argv[2]), processes_of_job(sys.argv[3]))
    except LookupError:
        found = UNSEEN
    sys.stdout.write(f"{found or OURS}\n")
