"""Memory map of a request store's bodies.

Every worker process imports this module. It reads the index without numpy, whose import would cost each
process 20 MB and 0.1 s.
"""

import mmap
from pathlib import Path

from weighbridge.core.errors import InputError

BODIES_FILE = "bodies.bin"
INDEX_FILE = "index.bin"
OFFSET_BYTES = 8  # each offset is a little-endian int64, the native byte order of the supported machines


class Bodies:
    """All bodies of a store. Reading a body makes no copy; all processes share the page cache."""

    def __init__(self, folder: Path) -> None:
        """Map a store's bodies and its index.

        Raises:
            InputError: a file is missing, or the index does not match the bodies.
        """
        self._offsets = _map_index(folder / INDEX_FILE)
        self._map = _map(folder / BODIES_FILE)
        self._bytes = memoryview(self._map)
        ends_with_file = self._offsets[-1] == len(self._bytes)
        if self._offsets[0] != 0 or not ends_with_file:
            raise InputError(f"{folder}: the index does not match the bodies; build the requests again.")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> memoryview:
        return self._bytes[self._offsets[index] : self._offsets[index + 1]]

    def slice(self, start: int, stop: int) -> memoryview:
        """Return the bytes from `start` to `stop` of bodies.bin."""
        return self._bytes[start:stop]

    def forget(self) -> None:
        """Take the pages read so far out of this process's memory; they stay in the page cache."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def look(self) -> None:
        """Look whether all bodies are still there.

        Raises:
            InputError: they are not.
        """
        if self._map.size() < len(self._bytes):
            raise bodies_cut_off()

    @property
    def total_bytes(self) -> int:
        """Total size of all bodies in bytes."""
        return len(self._bytes)

    @property
    def offsets(self) -> memoryview:
        """Start of each body and the end of the last one, in bytes: int64, shape (n + 1,)."""
        return self._offsets


def bodies_cut_off() -> InputError:
    """Return the error of a file of bodies that became shorter after it was mapped."""
    return InputError(f"{BODIES_FILE} was cut off during the run; build the requests again.")


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise InputError(f"{path}: cannot be mapped ({error}); build the requests again.") from None


def _map_index(path: Path) -> memoryview:
    content = memoryview(_map(path))
    if len(content) % OFFSET_BYTES:
        raise InputError(f"{path}: not the offsets of a request store; build the requests again.")
    return content.cast("q")
