"""What makes two started servers the same: one may be used in place of the other.

The fingerprint depends on the key. It stays in the memory of commands and guards, and is in no file.
"""

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from weighbridge import __version__
from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.config.server_settings import ServerSettings
from weighbridge.serving.launch import Launch

# They differ between jobs of one Snakemake, and say nothing to a server.
_OF_A_JOB = ("_", "SHLVL", "PWD", "OLDPWD")
_OF_OURS = "WEIGHBRIDGE_"


def server_fingerprint(
    launches: Sequence[Launch],
    settings: ServerSettings,
    model: Path,
    model_digest: str,
    forbidden: Sequence[ServerFeature],
    must_not_change: Collection[TaskPart],
) -> str:
    """Return the fingerprint of servers as they would be started now.

    It covers the model, the command lines but for ports that are chosen anew each time, the whole
    environment with the key, GPUs and CPUs, the working folder, and what the round demands of a server.

    Args:
        launches: What would be started.
        settings: The server's settings.
        model: Folder of the model.
        model_digest: Digest of its manifest.
        forbidden: Features that the round forbids.
        must_not_change: Parts of the task that no argument or variable may change.
    """
    parts = {
        "weighbridge": __version__,
        "adapter": settings.adapter,
        "model": [str(model.absolute()), model_digest],
        "model_name": settings.model_name,
        "port": settings.port,
        "gpus": settings.gpus,
        "folder": str(Path.cwd()),
        "cpus": sorted(os.sched_getaffinity(0)),
        "forbidden": sorted(forbidden),
        "must_not_change": sorted(must_not_change),
        "launches": [
            {
                "launcher": launch.launcher,
                "command": launch.portless,
                "environment": _lasting(launch.environment),
                "cpus": sorted(launch.cpus),
                "devices": launch.devices,
                "answers": launch.endpoint is not None,
            }
            for launch in launches
        ],
    }
    # A value that is no text, as the system hands it on, must not be an error.
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name not in _OF_A_JOB and not name.startswith(_OF_OURS)
    }
