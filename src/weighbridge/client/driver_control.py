"""What every driver process has in common: how it begins, and what it tells the process that started it."""

import json
import socket
import traceback
from contextlib import suppress
from pathlib import Path

from weighbridge.core.errors import machine_trouble
from weighbridge.core.files import disk_failure
from weighbridge.core.parent_death import prctl

PROGRESS_EVERY_S = 0.5
EARLY_LIMIT_S = 5.0
"""Connections that are not open by then are of no use before the first requests, which tell the trouble."""

_READ_BYTES = 8 << 20
_PR_SET_TIMERSLACK = 29


def tell(control: socket.socket, **message: object) -> None:
    """Send the parent one JSON object on a line."""
    control.sendall(json.dumps(message).encode() + b"\n")


def tell_failure(control: socket.socket, process: str, doing: str, error: BaseException, out: str) -> None:
    """Send the parent why this process cannot go on, and whether the machine is the cause.

    What a library or the system says is told in one sentence; an error of this program shows its place too.

    Args:
        control: The socket to the parent.
        process: How people call this process, such as LoadGen's process.
        doing: What it did, such as collecting outcomes.
        error: What went wrong.
        out: The run's folder.
    """
    full = disk_failure(error, out) if isinstance(error, OSError) else None
    trouble = machine_trouble(error)
    said = trouble.rstrip(".") if trouble else f"{type(error).__name__}: {error}"
    reason = full or f"{process} failed while {doing}: {said}"
    tell(control, event="failed", reason=reason, machine=trouble is not None)
    if not isinstance(error, OSError | MemoryError | RuntimeError):
        with suppress(OSError):  # its log may be on a full disk
            traceback.print_exception(error)


def inherited_socket(descriptor: int) -> socket.socket:
    """Return an inherited socket; the system is asked nothing, and so cannot refuse."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)


def read_into_page_cache(path: Path, start: int = 0, stop: int | None = None) -> None:
    """Read bytes of a file into the page cache before the clock starts, so that no request waits for a disk.

    Args:
        path: The file.
        start: Offset of the first byte.
        stop: Offset after the last one; None: the file's end. Up to 8 MiB more are read.
    """
    buffer = bytearray(_READ_BYTES)
    with path.open("rb", buffering=0) as stream:
        stream.seek(start)
        while (stop is None or stream.tell() < stop) and stream.readinto(buffer):
            pass


def sleep_precisely() -> None:
    """Let this process wake when it asked to; the default slack of 50 us would delay every request."""
    prctl(_PR_SET_TIMERSLACK, 1)
