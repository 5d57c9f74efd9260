"""What processes have in shared memory, where the official client keeps its log of events and its sockets.

With the standard library alone, because the client's supervisor uses it.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from weighbridge.core.proc import PROC, command_of

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 the client's place, not ours


def shared_entries(pids: Iterable[int]) -> set[str]:
    """Return the paths directly below /dev/shm that processes name on their command lines, open, or map."""
    by_inode = {}
    for entry in _entries():
        with suppress(OSError):
            by_inode[str(entry.stat(follow_symlinks=False).st_ino)] = entry.path
    found: set[str] = set()
    for pid in pids:
        with suppress(OSError):  # it has ended
            named = (word for word in command_of(pid) if word.startswith(f"{SHARED_MEMORY}/"))
            found.update(_entry_of(path) for path in (*named, *open_files(pid)))
            # A semaphore is mapped by the name that it had while it was made.
            mapped = (line.split() for line in (PROC / str(pid) / "maps").read_text().splitlines())
            found.update(
                by_inode[words[4]]
                for words in mapped
                if len(words) > 5 and words[5].startswith(f"{SHARED_MEMORY}/") and words[4] in by_inode
            )
    return {path for path in found if os.path.lexists(path)}


def open_files(pid: int) -> Iterator[str]:
    """Yield the paths below /dev/shm that a process has open.

    Raises:
        OSError: there is no such process.
    """
    for descriptor in (PROC / str(pid) / "fd").iterdir():
        with suppress(OSError):
            path = str(descriptor.readlink())
            if path.startswith(f"{SHARED_MEMORY}/") and not path.endswith(" (deleted)"):
                yield path


def remove_entries(paths: Iterable[str]) -> None:
    """Remove what is left of these paths directly below /dev/shm."""
    for path in map(Path, paths):
        if path.parent != SHARED_MEMORY:
            continue
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _entries() -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(SHARED_MEMORY) as entries:
            return list(entries)
    except OSError:
        return []


def _entry_of(path: str) -> str:
    return str(SHARED_MEMORY / Path(path).relative_to(SHARED_MEMORY).parts[0])
