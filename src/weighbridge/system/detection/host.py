"""The host's processors and operating system."""

import json
import platform

from weighbridge.system.detection.commands import output_of

Fields = dict[str, str]


def processor() -> Fields:
    """Describe the processors of this machine."""
    return processor_of(output_of("lscpu", "--json"))


def processor_of(lscpu_json: str) -> Fields:
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


def operating_system() -> Fields:
    """Name the distribution, and the kernel among the other software."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return {"operating_system": name, "other_software_stack": f"{platform.system()} {platform.release()}"}
