"""A descriptor that becomes readable when a process ends; see pidfd_open(2).

The Pythons of conda are built for old systems and lack `os.pidfd_open`. Kernels before 5.3 and some
containers refuse the call itself; there a thread looks at the process a few times a second.
"""

import ctypes
import errno
import os
import threading
import time

from weighbridge.core.proc import ProcessId

_SYS_PIDFD_OPEN = 434  # on every architecture but alpha
_REFUSED = (errno.ENOSYS, errno.EPERM)
_LOOK_EVERY_S = 0.2


def open_process_end(pid: int) -> int:
    """Return a descriptor that becomes readable when a process has ended; the caller closes it.

    Raises:
        ProcessLookupError: there is no such process.
        OSError: no descriptor is left.
    """
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else _pidfd_open(pid)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    return _looked_at(pid)


def _pidfd_open(pid: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.syscall(ctypes.c_long(_SYS_PIDFD_OPEN), ctypes.c_int(pid), ctypes.c_uint(0))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def _looked_at(pid: int) -> int:
    """Return the reading end of a pipe, whose other end a thread closes when the process has ended."""
    try:
        process = ProcessId.of(pid)
    except FileNotFoundError:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from None
    reading, writing = os.pipe()

    def look() -> None:
        while process.lives:
            time.sleep(_LOOK_EVERY_S)
        os.close(writing)

    threading.Thread(target=look, name="process end", daemon=True).start()
    return reading
