"""The GPUs that a process may use, and the NUMA node that each belongs to."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pynvml

from weighbridge.core.errors import SetupError

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_PCI_DEVICES = Path("/sys/bus/pci/devices")
_NUMA_NODES = Path("/sys/devices/system/node")


@dataclass(frozen=True)
class Accelerator:
    """One GPU as NVML reports it."""

    index: int
    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Device:
    """One entry of CUDA_VISIBLE_DEVICES, and its NUMA node; None where the machine does not report it."""

    token: str
    numa_node: int | None


def visible_accelerators() -> tuple[Accelerator, ...]:
    """Return the NVIDIA GPUs that this process may use, in CUDA's order; none where there is no driver.

    CUDA_VISIBLE_DEVICES restricts the list if it names devices by number. If it names UUIDs, as many GPUs
    are returned as it has entries, since NVML numbers devices in another order.
    """
    with _nvml() as driver:
        if not driver:
            return ()
        devices = tuple(_describe(index) for index in range(pynvml.nvmlDeviceGetCount()))
    tokens = _visible_tokens()
    if tokens is None:
        return devices
    if all(token.isdigit() for token in tokens):
        return tuple(device for device in devices if str(device.index) in tokens)
    return devices[: len(tokens)]


def check_accelerators(wanted: int) -> tuple[str, ...]:
    """Check that as many GPUs are visible as the settings ask for.

    Raises:
        SetupError: there are fewer; the sentence points to the demo, which needs none.
    """
    found = tuple(device.name for device in visible_accelerators())
    if len(found) < wanted:
        raise SetupError(
            f"server.gpus asks for {wanted} GPUs and this machine shows {len(found) or 'none'}; run on a "
            "machine that has them, lower server.gpus, or see all of it work without a GPU: "
            "snakemake --profile profiles/demo submission."
        )
    return found


def visible_devices() -> tuple[Device, ...]:
    """Return the possible entries of CUDA_VISIBLE_DEVICES: its own, or all GPUs where it is unset."""
    tokens = _visible_tokens()
    with _nvml() as driver:
        if tokens is None:
            tokens = [str(index) for index in range(pynvml.nvmlDeviceGetCount())] if driver else []
        return tuple(Device(token, _numa_node(token) if driver else None) for token in tokens)


def cpus_of(numa_node: int) -> frozenset[int]:
    """Return the CPUs of a NUMA node; none where the machine does not report them."""
    try:
        text = (_NUMA_NODES / f"node{numa_node}" / "cpulist").read_text().strip()
    except OSError:
        return frozenset()
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


@contextlib.contextmanager
def _nvml() -> Iterator[bool]:
    """Keep NVML open for the duration of a with block; yields whether there is a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _visible_tokens() -> list[str] | None:
    """Return the entries of CUDA_VISIBLE_DEVICES up to the first invalid one, as CUDA reads it."""
    visible = os.environ.get(_VISIBLE)
    if visible is None:
        return None
    tokens = []
    for entry in visible.split(","):
        token = entry.strip()
        if not (token.isdigit() or token.startswith(("GPU-", "MIG-"))):
            break
        tokens.append(token)
    return tokens


def _describe(index: int) -> Accelerator:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Accelerator(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )


def _numa_node(token: str) -> int | None:
    try:
        if token.isdigit():
            handle = pynvml.nvmlDeviceGetHandleByIndex(int(token))
        else:
            handle = pynvml.nvmlDeviceGetHandleByUUID(token)
        bus_id = pynvml.nvmlDeviceGetPciInfo(handle).busId
        # NVML writes the PCI domain with eight digits, the kernel with four.
        address = (bus_id.decode() if isinstance(bus_id, bytes) else bus_id).lower()[-12:]
        node = int((_PCI_DEVICES / address / "numa_node").read_text())
    except (pynvml.NVMLError, OSError, ValueError):
        return None
    return node if node >= 0 else None  # the kernel writes -1 where it does not know
