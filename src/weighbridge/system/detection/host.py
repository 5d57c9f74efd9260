"""The host: processors, operating system, memory, disks and network cards."""

import json
import platform
import re
from collections import Counter
from pathlib import Path

import psutil

from weighbridge.system.detection.commands import Fields, output_of, text_of

_MEMORY_CONTROLLERS = Path("/sys/devices/system/edac/mc")
_MIB_PER_UNIT = {"MB": 1, "GB": 1024, "TB": 1024**2}
# Block devices that are no hardware: RAM disks, loops, and layers over other disks.
_NO_DISK = ("loop", "ram", "zram", "dm-", "md", "sr", "nbd", "fd")
_LINK_TYPE = {"1": "Ethernet", "32": "InfiniBand"}


def processor() -> Fields:
    """Return the fields of this machine's processors."""
    return processor_of(output_of("lscpu", "--json"))


def processor_of(lscpu_json: str) -> Fields:
    """Return model, sockets, cores a socket, frequency and caches from the output of `lscpu --json`."""
    try:
        reported = dict(_flatten(json.loads(lscpu_json)["lscpu"]))
    except (ValueError, KeyError, TypeError):
        return {}
    fields = {
        "host_processor_model_name": reported.get("Model name"),
        "host_processors_per_node": reported.get("Socket(s)"),
        "host_processor_core_count": reported.get("Core(s) per socket"),
    }
    if reported.get("CPU max MHz"):
        fields["host_processor_frequency"] = f"{float(reported['CPU max MHz']):.0f} MHz"
    caches = [
        f"{name.removesuffix(' cache')} {size}" for name, size in reported.items() if name.endswith(" cache")
    ]
    fields["host_processor_caches"] = ", ".join(caches)
    # lscpu writes a dash for a value that it does not know, as in some virtual machines.
    return {name: value for name, value in fields.items() if value and value != "-"}


def _flatten(entries: list[dict[str, object]]) -> list[tuple[str, str]]:
    """Return lscpu's fields, which newer releases nest, as one list of names and values."""
    found = []
    for entry in entries:
        found.append((str(entry["field"]).rstrip(":"), str(entry.get("data") or "")))
        children = entry.get("children")
        if isinstance(children, list):
            found += _flatten(children)
    return found


def operating_system() -> Fields:
    """Return the name of the distribution, and the kernel as other software."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return {"operating_system": name, "other_software_stack": f"{platform.system()} {platform.release()}"}


def memory() -> Fields:
    """Return the memory's size, and its modules; most virtual machines and users cannot see these."""
    fields = {"host_memory_capacity": f"{psutil.virtual_memory().total / 2**30:.0f} GiB"}
    modules = dmidecode_modules(output_of("dmidecode", "--type", "17")) or edac_modules(_MEMORY_CONTROLLERS)
    return fields | ({"host_memory_configuration": modules} if modules else {})


def dmidecode_modules(dmidecode: str) -> str:
    """Return the memory modules, counted by size, type and speed, in the output of `dmidecode --type 17`."""
    modules: Counter[tuple[int, str]] = Counter()
    for block in dmidecode.split("\n\n"):
        reported = dict(re.findall(r"^\s*([^:\n]+): (.+)$", block, re.MULTILINE))
        size = re.fullmatch(r"(\d+) (MB|GB|TB)", reported.get("Size", ""))
        if size is None:
            continue
        kind = " ".join(
            reported[name]
            for name in ("Type", "Configured Memory Speed")
            if reported.get(name, "Unknown") not in ("Unknown", "Other")
        )
        modules[(int(size[1]) * _MIB_PER_UNIT[size[2]], kind)] += 1
    return _counted_modules(modules)


def edac_modules(controllers: Path) -> str:
    """Return the memory modules that the kernel's error detection (EDAC) lists, counted by size and type."""
    modules: Counter[tuple[int, str]] = Counter()
    for module in sorted(controllers.glob("mc*/dimm*")):
        size = text_of(module / "size")
        if size.isdigit() and size != "0":
            modules[(int(size), text_of(module / "dimm_mem_type"))] += 1
    return _counted_modules(modules)


def _counted_modules(modules: Counter[tuple[int, str]]) -> str:
    return ", ".join(
        f"{count}x {mib / 1024:g} GiB {kind}".rstrip() for (mib, kind), count in sorted(modules.items())
    )


def storage() -> Fields:
    """Return the total size and the kinds of this machine's disks."""
    return storage_under(Path("/sys/block"))


def storage_under(block: Path) -> Fields:
    """Return the total size and the kinds of the disks in a folder laid out as /sys/block."""
    size_bytes, kinds = 0, set()
    for device in sorted(block.iterdir()) if block.is_dir() else []:
        sectors = text_of(device / "size")
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
    return "HDD" if text_of(device / "queue" / "rotational") == "1" else "SSD"


def network() -> Fields:
    """Return the kinds and number of this machine's network cards."""
    return network_under(Path("/sys/class/net"), card_names(output_of("lspci", "-D", "-mm")))


def card_names(lspci: str) -> dict[str, str]:
    """Return each card's vendor and name by its PCI address, from the output of `lspci -D -mm`."""
    lines = re.findall(r'^(\S+) "[^"]*" "([^"]*)" "([^"]*)"', lspci, re.MULTILINE)
    return {address: f"{vendor} {name}" for address, vendor, name in lines}


def network_under(net: Path, names: dict[str, str]) -> Fields:
    """Return the cards in a folder laid out as /sys/class/net, counted by name and speed.

    Virtual interfaces are left out; they have no device. A card without a name from lspci is called by
    its driver.
    """
    cards: Counter[str] = Counter()
    links = set()
    for interface in sorted(net.iterdir()) if net.is_dir() else []:
        link = _LINK_TYPE.get(text_of(interface / "type"))
        device = interface / "device"
        if link is None or not device.exists():
            continue
        links.add(link)
        card = names.get(device.resolve().name) or (device / "driver").resolve().name
        speed_mbps = text_of(interface / "speed")
        known = speed_mbps.isdigit() and speed_mbps != "0"
        cards[f"{card} {int(speed_mbps) / 1000:g} Gbit/s" if known else card] += 1
    if not cards:
        return {}
    return {
        "host_networking": ", ".join(sorted(links)),
        "host_network_card_count": ", ".join(f"{count}x {card}" for card, count in sorted(cards.items())),
    }
