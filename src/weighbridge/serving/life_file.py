"""The guard's hand on life.json; `records.server_life` says what is in it.

Written without that model, because the guard imports little.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weighbridge.core.files import write_atomic


class LifeFile:
    """life.json of the servers of one guard, written whenever something in it changes.

    A disk that takes no more costs the record, and not the servers: the next change tries again.
    """

    def __init__(self, path: Path, gpus: int) -> None:
        """Begin a life now, in a folder whose name is the life's; `gpus` are those that the servers hold."""
        self._path = path
        self._uses: list[dict[str, Any]] = []
        self._data: dict[str, Any] = {
            "id": path.parent.name,
            "gpus": gpus,
            "started": _now(),
            "ready": None,
            "stages": {},
            "uses": self._uses,
            "stopping": None,
            "ended": None,
            "reason": None,
        }

    def begin_use(self, label: str, folder: str) -> None:
        """Note that a command uses the servers from now on."""
        self._uses.append({"label": label, "folder": folder, "began": _now(), "ended": None})
        self._write()

    def end_use(self) -> None:
        """Note that the command has released the servers."""
        self._uses[-1]["ended"] = _now()
        self._write()

    def ready(self, stages: dict[str, float]) -> None:
        """Note that all servers answer, and the seconds of each stage until then."""
        self._data |= {"ready": _now(), "stages": stages}
        self._write()

    def stopping(self) -> None:
        """Note that the servers are being ended."""
        self._data |= {"stopping": _now()}
        self._write()

    def end(self, reason: str) -> None:
        """Note that nothing of the servers is left, and why."""
        self._data |= {"ended": _now(), "reason": reason}
        self._write()

    def brief(self) -> dict[str, object]:
        """Return what run.json says of the life, as the latest use sees it."""
        *before, _ = [use["label"] for use in self._uses]
        return {"id": self._data["id"], "number": len(self._uses), "before": before}

    def _write(self) -> None:
        with suppress(OSError):
            write_atomic(self._path, json.dumps(self._data, indent=1, ensure_ascii=False) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
