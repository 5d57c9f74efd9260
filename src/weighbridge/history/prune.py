"""Remove old entries of histories: those that are many, never the newest, and only what was shown before."""

from collections.abc import Sequence
from pathlib import Path

from weighbridge.history.entry_files import newest_file
from weighbridge.history.read_history import RecordedEntry


def prunable(entries: Sequence[RecordedEntry], keep: int) -> tuple[RecordedEntry, ...]:
    """Return the entries beyond the newest ones of each kind and name in each run directory.

    Args:
        entries: In the order of time.
        keep: How many of each stay.

    Raises:
        OSError: a history cannot be read.
    """
    kept: dict[tuple[str, ...], int] = {}
    found = []
    for recorded in reversed(entries):
        key = (str(recorded.file.parent), *recorded.group)
        kept[key] = kept.get(key, 0) + 1
        if kept[key] > keep and not _is_linked(recorded.file):
            found.append(recorded)
    return tuple(reversed(found))


def remove_entries(entries: Sequence[RecordedEntry]) -> int:
    """Remove entries, but for those that a link leads to by now; return how many went.

    Raises:
        OSError: a file cannot be removed.
    """
    removed = 0
    for recorded in entries:
        if not _is_linked(recorded.file):
            recorded.file.unlink(missing_ok=True)
            removed += 1
    return removed


def _is_linked(file: Path) -> bool:
    newest = newest_file(file.parent)
    return newest is not None and newest.name == file.name
