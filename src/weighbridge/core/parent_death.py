"""A child process that never outlives its parent, not even when it is stopped or stuck."""

import ctypes
import os
import signal
import sys

# In the environment of servers: the process of the guard that ends them. They outlive the command that they
# were started for, so one that is a program of ours must not end with it.
GUARD_VARIABLE = "WEIGHBRIDGE_GUARD"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Make the kernel end this process as soon as its parent is gone; end it if it is already.

    To the kernel the parent is the thread that started this process: that thread has to live as long as the
    process is needed. Processes that this one starts do not inherit the order.

    Args:
        parent: Process id of the parent, as the parent itself knows it.
        number: The signal that ends it, or does something else in its place.

    Raises:
        OSError: the system cannot do it.
        SystemExit: the parent is gone.
    """
    prctl(_PR_SET_PDEATHSIG, number)
    # A parent that ended before the order was given sends no signal any more.
    if os.getppid() != parent:
        sys.exit(f"the process {parent}, which started this one, is gone.")


def prctl(option: int, value: int) -> None:
    """Change a property of this process, or read one into an address, as the system's manual says.

    Args:
        option: Which; see linux/prctl.h.
        value: A number, or an address.

    Raises:
        OSError: the system cannot do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
