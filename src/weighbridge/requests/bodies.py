"""The request bodies of a store as one memory map: light enough for every worker process to import."""

import mmap
import struct
from pathlib import Path

from weighbridge.core.errors import InputError

BODIES_FILE = "bodies.bin"
INDEX_FILE = "index.npy"
_NPY_PREAMBLE = struct.Struct("<6sBBH")  # magic, version (two bytes), length of the header that follows


class Bodies:
    """All bodies of a store. Reading one makes no copy: its pages are the page cache's, shared by all."""

    def __init__(self, folder: Path) -> None:
        """Map a store's two files.

        Raises:
            InputError: a file is missing, or the index does not fit the bodies.
        """
        self._offsets = _map_index(folder / INDEX_FILE)
        self._bytes = _map(folder / BODIES_FILE)
        ends_with_file = self._offsets[-1] == len(self._bytes)
        if self._offsets[0] != 0 or not ends_with_file:
            raise InputError(f"{folder}: its index does not fit its bodies; build the requests again.")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> memoryview:
        return self._bytes[self._offsets[index] : self._offsets[index + 1]]

    def slice(self, start: int, stop: int) -> memoryview:
        """Return some of the bodies' bytes, by their place in the file."""
        return self._bytes[start:stop]

    @property
    def total_bytes(self) -> int:
        """Size of all bodies together."""
        return len(self._bytes)

    @property
    def offsets(self) -> memoryview:
        """Where each body starts and the last one ends; int64, one more than there are bodies."""
        return self._offsets


def _map(path: Path) -> memoryview:
    try:
        with path.open("rb") as stream:
            return memoryview(mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ))
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise InputError(f"{path}: cannot be mapped ({error}); build the requests again.") from None


def _map_index(path: Path) -> memoryview:
    """Map an NPY file of int64 without importing numpy, which costs a worker 20 MB and 0.1 s."""
    content = _map(path)
    if len(content) < _NPY_PREAMBLE.size or bytes(content[:7]) != b"\x93NUMPY\x01":
        raise InputError(f"{path}: no NPY file of version 1; build the requests again.")
    start = _NPY_PREAMBLE.size + _NPY_PREAMBLE.unpack_from(content)[3]
    is_int64 = b"'<i8'" in bytes(content[:start])
    if not is_int64 or (len(content) - start) % 8 or len(content) - start < 8:
        raise InputError(f"{path}: not the offsets of a request store; build the requests again.")
    return content[start:].cast("q")
