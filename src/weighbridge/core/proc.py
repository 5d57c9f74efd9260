"""What /proc says of the processes of this machine: parents, descendants, names, starts; see proc(5).

With the standard library alone, because the guard of the servers and programs on other nodes use it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
# In the fields from the state on.
_STATE, _PARENT, _SESSION, _START = 0, 1, 3, 19


@dataclass(frozen=True)
class ProcessId:
    """A process: its number, the name of its program, and its start, because numbers are used again."""

    pid: int
    name: str = field(compare=False)  # of the program that it runs at present
    started_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Identify a process.

        Raises:
            OSError: there is no such process.
        """
        return cls(pid, name_of(pid), int(_fields(pid)[_START]))

    @property
    def lives(self) -> bool:
        """Return whether it still runs; a zombie does not."""
        try:
            fields = _fields(self.pid)
        except OSError:
            return False
        return int(fields[_START]) == self.started_ticks and fields[_STATE] not in "ZX"


def name_of(pid: int) -> str:
    """Return the name of a process's program.

    Raises:
        OSError: there is no such process.
    """
    return (PROC / str(pid) / "comm").read_text(errors="replace").strip()


def command_of(pid: int) -> list[str]:
    """Return a process's command line; empty for one of the kernel.

    Raises:
        OSError: there is no such process.
    """
    words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return words[:-1]


def parent_of(pid: int) -> int:
    """Return the parent of a process.

    Raises:
        OSError: there is no such process.
    """
    return int(_fields(pid)[_PARENT])


def session_of(pid: int) -> int:
    """Return the session of a process.

    Raises:
        OSError: there is no such process.
    """
    return int(_fields(pid)[_SESSION])


def is_stopped(pid: int) -> bool:
    """Return whether a signal, such as SIGSTOP, has stopped a process."""
    try:
        return _fields(pid)[_STATE] == "T"
    except OSError:
        return False


def _fields(pid: int) -> list[str]:
    """Return the fields of a process from its state on."""
    # The name before it, in parentheses, may hold spaces and parentheses itself.
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except ProcessLookupError:  # it ended between the opening and the reading
        raise FileNotFoundError(f"no process {pid}") from None


def all_pids() -> list[int]:
    """Return all processes of this machine that this one may see."""
    return [int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()]


def children_by_parent() -> dict[int, list[int]]:
    """Return the children of each process that has any."""
    found: dict[int, list[int]] = {}
    for pid in all_pids():
        with suppress(OSError):
            found.setdefault(parent_of(pid), []).append(pid)
    return found


def below(*tops: int, children: Mapping[int, Sequence[int]] | None = None) -> set[int]:
    """Return all descendants of these processes.

    Args:
        tops: The processes.
        children: Of each process, as `children_by_parent` returns them; None: as of now.
    """
    children = children_by_parent() if children is None else children
    found: set[int] = set()
    unseen = [pid for top in tops for pid in children.get(top, ())]
    while unseen:
        pid = unseen.pop()
        if pid not in found:
            found.add(pid)
            unseen.extend(children.get(pid, ()))
    return found
