"""AMD's accelerators, as `amd-smi static --json` tells them."""

import json
from typing import Any

Fields = dict[str, str]


def amd_fields(amd_smi_json: str) -> Fields:
    """Read number, model, memory, PCIe link, power limit, ECC and driver; empty where there is no GPU.

    The tool's releases differ in their outer form (a list, or a list under gpu_data) and write numbers bare
    or with a unit beside them; what is not found is left out.
    """
    try:
        told: Any = json.loads(amd_smi_json)
    except ValueError:
        return {}
    devices = told.get("gpu_data") if isinstance(told, dict) else told
    if not isinstance(devices, list) or not devices:
        return {}
    each = [_device(device) for device in devices if isinstance(device, dict)]
    names = dict.fromkeys(name for fields in each for name in fields)
    alike = {name: ", ".join(sorted({fields[name] for fields in each if name in fields})) for name in names}
    return {"accelerators_per_node": str(len(each))} | alike


def _device(device: dict[str, Any]) -> Fields:
    driver = _worded(device, "driver", "version")
    pcie = (_worded(device, "bus", "max_pcie_width"), _worded(device, "bus", "max_pcie_speed"))
    ecc = _worded(device, "ras", "ecc_block_state", "UMC") or _worded(device, "ras", "ecc_block_state")
    fields = {
        "accelerator_model_name": _worded(device, "asic", "market_name"),
        "accelerator_memory_capacity": _worded(device, "vram", "size"),
        "accelerator_memory_configuration": _worded(device, "vram", "type"),
        "accelerator_host_interconnect": f"PCIe x{pcie[0]} {pcie[1]}".rstrip() if pcie[0] else "",
        "accelerator_power_limit": _worded(device, "limit", "max_power"),
        "accelerator_ecc_mode": ecc.lower() if ecc.lower() in ("enabled", "disabled") else "",
        "other_software_stack": f"amdgpu {driver}" if driver else "",
    }
    return {name: value for name, value in fields.items() if value}


def _worded(device: dict[str, Any], *keys: str) -> str:
    """Follow keys into nested objects; a number with its unit becomes one text, N/A nothing."""
    value: Any = device
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict) and "value" in value:
        return f"{value['value']} {value.get('unit', '')}".strip()
    return str(value) if isinstance(value, str | int | float) and value not in ("", "N/A") else ""
