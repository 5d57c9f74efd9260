"""What this machine tells about itself, as fields of a system description; nothing is guessed."""

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

from weighbridge.hardware import Accelerator, visible_accelerators

Fields = dict[str, str]

_NO_ACCELERATOR = "N/A"
_ACCELERATOR_FIELDS = (
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "accelerator_memory_configuration",
    "accelerator_frequency",
    "accelerator_on-chip_memories",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
)
# Devices of the kernel's own, not of the machine: RAM disks, loops, and layers over other disks.
_NO_DISK = ("loop", "ram", "zram", "dm-", "md", "sr", "nbd", "fd")
_LINK_TYPE = {"1": "Ethernet", "32": "InfiniBand"}


def detect() -> Fields:
    """Describe the machine that this runs on; a field that cannot be read is left out."""
    return {
        **processor(_lscpu()),
        "host_memory_capacity": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        **storage(Path("/sys/block")),
        **network(Path("/sys/class/net")),
        **accelerators(visible_accelerators()),
        **operating_system(),
    }


def _lscpu() -> str:
    try:
        answer = subprocess.run(
            ["lscpu", "--json"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
    except OSError:
        return ""
    return answer.stdout


def processor(lscpu_json: str) -> Fields:
    """Read model, sockets, cores a socket, frequency and caches from the output of `lscpu --json`."""
    try:
        told = dict(_flatten(json.loads(lscpu_json)["lscpu"]))
    except (ValueError, KeyError, TypeError):
        return {}
    fields = {
        "host_processor_model_name": told.get("Model name"),
        "host_processors_per_node": told.get("Socket(s)"),
        "host_processor_core_count": told.get("Core(s) per socket"),
    }
    if told.get("CPU max MHz"):
        fields["host_processor_frequency"] = f"{float(told['CPU max MHz']):.0f} MHz"
    caches = [
        f"{name.removesuffix(' cache')} {size}" for name, size in told.items() if name.endswith(" cache")
    ]
    fields["host_processor_caches"] = ", ".join(caches)
    # lscpu writes a dash where the kernel tells nothing, as in some virtual machines.
    return {name: value for name, value in fields.items() if value and value != "-"}


def _flatten(entries: list[dict[str, object]]) -> list[tuple[str, str]]:
    """List lscpu's fields, which newer releases nest."""
    found = []
    for entry in entries:
        found.append((str(entry["field"]).rstrip(":"), str(entry.get("data") or "")))
        children = entry.get("children")
        if isinstance(children, list):
            found += _flatten(children)
    return found


def storage(block: Path) -> Fields:
    """Sum up the disks under /sys/block."""
    size_bytes, kinds = 0, set()
    for device in sorted(block.iterdir()) if block.is_dir() else []:
        sectors = _text(device / "size")
        if device.name.startswith(_NO_DISK) or not sectors or sectors == "0":
            continue
        size_bytes += int(sectors) * 512
        kinds.add(_disk_kind(device))
    if not size_bytes:
        return {}
    return {
        "host_storage_capacity": f"{size_bytes / 1e9:.0f} GB",
        "host_storage_type": ", ".join(sorted(kinds)),
    }


def _disk_kind(device: Path) -> str:
    if device.name.startswith("nvme"):
        return "NVMe SSD"
    if device.name.startswith(("vd", "xvd")):
        return "virtual disk"
    return "HDD" if _text(device / "queue" / "rotational") == "1" else "SSD"


def network(net: Path) -> Fields:
    """Count the cards under /sys/class/net by driver and speed; a virtual interface has no device."""
    cards: Counter[str] = Counter()
    links = set()
    for interface in sorted(net.iterdir()) if net.is_dir() else []:
        link = _LINK_TYPE.get(_text(interface / "type"))
        if link is None or not (interface / "device").exists():
            continue
        links.add(link)
        driver = (interface / "device" / "driver").resolve().name
        speed_mbps = _text(interface / "speed")
        known = speed_mbps.isdigit() and speed_mbps != "0"
        cards[f"{driver} {int(speed_mbps) / 1000:g} Gbit/s" if known else driver] += 1
    if not cards:
        return {}
    return {
        "host_networking": ", ".join(sorted(links)),
        "host_network_card_count": ", ".join(f"{count}x {card}" for card, count in sorted(cards.items())),
    }


def accelerators(devices: Sequence[Accelerator]) -> Fields:
    """Name the GPUs; without any, every accelerator field is N/A and their number the text "0".

    The text, because the official checker takes a number 0 for an empty field.
    """
    if not devices:
        return {"accelerators_per_node": "0"} | dict.fromkeys(_ACCELERATOR_FIELDS, _NO_ACCELERATOR)
    names = sorted({device.name for device in devices})
    memories = sorted({f"{device.memory_bytes / 2**30:.0f} GiB" for device in devices})
    return {
        "accelerators_per_node": str(len(devices)),
        "accelerator_model_name": ", ".join(names),
        "accelerator_memory_capacity": ", ".join(memories),
    }


def operating_system() -> Fields:
    """Name the distribution, and the kernel among the other software."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return {"operating_system": name, "other_software_stack": f"{platform.system()} {platform.release()}"}


def _text(path: Path) -> str:
    """Read one of the kernel's small files; empty where it is missing or refuses to be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
