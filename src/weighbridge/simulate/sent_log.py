"""The log of when the simulated server sent its answers, against which a client's stamps can be tested."""

from pathlib import Path
from typing import TextIO

SENT_COLUMNS = ("request_id", "sample", "tokens", "arrived_ns", "first_ns", "last_ns", "end_ns")
_BUFFER_BYTES = 1 << 20


class SentLog:
    """Writes one line of comma-separated values for each finished answer; SENT_COLUMNS is the first line.

    Times are monotonic ns, taken before the bytes were handed to the system: the client cannot have received
    them earlier. The clock is the same in all processes of a machine.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, or empty it.

        Raises:
            OSError: it cannot be written.
        """
        self._stream: TextIO = path.open("w", encoding="utf-8", buffering=_BUFFER_BYTES)
        self._stream.write(",".join(SENT_COLUMNS) + "\n")

    def add(
        self,
        request_id: bytes,
        sample: int,
        tokens: int,
        arrived_ns: int,
        times_ns: tuple[int, int, int],
    ) -> None:
        """Add an answer.

        Args:
            request_id: Of the request, as the client named it.
            sample: Number of the sample; -1: its body is not in the store.
            tokens: Of the answer.
            arrived_ns: When the request was read.
            times_ns: When the first token, the last token and the end of the response were sent.
        """
        name = request_id.decode("latin-1").replace(",", "_")
        self._stream.write(f"{name},{sample},{tokens},{arrived_ns},{','.join(map(str, times_ns))}\n")

    def close(self) -> None:
        """Write what is still in memory, and close the file."""
        self._stream.close()
