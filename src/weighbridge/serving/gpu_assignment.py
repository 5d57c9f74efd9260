"""Which GPUs and CPUs each of several servers on one machine gets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.config.settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.system.gpus import Device, cpus_of, visible_devices


@dataclass(frozen=True)
class Share:
    """What one server may use; an empty share leaves it all that this process has.

    Attributes:
        devices: Its entries of CUDA_VISIBLE_DEVICES.
        cpus: The CPUs next to its GPUs.
    """

    devices: tuple[str, ...] = ()
    cpus: frozenset[int] = frozenset()


def shares(settings: ServerSettings) -> tuple[Share, ...]:
    """Divide this machine's GPUs among the replicas; a single one keeps what is visible.

    Raises:
        SetupError: the GPUs cannot be divided equally, or too few fall to each.
    """
    if settings.replicas == 1:
        return (Share(),)
    devices = visible_devices()[: settings.gpus or None]
    if not devices:
        return (Share(),) * settings.replicas
    each = len(devices) // settings.replicas
    if len(devices) % settings.replicas or each < settings.tensor_parallel_size:
        raise SetupError(
            f"{len(devices)} visible GPUs cannot be divided into {settings.replicas} servers "
            f"(server.replicas) of {settings.tensor_parallel_size} GPUs (server.tensor_parallel_size); "
            "change one of them."
        )
    return tuple(_share(group) for group in divide(devices, settings.replicas))


def divide(devices: Sequence[Device], groups: int) -> list[tuple[Device, ...]]:
    """Cut devices into groups of equal size, each on one NUMA node as far as that goes.

    What does not fit onto one node is made of leftovers; devices beyond a multiple of `groups` stay unused.
    """
    size = len(devices) // groups
    free: dict[int | None, list[Device]] = {}
    for device in devices:
        free.setdefault(device.numa_node, []).append(device)
    result = []
    for _ in range(groups):
        roomiest = max(free.values(), key=len)
        pool = roomiest if len(roomiest) >= size else [device for rest in free.values() for device in rest]
        group = tuple(pool[:size])
        result.append(group)
        for rest in free.values():
            rest[:] = [device for device in rest if device not in group]
    return sorted(result, key=lambda group: devices.index(group[0]))


def _share(group: Sequence[Device]) -> Share:
    nodes = {device.numa_node for device in group}
    cpus: frozenset[int] = frozenset()
    if None not in nodes:
        near = frozenset[int]().union(*(cpus_of(node) for node in nodes if node is not None))
        # A job's own limit on CPUs stands above nearness.
        cpus = near & os.sched_getaffinity(0)
    return Share(tuple(device.token for device in group), cpus)
