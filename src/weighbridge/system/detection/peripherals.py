"""The host's disks and network cards."""

import re
from collections import Counter
from pathlib import Path

from weighbridge.system.detection.commands import output_of, text_of

Fields = dict[str, str]

# Devices of the kernel's own, not of the machine: RAM disks, loops, and layers over other disks.
_NO_DISK = ("loop", "ram", "zram", "dm-", "md", "sr", "nbd", "fd")
_LINK_TYPE = {"1": "Ethernet", "32": "InfiniBand"}


def storage() -> Fields:
    """Sum up the disks of this machine."""
    return storage_under(Path("/sys/block"))


def storage_under(block: Path) -> Fields:
    """Sum up the disks under /sys/block."""
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
    """Count the network cards of this machine."""
    return network_under(Path("/sys/class/net"), card_names(output_of("lspci", "-D", "-mm")))


def card_names(lspci: str) -> dict[str, str]:
    """Read each card's maker and name by its address from the output of `lspci -D -mm`."""
    lines = re.findall(r'^(\S+) "[^"]*" "([^"]*)" "([^"]*)"', lspci, re.MULTILINE)
    return {address: f"{maker} {name}" for address, maker, name in lines}


def network_under(net: Path, names: dict[str, str]) -> Fields:
    """Count the cards under /sys/class/net by name and speed; a virtual interface has no device.

    A card that lspci does not name goes by its driver.
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
