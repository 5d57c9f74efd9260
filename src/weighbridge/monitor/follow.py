"""Following runs from elsewhere through their progress.json: what each says, and whether it still lives."""

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.monitor.duration import duration
from weighbridge.records.progress_record import EVERY_S, PROGRESS_FILE, State

# A run writes every second; a network file system may show it seconds later.
_SILENT_S = 20.0
_ONCE_SILENT_S = 5.0
_DEAD_S = 3 * EVERY_S


@dataclass(frozen=True)
class Sight:
    """A run as it is seen from here.

    Attributes:
        place: The run's folder.
        state: What it said last.
        worry: Why it may no longer be alive; "" where it is, or is over.
    """

    place: Path
    state: State
    worry: str

    @property
    def active(self) -> bool:
        """Whether more is to come of it."""
        return not self.state.phase.over


def follow(folder: Path) -> Iterator[tuple[Sight, ...]]:
    """Look at the runs at and below a folder, once a second, without an end; runs that begin are found.

    Args:
        folder: A run directory, its results, or the folder of one run.

    Raises:
        InputError: there is no such folder.
    """
    files: dict[Path, _File] = {}
    while True:
        yield _look(folder, files, _SILENT_S)
        time.sleep(EVERY_S)


def look_once(folder: Path) -> tuple[Sight, ...]:
    """Look at the runs at and below a folder, just long enough to see which still live.

    Raises:
        InputError: there is no such folder.
    """
    files: dict[Path, _File] = {}
    while True:
        sights = _look(folder, files, _ONCE_SILENT_S)
        if all(file.settled for file in files.values()):
            return sights
        time.sleep(EVERY_S / 4)


def _look(folder: Path, files: dict[Path, "_File"], patience_s: float) -> tuple[Sight, ...]:
    for path in _find(folder):
        files.setdefault(path, _File(path))
    return tuple(sight for _, file in sorted(files.items()) if (sight := file.look(patience_s)) is not None)


def _find(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a run directory, its results, or a run's folder.")
    results = folder / "results"
    below = results if results.is_dir() else folder
    for levels in range(3):  # results/{scenario}/{mode}
        yield from below.glob("*/" * levels + PROGRESS_FILE)


class _File:
    """One progress.json. Only this machine's monotonic clock tells its age: another node's may be wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._state: State | None = None
        self._changes = 0
        self._changed_s = 0.0
        self._age_s = 0.0
        self._worry = ""

    @property
    def settled(self) -> bool:
        """Whether it is known to be alive, dead, or over."""
        return self._state is None or self._state.phase.over or self._changes > 1 or self._worry != ""

    def look(self, patience_s: float) -> Sight | None:
        """Read it again; None where there is nothing to be read."""
        try:
            # Opened anew each time: a network file system then asks its server.
            with self._path.open(encoding="utf-8") as stream:
                text, age_s = stream.read(), time.time() - os.fstat(stream.fileno()).st_mtime
        except OSError:
            return None
        if text != self._text:
            self._text, self._age_s, self._changed_s = text, max(age_s, 0.0), time.monotonic()
            self._changes += 1
            try:
                self._state = State.parse_json(text, str(self._path))
            except InputError:
                self._state = None  # of another version of this program
        if self._state is None:
            return None
        self._worry = self._doubt(self._state, patience_s)
        return Sight(self._path.parent, self._state, self._worry)

    def _doubt(self, state: State, patience_s: float) -> str:
        silent_s = time.monotonic() - self._changed_s
        if state.phase.over:
            return ""
        if silent_s >= _DEAD_S and state.host == platform.node() and not Path(f"/proc/{state.pid}").exists():
            return f"its process {state.pid} is gone: the job was killed"
        if silent_s < patience_s:
            return ""
        # Whoever never saw it change has only the file's own date.
        told_s = silent_s + (self._age_s if self._changes == 1 else 0.0)
        return (
            f"no sign of life for {duration(told_s)}: the job may have been killed; "
            f"its host was {state.host}, pid {state.pid}"
        )
