"""What to start for a run: the command line, environment, log and endpoint of every server process."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.config.settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.serving.gpu_assignment import shares
from weighbridge.serving.ports import check_port, free_ports
from weighbridge.serving.slurm import Node, nodes_of_job, step_environment

# The rules allow nothing to be kept from one query to the next: no prefix cache, no picture cache.
_RULES_ARGUMENTS = ("--no-enable-prefix-caching", "--mm-processor-cache-gb=0")
_CONTAINER_PROGRAM = "apptainer"


@dataclass(frozen=True)
class Launch:
    """One process to start.

    Attributes:
        launcher: Beginning of the command line that brings it elsewhere: srun, a container.
        command: The server's own command line.
        environment: All of its environment.
        log: File that receives what it prints.
        endpoint: Where it will answer; None for a helper of a server on other nodes.
        cpus: The CPUs it may use; empty for all.
        devices: Its CUDA_VISIBLE_DEVICES, where the plan sets them.
    """

    launcher: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    log: Path
    endpoint: str | None
    cpus: frozenset[int] = frozenset()
    devices: tuple[str, ...] = ()


def find_executable(settings: ServerSettings) -> Path:
    """Find the program that a server starts with: its own, or the one that runs its container.

    Raises:
        SetupError: it is not there, or cannot be run.
    """
    name = settings.executable if settings.container is None else _CONTAINER_PROGRAM
    found = shutil.which(name)
    if found is None and settings.container is not None:
        raise SetupError(
            f"server.container needs the program '{name}', which is not here; install it, or remove "
            "server.container for a vLLM of this machine."
        )
    if found is None:
        raise SetupError(
            f"the model server '{name}' is not an executable file here; install it "
            "(make setup builds the demo's), or set server.executable, or server.endpoints for a running one."
        )
    return Path(found)


def program(settings: ServerSettings, model: Path | None = None) -> tuple[tuple[str, ...], str]:
    """Write what stands before a server's program, and the program, which a container knows by its name.

    Raises:
        SetupError: it is not there.
    """
    executable = str(find_executable(settings))
    if settings.container is None:
        return (), executable
    graphics = ("--nv",) if settings.gpus else ()
    # The model's folder is all that it needs and may not see by itself.
    folder = ("--bind", f"{model}:{model}:ro") if model else ()
    return (executable, "exec", *graphics, *folder, settings.container), settings.executable


def plan(
    settings: ServerSettings, model: Path, log_path: Path, api_key: str | None = None
) -> tuple[Launch, ...]:
    """Plan the servers of a run.

    Args:
        settings: The server's settings.
        model: Folder of the model.
        log_path: Log of a single server; several get a number before its ending.
        api_key: Key that clients will send; reaches the servers by their environment.

    Raises:
        SetupError: a program, a port, GPUs or the allocation are not as the settings need them.
    """
    key = {"VLLM_API_KEY": api_key} if api_key else {}
    if settings.launcher == "srun":
        return _over_nodes(settings, model, log_path, key)
    return _on_this_machine(settings, model, log_path, key)


def _on_this_machine(
    settings: ServerSettings, model: Path, log_path: Path, key: dict[str, str]
) -> tuple[Launch, ...]:
    if settings.port is not None:
        check_port(settings.port)
    ports = (settings.port,) if settings.port else free_ports(settings.replicas)
    launcher, executable = program(settings, model)
    launches = []
    for number, (port, share) in enumerate(zip(ports, shares(settings), strict=True)):
        # NVML and the plan number GPUs by their place on the bus, CUDA by itself the fastest first.
        devices = {"CUDA_VISIBLE_DEVICES": ",".join(share.devices), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        launches.append(
            Launch(
                launcher,
                serve_command(settings, executable, model, "127.0.0.1", port),
                {**_environment(os.environ, executable), **settings.env, **key}
                | (devices if share.devices else {}),
                _numbered(log_path, number, settings.replicas),
                f"http://127.0.0.1:{port}",
                share.cpus,
                share.devices,
            )
        )
    return tuple(launches)


def _over_nodes(
    settings: ServerSettings, model: Path, log_path: Path, key: dict[str, str]
) -> tuple[Launch, ...]:
    """Plan one server for each node of the allocation, or for each `nodes_per_replica` of them."""
    nodes, span = nodes_of_job(), settings.nodes_per_replica
    if len(nodes) % span:
        raise SetupError(
            f"the job has {len(nodes)} nodes, which server.nodes_per_replica ({span}) does not divide; "
            "ask for another number of nodes (profiles/slurm)."
        )
    launcher, executable = program(settings, model)
    environment = {**_environment(step_environment(), executable), **settings.env, **key}
    launches = []
    for first in range(0, len(nodes), span):
        head, *_ = group = nodes[first : first + span]
        port = settings.port or head.free_port()
        command = serve_command(settings, executable, model, head.address, port)
        for rank, node in enumerate(group):
            spanning = _spanning(rank, span, head) if span > 1 else ()
            launches.append(
                Launch(
                    (*node.launcher, *launcher),
                    (*command, *spanning),
                    environment,
                    _numbered(log_path, first + rank, len(nodes)),
                    f"http://{head.address}:{port}" if rank == 0 else None,
                )
            )
    return tuple(launches)


def _spanning(rank: int, nodes: int, head: Node) -> tuple[str, ...]:
    """Make one server of processes on several nodes, as vLLM 0.12 does without Ray: the first one answers."""
    arguments = (f"--nnodes={nodes}", f"--node-rank={rank}", f"--master-addr={head.address}")
    return (*arguments, "--headless") if rank else arguments


def serve_command(
    settings: ServerSettings, executable: str, model: Path, host: str, port: int
) -> tuple[str, ...]:
    """Write the command line of one server."""
    sharding = settings.tensor_parallel_size
    return (
        executable,
        "serve",
        str(model),
        f"--served-model-name={settings.model_name}",
        f"--host={host}",
        f"--port={port}",
        *_RULES_ARGUMENTS,
        *((f"--tensor-parallel-size={sharding}",) if sharding > 1 else ()),
        *settings.args,
    )


def _environment(base: Mapping[str, str], executable: str) -> dict[str, str]:
    """Let the server find the programs beside it, as in its own environment, and leave its log plain."""
    inherited = dict(base)
    beside = str(Path(executable).parent)
    return inherited | {"PATH": f"{beside}:{inherited.get('PATH', os.defpath)}", "NO_COLOR": "1"}


def _numbered(log_path: Path, number: int, of: int) -> Path:
    return log_path if of == 1 else log_path.with_stem(f"{log_path.stem}-{number}")
