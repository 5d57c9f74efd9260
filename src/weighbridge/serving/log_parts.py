"""What a kept server printed for one use: while it started, and during the use."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20
_LEFT_OUT = b"\n--- weighbridge: what the server printed for earlier runs is left out here ---\n"


@dataclass(frozen=True)
class LogPart:
    """Parts of the log of one process.

    Attributes:
        log: The log of its whole life.
        start_bytes: How long it was when all servers answered for the first time.
        since_bytes: How long it was when the use began; for the first use, as long as after the start.
    """

    log: Path
    start_bytes: int
    since_bytes: int

    def copy(self, to: Path) -> None:
        """Write the parts to a file that its owner alone may read; a log that was deleted costs no run.

        Raises:
            OSError: a file cannot be read or written.
        """
        if not self.log.exists():
            log.warning("the server's log %s has been deleted; the run has no copy of it", self.log)
            return
        target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(target, 0o600)  # one of an earlier run may be readable by others
        with self.log.open("rb") as source, os.fdopen(target, "wb") as stream:
            stream.write(source.read(self.start_bytes))
            if self.since_bytes > self.start_bytes:
                stream.write(_LEFT_OUT)
            source.seek(max(self.start_bytes, self.since_bytes))
            while block := source.read(_BLOCK_BYTES):
                stream.write(block)
