"""Telemetry of CPU and memory: the host, the load client's processes, the servers' trees, and others."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import psutil

from weighbridge.core.proc import PROC, below, children_by_parent
from weighbridge.records.telemetry_record import Metric
from weighbridge.system.telemetry.local_endpoints import local_ports, ports_of
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

    def __init__(self, server_pids: tuple[int, ...], endpoints: tuple[str, ...] = ()) -> None:
        """Prepare to read.

        Args:
            server_pids: The servers' own processes, where we started them.
            endpoints: URLs of the servers.
        """
        self._server_pids, self._endpoints = server_pids, endpoints
        self._groups: dict[str, Group] = {}
        self._alone: Group = {}  # ours too, and in none of the groups
        self._serving: frozenset[int] | None = None
        self._serving_known = False
        self._walked_s = float("-inf")
        self._read_s = float("-inf")
        self._cpu_s: dict[int, float] = {}
        self._host_s: HostTimes | None = None

    def read(self) -> Sequence[MetricReading]:
        """Read everything once; nothing within 0.5 s of the last call. Cores in use need an earlier call."""
        now_s = monotonic()
        if now_s - self._read_s < _SHORTEST_S:
            return []
        # The client's processes start after the first reading, all together, the driver's last.
        if now_s - self._walked_s >= _WALK_EVERY_S or self._groups.keys().isdisjoint(_DRIVERS.values()):
            self._walked_s = now_s
            self._walk()
        elapsed_s, self._read_s = now_s - self._read_s, now_s
        before, self._cpu_s = self._cpu_s, {}
        host_before, self._host_s = self._host_s, HostTimes.read()
        readings: list[MetricReading] = []
        for source, group in self._groups.items():
            readings.extend(self._group(source, group, before, elapsed_s))
        self._cpu_s |= _use_of(self._alone)[0]
        readings.append(
            MetricReading("host", Metric.MEMORY_AVAILABLE_BYTES, psutil.virtual_memory().available)
        )
        if host_before is not None:
            ours_s = _spent_s(self._cpu_s, before) if self._serving_known else None
            readings.extend(self._host_s.since(host_before, elapsed_s, ours_s))
        return readings

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _walk(self) -> None:
        """Find the client's processes by what they run, the servers' by their parents, and others of ours."""
        this, servers, children = os.getpid(), self._server_pids, children_by_parent()
        ours = _processes({this, *below(this, children=children)})
        # A server that an earlier job started is not below this process.
        serving = _processes({*servers, *below(*servers, children=children)})
        groups: dict[str, Group] = {}
        for process in ours.values():
            with suppress(psutil.Error):
                if process.ppid() == this and (name := _client_name(process.cmdline())):
                    groups[name] = {process.pid: process}
        self._groups = groups | ({_SERVER: serving} if serving else {})
        seen = {pid for group in self._groups.values() for pid in group}
        self._alone = {pid: each for pid, each in ours.items() if pid not in seen}
        if self._serving != serving.keys():
            # A server that none of these processes is would count as a stranger.
            self._serving_known = local_ports(self._endpoints) <= ports_of(serving.values())
            self._serving = frozenset(serving)

    def _group(
        self, source: str, group: Group, before: dict[int, float], elapsed_s: float
    ) -> Iterator[MetricReading]:
        times_s, rss_bytes = _use_of(group)
        self._cpu_s |= times_s
        if times_s.keys() & before.keys():
            yield MetricReading(source, Metric.CPU_CORES, _spent_s(times_s, before) / elapsed_s)
        if group:
            yield MetricReading(source, Metric.RSS_BYTES, rss_bytes)


def _use_of(group: Group) -> tuple[dict[int, float], int]:
    """Drop the processes of a group that ended; return the others' CPU time, and their memory together."""
    times_s: dict[int, float] = {}
    rss_bytes = 0
    for pid, process in list(group.items()):
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:
            del group[pid]
            continue
        times_s[pid] = times.user + times.system
        rss_bytes += memory.rss
    return times_s, rss_bytes


@dataclass(frozen=True)
class HostTimes:
    """What the kernel has counted of all cores together, in s since the machine's start.

    Attributes:
        busy_s: Of running processes.
        stolen_s: In which the hypervisor ran others, while something here could have run.
        pressed_s: In which some process waited for a core; None: this kernel does not count it.
    """

    busy_s: float
    stolen_s: float
    pressed_s: float | None

    @classmethod
    def read(cls) -> "HostTimes":
        """Read the counters."""
        times = psutil.cpu_times()
        busy_s = times.user + times.nice + times.system + times.irq + times.softirq
        return cls(busy_s, times.steal, _pressed_s())

    def since(self, before: "HostTimes", elapsed_s: float, ours_s: float | None) -> Iterator[MetricReading]:
        """Yield averages since an earlier reading.

        Args:
            before: That reading.
            elapsed_s: Time since then.
            ours_s: CPU time of our processes and the servers' since then; None: not known.
        """
        busy_s = max(0.0, self.busy_s - before.busy_s)
        yield MetricReading("host", Metric.CPU_CORES, busy_s / elapsed_s)
        yield MetricReading("host", Metric.LOGICAL_CPUS, psutil.cpu_count() or 1)
        yield MetricReading("host", Metric.STEAL_CORES, max(0.0, self.stolen_s - before.stolen_s) / elapsed_s)
        if ours_s is not None:
            yield MetricReading("host", Metric.OTHER_CORES, max(0.0, busy_s - ours_s) / elapsed_s)
        if self.pressed_s is not None and before.pressed_s is not None:
            pressure = max(0.0, self.pressed_s - before.pressed_s) / elapsed_s
            yield MetricReading("host", Metric.CPU_PRESSURE, min(1.0, pressure))


def _pressed_s() -> float | None:
    try:
        first = (PROC / "pressure" / "cpu").read_text().split("\n", 1)[0]
        return int(first.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None


def _processes(pids: Iterable[int]) -> Group:
    """Return those of these processes that live."""
    found: Group = {}
    for pid in pids:
        with suppress(psutil.Error):
            found[pid] = psutil.Process(pid)
    return found


def _spent_s(now_s: dict[int, float], before_s: dict[int, float]) -> float:
    """Return the CPU time since an earlier reading, of all processes that it has too."""
    return sum(max(0.0, spent_s - before_s[pid]) for pid, spent_s in now_s.items() if pid in before_s)


def _client_name(command: Sequence[str]) -> str | None:
    """Return the name of a process of the load client, from its command line; None for other processes."""
    found = next(filter(None, map(_CLIENT.fullmatch, command)), None)
    if found is None:
        return None
    number = _NUMBER.search(command[-1])
    driver = _DRIVERS.get(found["module"])
    return driver or (f"process worker {number[1]}" if number else None)
