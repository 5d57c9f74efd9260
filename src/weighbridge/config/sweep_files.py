"""Read the files of sweeps, and lay their servers over the configuration's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weighbridge.config.refused_secrets import refuse_secrets
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.core.yaml_place import Sources

SUFFIX = ".yaml"


def sweep_names(folder: Path) -> tuple[str, ...]:
    """Return the names of a folder's sweeps, sorted; a folder that does not exist has none."""
    return tuple(sorted(path.stem for path in folder.glob(f"*{SUFFIX}")))


def read_sweep(
    path: Path, *, server: Mapping[str, Any] | None = None, context: dict[str, Any] | None = None
) -> SweepSettings:
    """Read a sweep's file.

    Args:
        path: The file; without a name of its own, the sweep has the file's.
        server: Section 'server' of the configuration, which holds for what a started system leaves open; of
            its arguments, those that the system does not set itself. A system with endpoints is described by
            itself alone.
        context: Says where relative paths start, as for `Model.parse`.

    Raises:
        InputError: it is no sweep, or holds a secret.
    """
    data = read_data(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: cannot be used (it is no mapping); give systems, workloads and levels.")
    data = {"name": path.stem, **data}
    refuse_secrets(data, str(path))
    if server is not None and isinstance(data.get("systems"), dict):
        data["systems"] = {name: _laid_over(each, server) for name, each in data["systems"].items()}
    return SweepSettings.parse(data, str(path), context=context, sources=Sources((path,)))


def _laid_over(system: Any, server: Mapping[str, Any]) -> Any:
    if not isinstance(system, dict) or not isinstance(system.get("server", {}), dict):
        return system
    own = system.get("server", {})
    if own.get("endpoints"):
        return system
    base = {key: value for key, value in server.items() if key not in ("endpoints", "logs", "golden")}
    if system.get("command"):
        # What starts it is a command, so nothing of another server's command applies.
        base = {key: value for key, value in base.items() if key == "model_name"}
    merged = {**base, **own}
    if isinstance(base.get("args"), list) and isinstance(own.get("args"), list):
        set_here = {str(argument).partition("=")[0] for argument in own["args"]}
        kept = [argument for argument in base["args"] if argument.partition("=")[0] not in set_here]
        merged["args"] = [*kept, *own["args"]]
    return {**system, "server": merged}
