"""Assign the GPUs and CPUs of one machine to its servers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.system.gpus import Device, cpus_of, visible_devices


@dataclass(frozen=True)
class GpuShare:
    """What one server may use; if empty, everything that this process may use.

    Attributes:
        devices: Its entries of CUDA_VISIBLE_DEVICES.
        cpus: The CPUs next to its GPUs.
    """

    devices: tuple[str, ...] = ()
    cpus: frozenset[int] = frozenset()


def assign_gpus(settings: ServerSettings) -> tuple[GpuShare, ...]:
    """Return each replica's share of this machine's GPUs; a single replica uses all visible ones.

    Raises:
        SetupError: the GPUs cannot be divided equally, or each share is too small.
    """
    if settings.replicas == 1:
        return (GpuShare(),)
    devices = visible_devices()[: settings.gpus or None]
    if not devices:
        return (GpuShare(),) * settings.replicas
    each = len(devices) // settings.replicas
    if len(devices) % settings.replicas or each < settings.tensor_parallel_size:
        raise SetupError(
            f"{len(devices)} visible GPUs cannot be divided into {settings.replicas} servers "
            f"(server.replicas) of {settings.tensor_parallel_size} GPUs (server.tensor_parallel_size); "
            "change one of them."
        )
    return tuple(_share(group) for group in equal_groups(devices, settings.replicas))


def equal_groups(devices: Sequence[Device], groups: int) -> list[tuple[Device, ...]]:
    """Return groups of equal size, each on one NUMA node where possible.

    Groups that fit on no single node are made of the remaining devices. Devices beyond a multiple of `groups`
    stay unused.
    """
    size = len(devices) // groups
    free: dict[int | None, list[Device]] = {}
    for device in devices:
        free.setdefault(device.numa_node, []).append(device)
    result = []
    for _ in range(groups):
        largest = max(free.values(), key=len)
        source = largest if len(largest) >= size else [device for rest in free.values() for device in rest]
        group = tuple(source[:size])
        result.append(group)
        for rest in free.values():
            rest[:] = [device for device in rest if device not in group]
    return sorted(result, key=lambda group: devices.index(group[0]))


def _share(group: Sequence[Device]) -> GpuShare:
    nodes = {device.numa_node for device in group}
    cpus: frozenset[int] = frozenset()
    if None not in nodes:
        near = frozenset[int]().union(*(cpus_of(node) for node in nodes if node is not None))
        # The job's own limit on CPUs still holds.
        cpus = near & os.sched_getaffinity(0)
    return GpuShare(tuple(device.token for device in group), cpus)
