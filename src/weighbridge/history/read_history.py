"""Read the histories of run directories, in the order of time; what cannot be read is named and left out."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from weighbridge.core.errors import InputError, WeighbridgeError
from weighbridge.history.entry_files import entry_files
from weighbridge.records.history_entry import HISTORY_FOLDER, LATEST, REVISION, HistoryEntry

RUNS_FOLDER = "runs"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordedEntry:
    """An entry, and where it lies.

    Attributes:
        entry: The entry.
        run_directory: The run directory whose result it is, as the roots name it.
        file: Its file.
    """

    entry: HistoryEntry
    run_directory: Path
    file: Path

    @property
    def group(self) -> tuple[str, str, str, str, str]:
        """What entries have in common that measure the same: kind, benchmark, round, category, name."""
        entry = self.entry
        return entry.kind, entry.benchmark, entry.round or "", entry.category or "", entry.name

    @cached_property
    def same_as(self) -> tuple[str, ...]:
        """What repeats have in common: the system and all settings, but for the checkout's revision."""
        settings = self.entry.settings
        texts = (f"{name}={text}" for name, text in sorted(settings.items()) if name != REVISION)
        return (self.entry.system.fingerprint, *texts)


def read_histories(roots: Sequence[Path]) -> tuple[RecordedEntry, ...]:
    """Read all entries below some folders.

    Args:
        roots: Run directories, folders that hold some, or both.

    Raises:
        InputError: a folder does not exist or cannot be read.
    """
    found = [recorded for directory in run_directories(roots) for recorded in _read(directory)]
    return tuple(sorted(found, key=lambda each: (each.entry.time, each.file.name, str(each.run_directory))))


def run_directories(roots: Sequence[Path]) -> tuple[Path, ...]:
    """Return the run directories with a history: each root, its folders, and those of its runs/.

    Raises:
        InputError: a root does not exist or cannot be read.
    """
    found: dict[Path, Path] = {}
    for root in roots:
        if not root.is_dir():
            raise InputError(f"{root}: there is no such folder; name run directories, or a folder of them.")
        try:
            # A history itself stands for its run directory.
            itself = root.parent if root.name == HISTORY_FOLDER and entry_files(root) else root
            below = sorted(path for path in itself.iterdir() if not path.name.startswith("."))
            runs = itself / RUNS_FOLDER
            below += sorted(runs.iterdir()) if runs.is_dir() else []
        except OSError as error:
            raise InputError(f"{root}: cannot be read ({error.strerror}).") from None
        for directory in (itself, *below):
            if _is_folder(directory / HISTORY_FOLDER):
                found.setdefault((directory / HISTORY_FOLDER).resolve(), directory)
    return tuple(found.values())


def entry_names(roots: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Return the names of run directory and file of all entries, without reading one; otherwise as above."""
    names: set[tuple[str, str]] = set()
    for directory in run_directories(roots):
        try:
            files = entry_files(directory / HISTORY_FOLDER)
        except OSError:  # whoever reads the entries says so
            continue
        names |= {(directory.resolve().name, file.name) for file in files}
    return tuple(sorted(names))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # of a neighbour, who lets nobody look
        return False


def _read(directory: Path) -> Iterator[RecordedEntry]:
    folder = directory / HISTORY_FOLDER
    try:
        files = sorted(folder.glob("*.json"))
        entries = set(entry_files(folder))
    except OSError as error:
        log.warning("%s: cannot be read (%s); its entries are left out", folder, error.strerror)
        return
    for file in files:
        if file.name == LATEST or file.name.startswith("."):
            continue
        if file not in entries:
            log.warning("%s: is no entry of a history, and left out", file)
            continue
        try:
            entry = HistoryEntry.read(file)
        except WeighbridgeError as error:
            log.warning("%s The entry is left out.", error)
            continue
        yield RecordedEntry(entry, directory, file)
