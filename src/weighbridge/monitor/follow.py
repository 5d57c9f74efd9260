"""Follow runs from elsewhere through their progress.json: the state of each, and whether it still lives."""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from weighbridge.core.errors import InputError
from weighbridge.core.formatting import duration
from weighbridge.core.models import Model
from weighbridge.records.progress_record import EVERY_S, PROGRESS_FILE, State

# A run writes every second; a network file system may show it seconds later.
_STALE_AFTER_S = 20.0
_ONCE_STALE_AFTER_S = 5.0
_DEAD_AFTER_S = 3 * EVERY_S


@dataclass(frozen=True)
class RunStatus:
    """A run as its progress.json shows it.

    Attributes:
        folder: The run's folder.
        state: The state it wrote last.
        stale_reason: Why the run may no longer be alive; "" where it is alive, or has ended.
    """

    folder: Path
    state: State
    stale_reason: str

    @property
    def active(self) -> bool:
        """Whether the run has not ended."""
        return not self.state.phase.over


class WatchedRun(Model):
    """A run as `watch --json` prints it."""

    folder: str
    active: bool = Field(description="Whether the run has not ended.")
    stale_reason: str = Field(description="Why it may no longer be alive; empty where it is, or has ended.")
    state: State


class RunsListing(Model):
    """What `watch --json` prints."""

    runs: tuple[WatchedRun, ...]

    @classmethod
    def of(cls, runs: Sequence[RunStatus]) -> "RunsListing":
        """Return the listing of runs."""
        return cls(
            runs=tuple(
                WatchedRun(
                    folder=str(run.folder), active=run.active, stale_reason=run.stale_reason, state=run.state
                )
                for run in runs
            )
        )


def follow(root: Path) -> Iterator[tuple[RunStatus, ...]]:
    """Yield the status of all runs at and below a folder once a second, without end; finds new runs.

    Args:
        root: A run directory, its results, or the folder of one run.

    Raises:
        InputError: there is no such folder.
    """
    files: dict[Path, _ProgressFile] = {}
    while True:
        yield _read_all(root, files, _STALE_AFTER_S)
        time.sleep(EVERY_S)


def read_statuses(root: Path) -> tuple[RunStatus, ...]:
    """Return the status of all runs at and below a folder; wait up to 5 s to see which are alive.

    Raises:
        InputError: there is no such folder.
    """
    files: dict[Path, _ProgressFile] = {}
    while True:
        runs = _read_all(root, files, _ONCE_STALE_AFTER_S)
        if all(file.settled for file in files.values()):
            return runs
        time.sleep(EVERY_S / 4)


def _read_all(root: Path, files: dict[Path, "_ProgressFile"], stale_after_s: float) -> tuple[RunStatus, ...]:
    for path in _find(root):
        files.setdefault(path, _ProgressFile(path))
    return tuple(
        status for _, file in sorted(files.items()) if (status := file.read(stale_after_s)) is not None
    )


def _find(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name a run directory, its results, or a run's folder.")
    results = root / "results"
    top = results if results.is_dir() else root
    for levels in range(3):  # results/{scenario}/{mode}
        yield from top.glob("*/" * levels + PROGRESS_FILE)


class _ProgressFile:
    """One progress.json. Its age comes from this machine's monotonic clock: another node's may be wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._state: State | None = None
        self._changes = 0
        self._changed_s = 0.0
        self._age_s = 0.0
        self._stale_reason = ""

    @property
    def settled(self) -> bool:
        """Whether it is known that the run is alive, is dead, or has ended."""
        return self._state is None or self._state.phase.over or self._changes > 1 or self._stale_reason != ""

    def read(self, stale_after_s: float) -> RunStatus | None:
        """Read the file again; return None where there is nothing to read."""
        try:
            # Opened anew each time, so that a network file system asks its server.
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
                self._state = None  # written by another version of this program
        if self._state is None:
            return None
        self._stale_reason = self._find_stale_reason(self._state, stale_after_s)
        return RunStatus(self._path.parent, self._state, self._stale_reason)

    def _find_stale_reason(self, state: State, stale_after_s: float) -> str:
        silent_s = time.monotonic() - self._changed_s
        if state.phase.over:
            return ""
        if (
            silent_s >= _DEAD_AFTER_S
            and state.host == platform.node()
            and not Path(f"/proc/{state.pid}").exists()
        ):
            return f"its process {state.pid} is gone: the job was killed"
        if silent_s < stale_after_s:
            return ""
        # Where no change was seen, only the file's own date shows its age.
        age_s = silent_s + (self._age_s if self._changes == 1 else 0.0)
        return (
            f"no sign of life for {duration(age_s)}: the job may have been killed; "
            f"its host was {state.host}, pid {state.pid}"
        )
