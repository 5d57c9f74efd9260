"""How late a worker comes to what has arrived: measured at a sample of its reads, and by a timer.

The kernel notes when each packet arrived; a sampled read compares that with now. Where packets have been
joined in the socket's queue, as of a stream whose reader was stopped, only the last one's time is left. A
timer of the kernel's, which waits for the worker in the same epoll as the sockets, shows such a stop whole.
"""

import select
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic_ns, time_ns

import msgspec

from weighbridge.client.kernel_timer import KernelTimer

_EVERY_READS = 17  # a prime, so that waves of reads do not fall in step; a sampled one costs 1.3 us
_EVERY_NS = 20_000_000  # of the timer: 0.05 % of a core
_REPORT_EVERY = 5  # expirations, thus 0.1 s
_NS = 1_000_000_000
_SUB_BITS = 4  # 16 buckets an octave: a percentile is at most 6 % too high
# asm-generic/socket.h: option and kind of control message alike. The socket module does not name it.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_CONTROL_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)


class WaitCounts(msgspec.Struct):
    """A distribution of waits, in nanoseconds, that grows by single waits and can be joined with others."""

    buckets: dict[int, int] = {}
    total_ns: int = 0
    max_ns: int = 0

    def add(self, wait_ns: int) -> None:
        """Count one wait; a clock that was set back makes it 0."""
        wait_ns = max(wait_ns, 0)
        shift = max(wait_ns.bit_length() - _SUB_BITS - 1, 0)
        bucket = (shift << _SUB_BITS) + (wait_ns >> shift)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.total_ns += wait_ns
        self.max_ns = max(self.max_ns, wait_ns)

    def join(self, other: "WaitCounts") -> None:
        """Add another's waits."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.total_ns += other.total_ns
        self.max_ns = max(self.max_ns, other.max_ns)

    @property
    def samples(self) -> int:
        """How many waits were counted."""
        return sum(self.buckets.values())

    def quantile_ns(self, share: float) -> int:
        """Return the upper end of the bucket that holds the quantile; 0: nothing was counted."""
        left, upper = self.samples * share, 0
        for bucket in sorted(self.buckets):
            shift = max((bucket >> _SUB_BITS) - 1, 0)
            upper = ((bucket - (shift << _SUB_BITS) + 1) << shift) - 1
            left -= self.buckets[bucket]
            if left <= 0:
                break
        return min(upper, self.max_ns)


class BacklogCounts(msgspec.Struct):
    """What one worker has measured of its own lateness.

    Attributes:
        packets: From a packet's arrival at this machine to its reading, at the sampled reads.
        timer: From each expiration of the timer to its handling.
    """

    packets: WaitCounts
    timer: WaitCounts

    @classmethod
    def empty(cls) -> "BacklogCounts":
        """Return counts of nothing."""
        return cls(WaitCounts({}), WaitCounts({}))

    @classmethod
    def joined(cls, reports: Iterable[str]) -> "BacklogCounts":
        """Return the counts of all workers, from the last report of each; an empty report counts nothing."""
        whole = cls.empty()
        for report in filter(None, reports):
            counts = msgspec.json.decode(report, type=cls)
            whole.packets.join(counts.packets)
            whole.timer.join(counts.timer)
        return whole


class BacklogMeter:
    """Measures the lateness of one worker.

    Attributes:
        fd: The timer, which the worker's epoll watches.
        unreported: Whether a tenth of a second has passed since the last report, and something was counted.
    """

    def __init__(self) -> None:
        """Start the timer.

        Raises:
            OSError: the system has no timer left.
        """
        self._due_ns = monotonic_ns() + _EVERY_NS
        self._timer = KernelTimer()
        self._timer.set(self._due_ns, _EVERY_NS)
        self.fd = self._timer.fd
        self.unreported = False
        self._counts = BacklogCounts.empty()
        self._reads_left, self._rings_left = _EVERY_READS, _REPORT_EVERY
        self._worked = self._counted = False
        # The kernel begins to note times some moments after the first socket asked for it; this one does.
        self._first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        note_arrivals(self._first)

    def close(self) -> None:
        """Stop the timer."""
        self._timer.close()
        self._first.close()

    def ring(self, working: bool) -> None:
        """Count how late the timer's expirations are handled, each one that was missed too.

        Args:
            working: Whether requests are in flight. Without any, now and at the last expiration, nothing that
                arrives can be late.
        """
        expired = self._timer.expired()
        if not expired:
            return
        now = monotonic_ns()
        if working or self._worked:
            self._counted = True
            for number in range(expired):
                self._counts.timer.add(now - self._due_ns - number * _EVERY_NS)
        self._worked = working
        self._due_ns += expired * _EVERY_NS
        self._rings_left -= expired
        if self._rings_left <= 0:
            self._rings_left, self.unreported = _REPORT_EVERY, self._counted

    def look(self, connected: socket.socket, event: int) -> None:
        """Be told of each event of a socket; before some reads, compare the time of what arrived with now.

        Where more than data has arrived, nothing is looked at: that would take a socket's error away, by
        which a refused connection is told from an open one.
        """
        self._reads_left -= 1
        if self._reads_left > 0 or event != select.EPOLLIN:
            return
        self._reads_left = _EVERY_READS
        try:
            # Of the class below, because a TLS socket refuses this call.
            _, notes, _, _ = socket.socket.recvmsg(connected, 1, _CONTROL_BYTES, socket.MSG_PEEK)
        except OSError:
            return  # nothing to read, or a broken connection, which the read itself will tell
        for _, kind, data in notes:
            if kind == _SO_TIMESTAMPNS:
                seconds, ns = _TIMESPEC.unpack(data)
                self._counts.packets.add(time_ns() - seconds * _NS - ns)
                self._counted = True

    def report(self) -> bytes:
        """Return all counts so far, as JSON."""
        self.unreported = self._counted = False
        return msgspec.json.encode(self._counts)


def note_arrivals(unconnected: socket.socket) -> None:
    """Let the kernel keep the time of arrival of a socket's packets, where it can."""
    with suppress(OSError):
        unconnected.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
