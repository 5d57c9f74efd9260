"""What makes a cell's run the one that is wanted: sha256 over all that it depends on."""

import hashlib
import json
import platform
from functools import cache
from pathlib import Path

from weighbridge.config.fingerprint import OPERATIONAL, canonical, project_root
from weighbridge.config.sweep_settings import ComparedSystem, SweepSettings
from weighbridge.core.files import open_regular
from weighbridge.records.sweep_plan import CellPlan, SessionKey, Wave
from weighbridge.sweep.planning import Identities

# Raise when a change of the code makes a run's figures differ for the same requests. All finished cells of
# every sweep are then measured anew.
MEASUREMENT = 1

_SAMPLE_BYTES = 1 << 20

# What tables show of a system, and how it is reached; no figure depends on it.
_SHOWN = {"server", "options", "api_key_env", "devices", "price_per_hour"}

# How much of each workload is measured, and how. Loads, blocks and systems are not: these may be added.
_ASKED = {
    "order",
    "runs_per_session",
    "duration_s",
    "min_requests",
    "max_duration_s",
    "warmup_s",
    "start_warmup_s",
    "store_limit_bytes",
}


def identities_of(settings: SweepSettings, model: Path | None) -> Identities:
    """Return what each system and workload is now.

    How much of a workload is asked for is part of it: with other sizes, its runs are others.

    Args:
        settings: The sweep's.
        model: Folder of the model that started servers serve; None: none is started.
    """
    asked = settings.model_dump(mode="json", exclude_defaults=True, include=_ASKED)
    return Identities(
        systems={name: _system(settings.system(name), model) for name in settings.measured},
        workloads={
            workload.name: _sha256({"workload": workload, "asked": asked}) for workload in settings.workloads
        },
    )


def _system(system: ComparedSystem, model: Path | None) -> str:
    described = {
        "server": system.server.model_dump(
            mode="json", exclude_defaults=True, exclude=set(OPERATIONAL["server"])
        ),
        "model": None if system.attached or model is None else model_digest(model.resolve()),
        **system.model_dump(mode="json", exclude_defaults=True, exclude=_SHOWN),
    }
    return _sha256(described)


def cell_key(settings: SweepSettings, wave: Wave, session: SessionKey, cell: CellPlan, repeat: int) -> str:
    """Return the sha256 of what a run depends on, but for the bytes of its requests, whose digest says them.

    No secret is in it, and nothing that only says how a table shows the system.

    Args:
        settings: The sweep's.
        wave: The wave.
        session: The session.
        cell: The cell.
        repeat: Number of the run in the session, from 1.
    """
    client = settings.client.model_dump(
        mode="json", exclude_defaults=True, exclude=set(OPERATIONAL["client"])
    )
    return _sha256(
        {
            "measurement": MEASUREMENT,
            "system": wave.identities.get(session.system),
            "workload": wave.workloads.get(cell.workload),
            "level": cell.level,
            "counts": cell.counts,
            "block": session.block,
            "repeat": repeat,
            "client": client,
            "error_abort": settings.stop.error_abort,
            "host": platform.node(),
        }
    )


@cache
def model_digest(folder: Path) -> str:
    """Return a sha256 that changes when another model lies in a folder, wherever the folder lies.

    Of each file it covers name and size, and its beginning, middle and end: reading all of a large model
    would take minutes at each call.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with open_regular(path) as stream:
            for start in sorted({0, max(0, size // 2), max(0, size - _SAMPLE_BYTES)}):
                stream.seek(start)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _sha256(value: object) -> str:
    # A moved checkout is no other system: paths in it count from its root, as settings are written.
    root = json.dumps(f"{project_root().resolve()}/")[1:-1]
    return hashlib.sha256(canonical(value).replace(f'"{root}', '"').encode()).hexdigest()
