"""The library that fails the n-th call: compiled once, armed through a file that all processes map."""

import ctypes
import mmap
import shutil
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


class Kind(IntEnum):
    """Calls that are counted together; the order is that of shim.c."""

    WRITE = 0
    FSYNC = 1
    RENAME = 2
    CREATE = 3
    REMOVE = 4
    READ = 5
    SOCKET = 6
    CONNECT = 7
    SEND = 8
    RECV = 9
    EPOLL = 10
    SPAWN = 11
    EXEC = 12
    THREAD = 13
    PIPE = 14
    PRINT = 15  # writes to the standard streams


class Role(IntEnum):
    """Whose calls; the order is that of shim.c."""

    ANY = -1
    MAIN = 0
    LOADGEN = 1
    WORKER = 2
    OTHER = 3


@dataclass(frozen=True)
class CallFault:
    """Fail the n-th call of a kind.

    Attributes:
        error: An errno; 0: not an error, but half the bytes; below 0: that signal, and no error.
        lasting: Whether all later calls of that kind fail too, as on a full disk.
        under: READ and WRITE count only files below this folder.
    """

    role: Role
    kind: Kind
    nth: int
    error: int
    lasting: bool = False
    under: str = ""


class _State(ctypes.Structure):
    _fields_ = (
        ("armed", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("role", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("lasting", ctypes.c_int32),
        ("hits", ctypes.c_int32),
        ("nth", ctypes.c_int64),
        ("counts", ctypes.c_int64 * len(Kind) * (len(Role) - 1)),
        ("exempt", ctypes.c_int32),
        ("call", ctypes.c_char * 28),
        ("target", ctypes.c_char * 256),
        ("under", ctypes.c_char * 256),
    )


class State:
    """The mapped file of one zygote and of all that it starts."""

    def __init__(self, path: Path) -> None:
        """Map the file, which is made if it is not there."""
        self.path = path
        with path.open("ab") as stream:
            stream.truncate(ctypes.sizeof(_State))
        with path.open("r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), ctypes.sizeof(_State))
        self._state = _State.from_buffer(self._map)

    def prepare(self, fault: CallFault | None, exempt: int = 0) -> None:
        """Set everything but `armed`, which the process under test sets itself.

        Args:
            fault: What fails; None: nothing, calls are only counted.
            exempt: A process whose calls do not count.
        """
        ctypes.memset(ctypes.addressof(self._state), 0, ctypes.sizeof(_State))
        self._state.kind, self._state.exempt = -1, exempt
        if fault is not None:
            state = self._state
            state.kind, state.role, state.nth = fault.kind, fault.role, fault.nth
            state.error, state.lasting, state.under = fault.error, fault.lasting, fault.under.encode()

    def disarm(self) -> None:
        self._state.armed = 0

    def arm(self) -> None:
        self._state.armed = 1

    @property
    def hits(self) -> int:
        return int(self._state.hits)

    @property
    def place(self) -> str:
        """The call that was hit, and of what file, if any."""
        target = self._state.target.decode(errors="replace")
        return f"{self._state.call.decode()} {target}".strip()

    def counts(self) -> dict[tuple[Role, Kind], int]:
        """Return how many calls were made while armed."""
        return {
            (role, kind): self._state.counts[role][kind]
            for role in Role
            if role is not Role.ANY
            for kind in Kind
            if self._state.counts[role][kind]
        }


def compiler() -> str | None:
    """Return the C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def compiled(folder: Path) -> Path:
    """Compile the library into a folder; return its path."""
    cc = compiler()
    assert cc is not None
    library = folder / "shim.so"
    subprocess.run([cc, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl", "-pthread"], check=True)
    return library
