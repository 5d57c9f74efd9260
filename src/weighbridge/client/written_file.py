"""A file that a run's driver process writes, with what proves later that nothing of it was lost."""

from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import msgspec

from weighbridge.core.files import open_private

_READ_BYTES = 1 << 20


class FileProof(msgspec.Struct, frozen=True):
    """What a file must hold: its length, and the CRC-32 of its content."""

    size: int = 0
    checksum: int = 0

    def contradiction(self, path: Path) -> str | None:
        """Return how a file differs from what was written to it, for a sentence; None: it does not."""
        if not path.is_file():
            return f"{path.name} is gone"
        found = FileProof()
        with path.open("rb") as stream:
            while chunk := stream.read(_READ_BYTES):
                found = FileProof(found.size + len(chunk), crc32(chunk, found.checksum))
        if found.size != self.size:
            return f"{path.name} holds {found.size} bytes, and {self.size} were written"
        return None if found == self else f"{path.name} does not hold what was written"


class WrittenFile:
    """A growing file. The checksum is of what the process wrote, whatever becomes of the file meanwhile."""

    def __init__(self, path: str) -> None:
        """Make the file, or empty it; its owner alone can read it.

        Raises:
            OSError: the folder is gone, or its disk is full.
        """
        self._stream: BinaryIO = open(path, "wb", opener=open_private)  # noqa: SIM115
        self._size = self._checksum = 0

    def write(self, data: bytes | memoryview) -> None:
        """Add data.

        Raises:
            OSError: the disk is full.
        """
        self._size += len(data)
        self._checksum = crc32(data, self._checksum)
        self._stream.write(data)

    def flush(self) -> None:
        """Make what was written readable to others.

        Raises:
            OSError: the disk is full.
        """
        self._stream.flush()

    def close(self) -> FileProof:
        """Close the file; return what it must hold.

        Raises:
            OSError: the disk is full.
        """
        self._stream.close()
        return FileProof(self._size, self._checksum)
