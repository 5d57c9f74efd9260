"""The accelerators that a process may use."""

import os
from dataclasses import dataclass

import pynvml


@dataclass(frozen=True)
class Accelerator:
    """One GPU as NVML tells it."""

    index: int
    name: str
    memory_bytes: int


def visible_accelerators() -> tuple[Accelerator, ...]:
    """List the NVIDIA GPUs that this process may use, in CUDA's order; none where there is no driver.

    CUDA_VISIBLE_DEVICES restricts the list when it names devices by number; a list of UUIDs is counted
    as it stands, since NVML numbers devices otherwise.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        devices = tuple(_describe(index) for index in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return devices
    wanted = [entry.strip() for entry in visible.split(",") if entry.strip()]
    if all(entry.isdigit() for entry in wanted):
        return tuple(device for device in devices if str(device.index) in wanted)
    return devices[: len(wanted)]


def _describe(index: int) -> Accelerator:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Accelerator(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )
