"""The accelerators: NVIDIA's told by NVML, AMD's by amd-smi."""

import contextlib
from collections.abc import Callable
from typing import Any

import pynvml

from weighbridge.records.run_record import ECC_MODE
from weighbridge.system.detection.amd import amd_fields
from weighbridge.system.detection.commands import output_of
from weighbridge.system.gpus import visible_accelerators

Fields = dict[str, str]

_NO_ACCELERATOR = "N/A"
_FIELDS = (
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "accelerator_memory_configuration",
    "accelerator_frequency",
    "accelerator_on-chip_memories",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
)


def accelerators() -> Fields:
    """Describe the GPUs; without any, every field is N/A and their number the text "0".

    The text, because the official checker takes a number 0 for an empty field.
    """
    indices = [device.index for device in visible_accelerators()]
    if indices:
        return _nvidia(indices)
    amd = amd_fields(output_of("amd-smi", "static", "--json"))
    return amd or {"accelerators_per_node": "0"} | dict.fromkeys(_FIELDS, _NO_ACCELERATOR)


def _nvidia(indices: list[int]) -> Fields:
    pynvml.nvmlInit()
    try:
        told = [_device(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in indices]
        driver = _asked(pynvml.nvmlSystemGetDriverVersion)
        cuda = _asked(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    finally:
        pynvml.nvmlShutdown()
    names = dict.fromkeys(name for device in told for name in device)
    fields = {name: _alike([device.get(name, "") for device in told]) for name in names}
    software = [f"NVIDIA driver {driver}"] if driver else []
    if cuda:
        software.append(f"CUDA {cuda // 1000}.{cuda % 1000 // 10} (driver)")
    return {"accelerators_per_node": str(len(told)), "other_software_stack": ", ".join(software)} | fields


def _device(handle: Any) -> Fields:
    """Ask one GPU everything; what it does not tell stays out."""
    fields = {
        "accelerator_model_name": str(pynvml.nvmlDeviceGetName(handle)),
        "accelerator_memory_capacity": f"{pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30:.0f} GiB",
    }
    bus_bits = _asked(pynvml.nvmlDeviceGetMemoryBusWidth, handle)
    memory_mhz = _asked(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_MEM)
    if bus_bits and memory_mhz:
        fields["accelerator_memory_configuration"] = f"{bus_bits}-bit bus at {memory_mhz} MHz"
    core_mhz = _asked(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM)
    if core_mhz:
        fields["accelerator_frequency"] = f"{core_mhz} MHz"
    generation = _asked(pynvml.nvmlDeviceGetMaxPcieLinkGeneration, handle)
    width = _asked(pynvml.nvmlDeviceGetMaxPcieLinkWidth, handle)
    if generation and width:
        fields["accelerator_host_interconnect"] = f"PCIe Gen{generation} x{width}"
    ecc = _asked(pynvml.nvmlDeviceGetEccMode, handle)
    if ecc is not None:
        fields[ECC_MODE] = "enabled" if ecc[0] else "disabled"
    limit_mw = _asked(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    if limit_mw:
        fields["accelerator_power_limit"] = f"{limit_mw / 1000:.0f} W"
    return fields | _nvlink(handle)


def _nvlink(handle: Any) -> Fields:
    """Count the active NVLinks; where they end at a switch, the GPUs are connected through it."""
    links = [
        link
        for link in range(pynvml.NVML_NVLINK_MAX_LINKS)
        if _asked(pynvml.nvmlDeviceGetNvLinkState, handle, link)
    ]
    if not links:
        return {"accelerator_interconnect": "PCIe"}
    fields = {"accelerator_interconnect": f"NVLink, {len(links)} links"}
    remote = _asked(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, links[0])
    if remote == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        fields["accelerator_interconnect_topology"] = "NVSwitch"
    return fields


def _asked(question: Callable[..., Any], *arguments: Any) -> Any:
    """Ask NVML; None where this GPU or driver has no answer."""
    with contextlib.suppress(pynvml.NVMLError):
        return question(*arguments)
    return None


def _alike(values: list[str]) -> str:
    """Say once what all devices say; where they differ, all that they say."""
    return ", ".join(sorted(set(filter(None, values))))
