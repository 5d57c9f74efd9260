"""The accelerators: NVIDIA's as NVML reports them, AMD's as `amd-smi static --json` does."""

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import pynvml

from weighbridge.records.run_record import ECC_MODE
from weighbridge.system.detection.commands import Fields, output_of
from weighbridge.system.gpus import visible_accelerators

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
    """Return the fields of the GPUs; without any, every field is N/A and their number the text "0".

    It is a text because the official checker takes a number 0 for an empty field.
    """
    indices = [device.index for device in visible_accelerators()]
    if indices:
        return _nvidia_fields(indices)
    amd = amd_fields(output_of("amd-smi", "static", "--json"))
    return amd or {"accelerators_per_node": "0"} | dict.fromkeys(_FIELDS, _NO_ACCELERATOR)


def _nvidia_fields(indices: list[int]) -> Fields:
    pynvml.nvmlInit()
    try:
        devices = [_nvidia_device(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in indices]
        driver = _answer(pynvml.nvmlSystemGetDriverVersion)
        cuda = _answer(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    finally:
        pynvml.nvmlShutdown()
    software = [f"NVIDIA driver {driver}"] if driver else []
    if cuda:
        software.append(f"CUDA {cuda // 1000}.{cuda % 1000 // 10} (driver)")
    numbered = {"accelerators_per_node": str(len(devices)), "other_software_stack": ", ".join(software)}
    return numbered | _combined(devices)


def _nvidia_device(handle: Any) -> Fields:
    """Return the fields of one GPU; what NVML does not report is left out."""
    fields = {
        "accelerator_model_name": str(pynvml.nvmlDeviceGetName(handle)),
        "accelerator_memory_capacity": f"{pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30:.0f} GiB",
    }
    bus_bits = _answer(pynvml.nvmlDeviceGetMemoryBusWidth, handle)
    memory_mhz = _answer(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_MEM)
    if bus_bits and memory_mhz:
        fields["accelerator_memory_configuration"] = f"{bus_bits}-bit bus at {memory_mhz} MHz"
    core_mhz = _answer(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM)
    if core_mhz:
        fields["accelerator_frequency"] = f"{core_mhz} MHz"
    generation = _answer(pynvml.nvmlDeviceGetMaxPcieLinkGeneration, handle)
    width = _answer(pynvml.nvmlDeviceGetMaxPcieLinkWidth, handle)
    if generation and width:
        fields["accelerator_host_interconnect"] = f"PCIe Gen{generation} x{width}"
    ecc = _answer(pynvml.nvmlDeviceGetEccMode, handle)
    if ecc is not None:
        fields[ECC_MODE] = "enabled" if ecc[0] else "disabled"
    limit_mw = _answer(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    if limit_mw:
        fields["accelerator_power_limit"] = f"{limit_mw / 1000:.0f} W"
    return fields | _nvlink(handle)


def _nvlink(handle: Any) -> Fields:
    """Return how a GPU is connected: its active NVLinks, or PCIe; links to a switch mean NVSwitch."""
    links = [
        link
        for link in range(pynvml.NVML_NVLINK_MAX_LINKS)
        if _answer(pynvml.nvmlDeviceGetNvLinkState, handle, link)
    ]
    if not links:
        return {"accelerator_interconnect": "PCIe"}
    fields = {"accelerator_interconnect": f"NVLink, {len(links)} links"}
    remote = _answer(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, links[0])
    if remote == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        fields["accelerator_interconnect_topology"] = "NVSwitch"
    return fields


def _answer(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call NVML; None where this GPU or driver does not support the call."""
    with contextlib.suppress(pynvml.NVMLError):
        return function(*arguments)
    return None


def amd_fields(amd_smi_json: str) -> Fields:
    """Return number, model, memory, PCIe link, power limit, ECC and driver; empty where there is no GPU.

    The tool's releases differ in their outer form (a list, or a list under gpu_data) and write numbers bare
    or with a unit beside them; what is not found is left out.
    """
    try:
        reported: Any = json.loads(amd_smi_json)
    except ValueError:
        return {}
    devices = reported.get("gpu_data") if isinstance(reported, dict) else reported
    if not isinstance(devices, list) or not devices:
        return {}
    fields = [_amd_device(device) for device in devices if isinstance(device, dict)]
    return {"accelerators_per_node": str(len(fields))} | _combined(fields)


def _amd_device(device: dict[str, Any]) -> Fields:
    driver = _amd_text(device, "driver", "version")
    pcie = (_amd_text(device, "bus", "max_pcie_width"), _amd_text(device, "bus", "max_pcie_speed"))
    ecc = _amd_text(device, "ras", "ecc_block_state", "UMC") or _amd_text(device, "ras", "ecc_block_state")
    fields = {
        "accelerator_model_name": _amd_text(device, "asic", "market_name"),
        "accelerator_memory_capacity": _amd_text(device, "vram", "size"),
        "accelerator_memory_configuration": _amd_text(device, "vram", "type"),
        "accelerator_host_interconnect": f"PCIe x{pcie[0]} {pcie[1]}".rstrip() if pcie[0] else "",
        "accelerator_power_limit": _amd_text(device, "limit", "max_power"),
        ECC_MODE: ecc.lower() if ecc.lower() in ("enabled", "disabled") else "",
        "other_software_stack": f"amdgpu {driver}" if driver else "",
    }
    return {name: value for name, value in fields.items() if value}


def _amd_text(device: dict[str, Any], *keys: str) -> str:
    """Return a nested value as text, a number with its unit; empty where it is missing or N/A."""
    value: Any = device
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict) and "value" in value:
        return f"{value['value']} {value.get('unit', '')}".strip()
    return str(value) if isinstance(value, str | int | float) and value not in ("", "N/A") else ""


def _combined(devices: Sequence[Fields]) -> Fields:
    """Return the fields of all devices together; a field in which they differ lists all its values."""
    names = dict.fromkeys(name for fields in devices for name in fields)
    values = {name: sorted({fields[name] for fields in devices if fields.get(name)}) for name in names}
    return {name: ", ".join(values[name]) for name in names}
