"""Checks of the machine itself: cores, memory, disk, limits, and what else runs on it."""

import os
import resource
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from weighbridge.config.client_settings import ClientSettings
from weighbridge.core.formatting import disk_size
from weighbridge.system.detection.commands import text_of
from weighbridge.system.machine_check import MEASURING, MachineCheck, MachineUse

# The demo's environments and results, and what its server and its client hold at once.
_DEMO_DISK_BYTES, _DEMO_MEMORY_BYTES = 10_000_000_000, 4_000_000_000
_FEW_CORES = 2
_BUSY_SHARE, _STEAL_SHARE = 0.1, 0.01
_LOOK_S = 0.5
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_CPUS, _CPU_QUOTA = Path("/sys/devices/system/cpu"), Path("/sys/fs/cgroup/cpu.max")


def host_checks(
    folder: Path, client: ClientSettings, disk_bytes: int | None, memory_bytes: int | None
) -> Iterator[MachineCheck]:
    """Yield the checks of this machine.

    Args:
        folder: Where results and downloads will lie.
        client: Settings of the load client.
        disk_bytes: What the configured benchmark downloads and writes; None: not known.
        memory_bytes: What it needs besides the GPUs' memory; None: not known.
    """
    yield _cores()
    yield _memory(memory_bytes)
    yield _swap()
    yield from _disk(folder, disk_bytes)
    yield _open_files(client.descriptors_of_worker)
    yield _ports(client.connections)
    yield _governor()
    yield _other_load()


def _cores() -> MachineCheck:
    cores = len(os.sched_getaffinity(0))
    quota, _, period = text_of(_CPU_QUOTA).partition(" ")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, int(quota) // int(period)))
    few = f"use a machine with {_FEW_CORES} cores or more: client and server need one each"
    return MachineCheck.of("cores", f"{cores}", MEASURING, warning=few if cores < _FEW_CORES else None)


def _memory(needed_bytes: int | None) -> MachineCheck:
    memory = psutil.virtual_memory()
    found = f"{disk_size(memory.available)} available of {disk_size(memory.total)}"
    if memory.available < _DEMO_MEMORY_BYTES:
        return MachineCheck.of(
            "memory", found, warning=f"end other programs: the demo uses {disk_size(_DEMO_MEMORY_BYTES)}"
        )
    if needed_bytes is not None and memory.total < needed_bytes:
        short = f"the benchmark of config.yaml wants {disk_size(needed_bytes)}: use a larger machine for it"
        return MachineCheck.of("memory", found, warning=short)
    return MachineCheck.of("memory", found)


def _swap() -> MachineCheck:
    used = psutil.swap_memory().used
    return MachineCheck.of(
        "swap",
        f"{disk_size(used)} in use",
        MEASURING,
        warning="what is swapped out comes back in the middle of a run: end other programs, or `swapoff -a`"
        if used
        else None,
    )


def _disk(folder: Path, needed_bytes: int | None) -> Iterator[MachineCheck]:
    free = shutil.disk_usage(folder).free
    where = f"{disk_size(free)} free in {folder.resolve()}"
    short = f"make room, or work on another disk: {disk_size(_DEMO_DISK_BYTES)} are needed"
    yield MachineCheck.of(
        "disk for the demo",
        where,
        (MachineUse.DEMO,),
        missing=short if free < _DEMO_DISK_BYTES else None,
    )
    if needed_bytes is not None:
        short = (
            f"make room for {disk_size(needed_bytes)}, unless the model is fetched already, or name your "
            "copy by artifacts.model.path"
        )
        yield MachineCheck.of(
            "disk for the benchmark",
            where,
            (MachineUse.BENCHMARK, MachineUse.SLURM, MachineUse.MMLU),
            missing=short if free < needed_bytes else None,
        )


def _open_files(needed: int) -> MachineCheck:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    short = hard != resource.RLIM_INFINITY and hard < needed
    remedy = f"raise the limit to {needed:,} (ulimit -Hn, or limits.conf), or lower client.connections"
    found = "unlimited" if hard == resource.RLIM_INFINITY else f"{hard:,} (now {soft:,}, raised as needed)"
    return MachineCheck.of("open files (ulimit -n)", found, MEASURING, missing=remedy if short else None)


def _ports(connections: int) -> MachineCheck:
    try:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
    except OSError as error:
        return MachineCheck.of(
            "ports", f"none can be opened ({error.strerror})", missing="allow programs to listen on 127.0.0.1"
        )
    limits = text_of(_PORT_RANGE).split()
    if len(limits) != 2:
        return MachineCheck.of("ports", "one can be opened")
    count = int(limits[1]) - int(limits[0]) + 1
    # Linux looks at every second port first, and slowly at the others.
    few = count // 2 < connections
    remedy = f"widen net.ipv4.ip_local_port_range: each of {connections:,} connections takes a port"
    return MachineCheck.of("ports", f"{count:,} for connections", MEASURING, warning=remedy if few else None)


def _governor() -> MachineCheck:
    found = sorted({text_of(path) for path in _CPUS.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""})
    slow = [name for name in found if name != "performance"]
    return MachineCheck.of(
        "CPU governor",
        ", ".join(found) or "not reported",
        MEASURING,
        warning="clocks follow the load, and so do latencies: `cpupower frequency-set -g performance`"
        if slow
        else None,
    )


def _other_load() -> MachineCheck:
    times = psutil.cpu_times_percent(interval=_LOOK_S)
    busy, steal = 1 - (times.idle + times.iowait) / 100, times.steal / 100
    found = f"{busy:.0%} of the cores busy, {steal:.1%} taken by other virtual machines"
    if steal >= _STEAL_SHARE:
        return MachineCheck.of("other load", found, MEASURING, warning="measure on a host of your own")
    if busy >= _BUSY_SHARE:
        return MachineCheck.of(
            "other load", found, MEASURING, warning="end other programs: they would be measured too"
        )
    return MachineCheck.of("other load", found, MEASURING)
