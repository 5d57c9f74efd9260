"""Reading the records of a run while it writes them."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from weighbridge.client.request_log import RECORD_TYPE, Records

# One look reads at most so much, over a hundred thousand requests; the next look goes on from there.
_LOOK_BYTES = 8 << 20


class RecordsTail:
    """The end of a growing requests.bin. It stays readable when the file is removed."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        self._stream: BinaryIO = path.open("rb", buffering=0)
        self._torn = b""

    def new(self) -> Records:
        """Read what was written since the last look; a torn last record waits for its rest."""
        data = self._torn + (self._stream.read(_LOOK_BYTES) or b"")
        whole = len(data) - len(data) % RECORD_TYPE.itemsize
        self._torn = data[whole:]
        return np.frombuffer(data[:whole], dtype=RECORD_TYPE)

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
