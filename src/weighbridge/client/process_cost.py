"""The cost of a run's processes: CPU time and peak memory, read from the kernel while they live."""

import re
import time
from pathlib import Path


class ProcessCost:
    """CPU and memory of processes, by name. For a process that is gone, the last values stay.

    Attributes:
        cpu_s: User and system time since `start`.
        peak_rss_bytes: Largest resident memory, pages of the store's map included.
    """

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}
        self.peak_rss_bytes: dict[str, int] = {}
        self._pids: dict[str, int] = {}
        self._before_s: dict[str, float] = {}

    def add(self, name: str, pid: int) -> None:
        """Watch one more process."""
        self._pids[name] = pid
        self._before_s[name] = self.cpu_s[name] = 0.0
        self.peak_rss_bytes[name] = 0

    def start(self) -> None:
        """Exclude the CPU time spent so far: starting interpreters, loading modules."""
        for name, pid in self._pids.items():
            self._before_s[name] = _cpu_s(pid) or 0.0

    def sample(self) -> None:
        """Read all processes."""
        for name, pid in self._pids.items():
            cpu_s = _cpu_s(pid)
            if cpu_s is not None:
                self.cpu_s[name] = cpu_s - self._before_s[name]
                self.peak_rss_bytes[name] = max(self.peak_rss_bytes[name], _peak_rss_bytes(pid))


def _cpu_s(pid: int) -> float | None:
    """Read a process's CPU clock (nanoseconds, where /proc has ticks of 10 ms); None if it is gone."""
    try:
        return time.clock_gettime(
            (~pid << 3) | 2
        )  # clock_getcpuclockid(3): the CPUCLOCK_SCHED clock of a pid
    except OSError:
        return None


def _peak_rss_bytes(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
