"""Plan the server processes of a run: command line, environment, log and endpoint of each."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.serving.adapter import NodePlace, ServerAdapter, ServerStart
from weighbridge.serving.arguments import switch_of, switched_off
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.ports import check_port, free_ports
from weighbridge.serving.program import launch_prefix
from weighbridge.serving.server_environment import inherited_by_server
from weighbridge.serving.slurm import Node, nodes_of_job, step_environment
from weighbridge.system.gpus import Device, cpus_of, visible_devices

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """One process to start.

    Attributes:
        launcher: Beginning of the command line that runs it elsewhere: srun, a container.
        command: The server's own command line.
        environment: Its whole environment.
        log: File that receives what it prints.
        endpoint: Where it will answer; None for a process that only helps a server on another node.
        cpus: The CPUs it may use; empty for all.
        devices: Its CUDA_VISIBLE_DEVICES, where the plan sets it.
        node: Where it runs, if Slurm starts it there.
        portless: The command line with 0 in place of a port that is chosen anew each time.
    """

    launcher: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    log: Path
    endpoint: str | None
    cpus: frozenset[int] = frozenset()
    devices: tuple[str, ...] = ()
    node: Node | None = None
    portless: tuple[str, ...] = ()


def plan(
    settings: ServerSettings,
    model: Path,
    log_path: Path,
    forbidden: Sequence[ServerFeature],
    api_key: str | None = None,
) -> tuple[Launch, ...]:
    """Return the server processes of a run.

    Args:
        settings: The server's settings.
        model: Folder of the model.
        log_path: Log of a single server; several get a number before its suffix.
        forbidden: Features that the round forbids.
        api_key: Key that clients will send; reaches the servers by their environment.

    Raises:
        InputError: there is no adapter of the settings' name.
        SetupError: a program, a port, the GPUs or the allocation are not as the settings need them, or the
            server cannot be started without a forbidden feature or with a key.
    """
    adapter = adapter_of(settings)
    required = _required_environment(adapter, forbidden, api_key)
    off = switched_off(adapter, forbidden)
    plan_servers = _over_nodes if settings.launcher == "srun" else _on_this_machine
    return plan_servers(settings, adapter, model, log_path, off, required)


def _required_environment(
    adapter: ServerAdapter, forbidden: Sequence[ServerFeature], api_key: str | None
) -> dict[str, str]:
    """Return the variables that the settings may not change: the key, and what switches features off."""
    variables = {
        name: value
        for feature in forbidden
        for name, value in switch_of(adapter, feature).environment.items()
    }
    if not api_key:
        return variables
    if adapter.api_key_variable is None:
        raise SetupError(
            f"{adapter.title} takes a key only on its command line, where everyone on the machine can read "
            "it; start it yourself and set server.endpoints, or remove client.api_key_env."
        )
    return variables | {adapter.api_key_variable: api_key}


def _on_this_machine(
    settings: ServerSettings,
    adapter: ServerAdapter,
    model: Path,
    log_path: Path,
    off: tuple[str, ...],
    required: dict[str, str],
) -> tuple[Launch, ...]:
    ports = (settings.port,) if settings.port else free_ports(settings.replicas)
    launcher, executable = launch_prefix(settings, model)
    launches = []
    for number, (port, share) in enumerate(zip(ports, assign_gpus(settings), strict=True)):
        # NVML and the plan number GPUs by their place on the bus, CUDA by default the fastest first.
        devices = {"CUDA_VISIBLE_DEVICES": ",".join(share.devices), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        start = ServerStart(settings, executable, model, "127.0.0.1", port, off)
        launches.append(
            Launch(
                launcher,
                adapter.command(start),
                {**_environment(os.environ, executable), **settings.env, **required}
                | (devices if share.devices else {}),
                numbered(log_path, number, settings.replicas),
                f"http://127.0.0.1:{port}",
                share.cpus,
                share.devices,
                portless=adapter.command(replace(start, port=settings.port or 0)),
            )
        )
    return tuple(launches)


def check_fixed_port(settings: ServerSettings) -> None:
    """Check, before the start, that nothing listens on a port of this machine that the settings fix.

    Raises:
        SetupError: something does.
    """
    if settings.port is not None and settings.launcher == "local":
        check_port(settings.port)


def _over_nodes(
    settings: ServerSettings,
    adapter: ServerAdapter,
    model: Path,
    log_path: Path,
    off: tuple[str, ...],
    required: dict[str, str],
) -> tuple[Launch, ...]:
    """Return one server for each node of the allocation, or for each `nodes_per_replica` of them."""
    nodes, span = nodes_of_job(), settings.nodes_per_replica
    if len(nodes) % span:
        raise SetupError(
            f"the job has {len(nodes)} nodes, which server.nodes_per_replica ({span}) does not divide; "
            "ask for another number of nodes (profiles/slurm)."
        )
    launcher, executable = launch_prefix(settings, model)
    environment = {**_environment(step_environment(), executable), **settings.env, **required}
    launches = []
    for first in range(0, len(nodes), span):
        head, *_ = group = nodes[first : first + span]
        port = settings.port or head.free_port()
        for rank, node in enumerate(group):
            place = NodePlace(rank, span, head.address) if span > 1 else None
            start = ServerStart(settings, executable, model, head.address, port, off, place)
            launches.append(
                Launch(
                    (*node.launcher, *launcher),
                    adapter.command(start),
                    environment,
                    numbered(log_path, first + rank, len(nodes)),
                    f"http://{head.address}:{port}" if rank == 0 else None,
                    node=node,
                    portless=adapter.command(replace(start, port=settings.port or 0)),
                )
            )
    return tuple(launches)


def _environment(base: Mapping[str, str], executable: str) -> dict[str, str]:
    """Return an environment in which the server finds the programs beside it and logs without colours."""
    inherited = inherited_by_server(base)
    beside = str(Path(executable).parent)
    return inherited | {"PATH": f"{beside}:{inherited.get('PATH', os.defpath)}", "NO_COLOR": "1"}


def numbered(log_path: Path, number: int, count: int) -> Path:
    """Return the log of one of several processes; of a single one, the path itself."""
    return log_path if count == 1 else log_path.with_stem(f"{log_path.stem}-{number}")


@dataclass(frozen=True)
class GpuShare:
    """What one server may use; if empty, everything that this process may use.

    Attributes:
        devices: Its entries of CUDA_VISIBLE_DEVICES.
        cpus: The CPUs next to its GPUs.
    """

    devices: tuple[str, ...] = ()
    cpus: frozenset[int] = frozenset()


def with_sharding(settings: ServerSettings) -> ServerSettings:
    """Return the settings with the number of GPUs that 'auto' shards the model over on this machine.

    That is each replica's part of the visible GPUs, over all nodes that a server spans; 1 if there is none.
    """
    if settings.tensor_parallel_size != "auto":
        return settings
    visible = len(visible_devices()[: settings.gpus or None]) * settings.nodes_per_replica
    size = max(1, visible // settings.replicas)
    _log.info("server.tensor_parallel_size auto: %d, of %d visible GPUs", size, visible)
    return settings.model_copy(update={"tensor_parallel_size": size})


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
    if len(devices) % settings.replicas or each < settings.shards:
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
