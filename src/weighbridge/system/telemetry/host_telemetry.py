"""Telemetry of CPU and memory: the host, the load client's processes, and the servers' process trees."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import monotonic

import psutil

from weighbridge.records.telemetry_record import Metric
from weighbridge.system.telemetry.samples import MetricReading

# A shorter interval gives no useful value of the cores in use: the kernel counts in ticks of 10 ms.
_SHORTEST_S = 0.5
# Which processes belong together is looked up this often: it reads all processes of the machine.
_WALK_EVERY_S = 30.0
_SERVER = "process server"
# The process that decides when requests leave, by its module.
_DRIVERS = {"loadgen.loadgen_process": "process loadgen", "client.issuing_process": "process issuer"}
# What client/process_group.py starts: a module, and its job as JSON.
_CLIENT = re.compile(
    r"weighbridge\.(?P<module>loadgen\.loadgen_process|client\.issuing_process|client\.worker)\b"
)
_NUMBER = re.compile(r'"number":(\d+)')

Group = dict[int, psutil.Process]


class HostSource:
    """The host and its processes, read from the kernel.

    The servers' memory is the sum over their processes, so memory that they share is counted several times.
    Children that end between two look-ups are not seen.
    """

    name = "host and processes"

    def __init__(self, server_pids: tuple[int, ...]) -> None:
        self._server_pids = frozenset(server_pids)
        self._groups: dict[str, Group] = {}
        self._walked_s = float("-inf")
        self._read_s = float("-inf")
        self._cpu_s: dict[int, float] = {}
        self._host_cpu_s: float | None = None

    def read(self) -> Sequence[MetricReading]:
        """Read everything once; nothing within 0.5 s of the last call. Cores in use need an earlier call."""
        now_s = monotonic()
        if now_s - self._read_s < _SHORTEST_S:
            return []
        # The client's processes start after the first reading, all together, the driver's last.
        if now_s - self._walked_s >= _WALK_EVERY_S or self._groups.keys().isdisjoint(_DRIVERS.values()):
            self._walked_s = now_s
            self._groups = self._walk()
        elapsed_s, self._read_s = now_s - self._read_s, now_s
        before, self._cpu_s = self._cpu_s, {}
        readings = list(self._host(elapsed_s))
        for source, group in self._groups.items():
            readings.extend(self._group(source, group, before, elapsed_s))
        return readings

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _walk(self) -> dict[str, Group]:
        """Return the client's processes, found by what they run, and the servers', found by their parents."""
        groups: dict[str, Group] = {}
        parents: dict[int, int] = {}
        below = psutil.Process().children(recursive=True)
        for process in below:
            with suppress(psutil.Error):
                parents[process.pid] = process.ppid()
                if parents[process.pid] == os.getpid() and (name := _client_name(process.cmdline())):
                    groups[name] = {process.pid: process}
        servers = {process.pid: process for process in below if self._serves(process.pid, parents)}
        return groups | ({_SERVER: servers} if servers else {})

    def _serves(self, pid: int, parents: dict[int, int]) -> bool:
        while pid not in self._server_pids and pid in parents:
            pid = parents[pid]
        return pid in self._server_pids

    def _group(
        self, source: str, group: Group, before: dict[int, float], elapsed_s: float
    ) -> Iterator[MetricReading]:
        spent_s, rss_bytes, known = 0.0, 0, False
        for pid, process in list(group.items()):
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                del group[pid]
                continue
            self._cpu_s[pid] = times.user + times.system
            rss_bytes += memory.rss
            if pid in before:
                known = True
                spent_s += max(0.0, self._cpu_s[pid] - before[pid])
        if known:
            yield MetricReading(source, Metric.CPU_CORES, spent_s / elapsed_s)
        if group:
            yield MetricReading(source, Metric.RSS_BYTES, rss_bytes)

    def _host(self, elapsed_s: float) -> Iterator[MetricReading]:
        times = psutil.cpu_times()
        busy_s = times.user + times.nice + times.system + times.irq + times.softirq
        if self._host_cpu_s is not None:
            yield MetricReading("host", Metric.CPU_CORES, max(0.0, busy_s - self._host_cpu_s) / elapsed_s)
        self._host_cpu_s = busy_s
        yield MetricReading("host", Metric.MEMORY_AVAILABLE_BYTES, psutil.virtual_memory().available)


def _client_name(command: Sequence[str]) -> str | None:
    """Return the name of a process of the load client, from its command line; None for other processes."""
    found = next(filter(None, map(_CLIENT.fullmatch, command)), None)
    if found is None:
        return None
    number = _NUMBER.search(command[-1])
    driver = _DRIVERS.get(found["module"])
    return driver or (f"process worker {number[1]}" if number else None)
