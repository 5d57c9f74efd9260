"""The system that a result is of, and its fingerprint: equal ones are one system, wherever it runs."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from weighbridge.config.fingerprint import canonical
from weighbridge.core.models import Sha256
from weighbridge.records.comparison import SweepComparison
from weighbridge.records.history_entry import HistorySystem
from weighbridge.records.run_record import ServerRecord
from weighbridge.records.sweep_plan import SweepPlan

UNKNOWN_MODEL = "unknown"
_ARGUMENTS = ("server.args", "server.launcher", "server.reported", "server.replicas")


def served_system(
    server: ServerRecord,
    model: Sha256 | None,
    settings: Mapping[str, str],
    detected: Mapping[str, str],
) -> HistorySystem:
    """Return the system of a run.

    Args:
        server: Its record.
        model: Digest of the model; None: an endpoint's, which nobody has proven.
        settings: The run's, flat, of which the server's arguments are part of the fingerprint.
        detected: Description of the machine; empty: it is not known.
    """
    hardware = _hardware(detected)
    identity = {
        "model": model or server.model_name,
        "kind": server.kind,
        "version": server.version,
        "arguments": {name: text for name, text in settings.items() if name.startswith(_ARGUMENTS)},
        "hardware": hardware,
    }
    return HistorySystem(
        fingerprint=_digest(identity),
        server=server_words(server.kind, server.version),
        model=server.model_name,
        hardware=hardware,
    )


def unrecorded_system(version: str | None) -> HistorySystem:
    """Return the system of runs that left no record: what another harness measured."""
    return HistorySystem(fingerprint=_digest(version), server=version, model=UNKNOWN_MODEL, hardware=None)


def compared_systems(comparison: SweepComparison, plan: SweepPlan) -> HistorySystem:
    """Return the systems of a comparison as one: another one of them makes another comparison."""
    planned = {name: of for wave in plan.waves for name, of in wave.identities.items()}
    identities = {
        name: [planned.get(name, system.identity), system.kind, system.version, system.devices]
        for name, system in comparison.systems.items()
    }
    systems = comparison.systems.values()
    devices = max((system.devices or 0 for system in systems), default=0)
    return HistorySystem(
        fingerprint=_digest(identities),
        server=_joined(server_words(system.kind, system.version) for system in systems),
        model=_joined(system.model_name for system in systems) or UNKNOWN_MODEL,
        hardware=f"{devices} accelerators" if devices > 1 else "1 accelerator" if devices else None,
    )


def server_words(kind: str | None, version: str | None) -> str | None:
    """Return kind and version of a server in words, such as vLLM 0.12.0; None: neither is reported."""
    return " ".join(part for part in (kind, version) if part) or None


def _hardware(detected: Mapping[str, str]) -> str | None:
    count, model = detected.get("accelerators_per_node", "0"), detected.get("accelerator_model_name")
    if count != "0" and model:
        return f"{count} x {model}"
    return detected.get("host_processor_model_name")


def _joined(texts: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(text for text in texts if text)) or None


def _digest(value: object) -> Sha256:
    return sha256(canonical(value).encode()).hexdigest()
