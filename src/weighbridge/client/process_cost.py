"""The cost of a run's processes: CPU time and peak memory, read from the kernel while they live."""

import re
import time
from collections import deque
from pathlib import Path

WINDOW_S = 5.0
"""The busiest share of a core is over this long: bursts pass, and what keeps a process busy shows."""
_LEAST_S = 1.0  # a shorter run says nothing of a share


class _Busiest:
    """The largest share of a core that a process used over any window of a run."""

    def __init__(self) -> None:
        self.elapsed_s = self.cpu_s = 0.0
        self._largest = 0.0
        self._marks: deque[tuple[float, float]] = deque([(0.0, 0.0)])

    def add(self, elapsed_s: float, cpu_s: float) -> None:
        """Add what a process used in the time since the last look."""
        self.elapsed_s += elapsed_s
        self.cpu_s += cpu_s
        self._marks.append((self.elapsed_s, self.cpu_s))
        while len(self._marks) > 1 and self.elapsed_s - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()
        at_s, used_s = self._marks[0]
        if self.elapsed_s - at_s >= WINDOW_S:
            self._largest = max(self._largest, (self.cpu_s - used_s) / (self.elapsed_s - at_s))

    @property
    def share(self) -> float:
        """The largest share; of a run that is shorter than a window, its average."""
        return self._largest or self.cpu_s / max(self.elapsed_s, _LEAST_S)


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
        self._busiest: dict[str, _Busiest] = {}
        self._sampled_s = time.monotonic()
        self._counts = (0, 0)

    def add(self, name: str, pid: int) -> None:
        """Watch one more process."""
        self._pids[name] = pid
        self._before_s[name] = self.cpu_s[name] = 0.0
        self.peak_rss_bytes[name] = 0
        self._busiest[name] = _Busiest()

    def start(self) -> None:
        """Exclude the CPU time spent so far: starting interpreters, loading modules."""
        self._sampled_s = time.monotonic()
        for name, pid in self._pids.items():
            self._before_s[name], self.cpu_s[name] = cpu_time_s(pid) or 0.0, 0.0

    def sample(self, issued: int, completed: int) -> None:
        """Read all processes; `issued` and `completed` are the run's counts of samples so far.

        Time in which no request was open, as while LoadGen prepares its queries and writes its logs, is no
        part of `busy`.
        """
        before, self._counts = self._counts, (issued, completed)
        measuring = before[0] > before[1] or before != self._counts
        now_s = time.monotonic()
        elapsed_s, self._sampled_s = now_s - self._sampled_s, now_s
        for name, pid in self._pids.items():
            cpu_s = cpu_time_s(pid)
            if cpu_s is not None:
                used_s, before_s = cpu_s - self._before_s[name], self.cpu_s[name]
                self.cpu_s[name] = used_s
                self.peak_rss_bytes[name] = max(self.peak_rss_bytes[name], _peak_rss_bytes(pid))
                if measuring:
                    self._busiest[name].add(elapsed_s, used_s - before_s)

    @property
    def busy(self) -> dict[str, float]:
        """Each process's largest share of one core over any window in which requests were open."""
        return {name: busiest.share for name, busiest in self._busiest.items()}


def cpu_time_s(pid: int) -> float | None:
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
