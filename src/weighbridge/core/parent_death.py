"""A child process that never outlives its parent, not even when it is stopped or stuck."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process with SIGKILL as soon as its parent is gone; ends it if it is already.

    To the kernel the parent is the thread that started this process: that thread has to live as long as the
    process is needed. Processes that this one starts do not inherit the order.

    Args:
        parent: Process id of the parent, as the parent itself knows it.

    Raises:
        OSError: the system cannot do it.
        SystemExit: the parent is gone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_PDEATHSIG): {os.strerror(number)}")
    # A parent that ended before the order was given sends no signal any more.
    if os.getppid() != parent:
        sys.exit(f"the process {parent}, which started this one, is gone.")
