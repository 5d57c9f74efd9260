"""The accelerators that a process may use, and the NUMA node each one hangs on."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pynvml

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_PCI_DEVICES = Path("/sys/bus/pci/devices")
_NUMA_NODES = Path("/sys/devices/system/node")


@dataclass(frozen=True)
class Accelerator:
    """One GPU as NVML tells it."""

    index: int
    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Device:
    """One entry of CUDA_VISIBLE_DEVICES, and its NUMA node where the machine tells."""

    token: str
    numa_node: int | None


def visible_accelerators() -> tuple[Accelerator, ...]:
    """List the NVIDIA GPUs that this process may use, in CUDA's order; none where there is no driver.

    CUDA_VISIBLE_DEVICES restricts the list when it names devices by number; a list of UUIDs is counted
    as it stands, since NVML numbers devices otherwise.
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


def visible_devices() -> tuple[Device, ...]:
    """List what CUDA_VISIBLE_DEVICES may be made of here: its own entries, or all GPUs where it is unset."""
    tokens = _visible_tokens()
    with _nvml() as driver:
        if tokens is None:
            tokens = [str(index) for index in range(pynvml.nvmlDeviceGetCount())] if driver else []
        return tuple(Device(token, _numa_node(token) if driver else None) for token in tokens)


def cpus_of(numa_node: int) -> frozenset[int]:
    """List the CPUs of a NUMA node; none where the machine does not tell."""
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
    """Tell whether a driver answers, and have it answer for the length of a with block."""
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
    """Read CUDA_VISIBLE_DEVICES as CUDA does: the first entry that names nothing ends the list."""
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
    return node if node >= 0 else None  # the kernel says -1 where it does not know
