"""The host's memory: its size, and its modules where the machine shows them."""

import re
from collections import Counter
from pathlib import Path

import psutil

from weighbridge.system.detection.commands import output_of, text_of

Fields = dict[str, str]

_CONTROLLERS = Path("/sys/devices/system/edac/mc")
_MIB_PER_UNIT = {"MB": 1, "GB": 1024, "TB": 1024**2}


def memory() -> Fields:
    """Describe the memory of this machine; the modules are hidden from most virtual machines and users."""
    fields = {"host_memory_capacity": f"{psutil.virtual_memory().total / 2**30:.0f} GiB"}
    modules = modules_of(output_of("dmidecode", "--type", "17")) or modules_seen(_CONTROLLERS)
    return fields | ({"host_memory_configuration": modules} if modules else {})


def modules_of(dmidecode: str) -> str:
    """Count the modules by size, type and speed in the output of `dmidecode --type 17`."""
    modules: Counter[tuple[int, str]] = Counter()
    for block in dmidecode.split("\n\n"):
        told = dict(re.findall(r"^\s*([^:\n]+): (.+)$", block, re.MULTILINE))
        size = re.fullmatch(r"(\d+) (MB|GB|TB)", told.get("Size", ""))
        if size is None:
            continue
        kind = " ".join(
            told[name]
            for name in ("Type", "Configured Memory Speed")
            if told.get(name, "Unknown") not in ("Unknown", "Other")
        )
        modules[(int(size[1]) * _MIB_PER_UNIT[size[2]], kind)] += 1
    return _counted(modules)


def modules_seen(controllers: Path) -> str:
    """Count the modules that the kernel's error detection watches."""
    modules: Counter[tuple[int, str]] = Counter()
    for module in sorted(controllers.glob("mc*/dimm*")):
        size = text_of(module / "size")
        if size.isdigit() and size != "0":
            modules[(int(size), text_of(module / "dimm_mem_type"))] += 1
    return _counted(modules)


def _counted(modules: Counter[tuple[int, str]]) -> str:
    return ", ".join(
        f"{count}x {mib / 1024:g} GiB {kind}".rstrip() for (mib, kind), count in sorted(modules.items())
    )
