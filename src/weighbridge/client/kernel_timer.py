"""A timer of the kernel, which an epoll watches beside sockets; Python itself has them from 3.13 on."""

import ctypes
import os
import struct
from time import CLOCK_MONOTONIC

_NS = 1_000_000_000
_TFD_NONBLOCK, _TFD_TIMER_ABSTIME = os.O_NONBLOCK, 1
_EXPIRATIONS = struct.Struct("=Q")


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class KernelTimer:
    """A timer on the monotonic clock.

    Attributes:
        fd: Readable once the timer has expired.
    """

    def __init__(self) -> None:
        """Make a timer that never expires.

        Raises:
            OSError: the system has none left.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = int(self._libc.timerfd_create(CLOCK_MONOTONIC, _TFD_NONBLOCK))
        self._check(self.fd)
        self._timing = _Itimerspec()  # filled again by each call: making one takes longer than the call
        self._interval, self._value = self._timing.interval, self._timing.value
        self._reference = ctypes.byref(self._timing)

    def set(self, at_ns: int, every_ns: int = 0) -> None:
        """Let it expire at a time, at once if that has passed, and then at equal distances; 0: never.

        Earlier expirations are forgotten.

        Raises:
            OSError: the system refuses it.
        """
        interval, value = self._interval, self._value
        interval.seconds, interval.ns = divmod(every_ns, _NS)
        value.seconds, value.ns = divmod(at_ns, _NS)
        self._check(self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, self._reference, None))

    def expired(self) -> int:
        """Return how often it has expired since the last look."""
        try:
            (expired,) = _EXPIRATIONS.unpack(os.read(self.fd, _EXPIRATIONS.size))
        except BlockingIOError:
            return 0
        return int(expired)

    def close(self) -> None:
        """Stop the timer."""
        os.close(self.fd)

    @staticmethod
    def _check(result: int) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd: {os.strerror(number)}")
