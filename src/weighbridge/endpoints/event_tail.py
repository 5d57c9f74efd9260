"""Follow the official client's log of events while it grows: how far the run is, and when each query ended.

The client hands its events on a thousand at a time and writes them a hundred at a time, so that the log may
be minutes behind. Its progress bar is seconds behind; of it the number of answers is taken, too.
"""

import os
import re
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from time import monotonic_ns

import numpy as np

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.request_log import RECORD_TYPE
from weighbridge.client.sample_counts import DrivenPhase, SampleCounts
from weighbridge.core.files import open_private, open_regular
from weighbridge.endpoints.event_lines import UNREADABLE, decode_line

UNSEEN_EVENTS = 1100
"""So many events may not be in the log yet."""
_BAR = re.compile(rb"\| *(\d+)/\d+ \[")
_BAR_BYTES = 4096
# One look reads at most this much; the next one continues from there.
_LOOK_BYTES = 8 << 20


@dataclass
class _Open:
    number: int
    issued_ns: int
    first_ns: int = 0
    failed: bool = False


class EventTail:
    """The end of a growing log of events, and a request log made of it, which the monitor reads.

    Attributes:
        issued, completed, failed: Queries of the performance and the accuracy phase.
        warmed_up: Queries of the warm-up.
        phase: What the client does, as far as is seen.
        grown_ns: When the log was last seen to have grown, in monotonic ns.
        newest_ns, answered_ns: The times of the newest event, and of the newest part of an answer; 0: none.
        bar: Answers by the progress bar; 0: none.
        bar_ns: When the bar was last seen to have changed, in monotonic ns.
    """

    def __init__(self, log: Path, requests: Path, printed: Path) -> None:
        """Follow a log.

        Args:
            log: The log of events.
            requests: The request log to write.
            printed: What the client prints, with its progress bar.

        Raises:
            OSError: one of them cannot be opened.
        """
        self.issued = self.completed = self.failed = self.warmed_up = 0
        self.first_tokens = 0
        self.phase = DrivenPhase.STARTING
        self.grown_ns = self.bar_ns = monotonic_ns()
        self.newest_ns = self.answered_ns = self.bar = 0
        self._stream: BufferedReader = open_regular(log)
        self._printed = printed
        self._torn = b""
        self._open: dict[str, _Open] = {}
        self._requests = open(requests, "wb", opener=open_private)  # noqa: SIM115

    def read(self) -> bool:
        """Read what was written since the last look; return whether that was anything.

        Raises:
            OSError: the disk takes no more of the request log.
        """
        data = self._stream.read(_LOOK_BYTES) or b""
        if not data:
            return False
        self.grown_ns = monotonic_ns()
        *lines, self._torn = (self._torn + data).split(b"\n")
        ended: list[tuple[_Open, int]] = []
        for line in lines:
            if line:
                self._take(line, ended)
        if ended:
            self._requests.write(_records(ended).tobytes())
            self._requests.flush()
        return True

    def look_at_bar(self) -> None:
        """Read the number of answers from the client's progress bar."""
        try:
            with open_regular(self._printed) as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - _BAR_BYTES))
                found = _BAR.findall(stream.read())
        except OSError:
            return
        if found and int(found[-1]) > self.bar:
            self.bar, self.bar_ns = int(found[-1]), monotonic_ns()

    def counts(self, quiet_s: float, trouble: str | None) -> SampleCounts:
        """Return how far the run is by the log, and how many have ended by the bar."""
        return SampleCounts(
            self.issued,
            self.completed,
            self.failed,
            shown=self.bar,
            quiet_s=quiet_s,
            trouble=trouble,
            first_tokens=self.first_tokens,
            at_ns=self.newest_ns,
            phase=self.phase,
        )

    @property
    def open(self) -> int:
        """Queries that were issued and have not ended, as far as is seen; of a warm-up, all."""
        return self.issued - self.completed if self.phase.measures else self.warmed_up

    def copy_whole(self, path: Path) -> None:
        """Write the whole log to a file that has less, though the client may have removed its own since.

        Raises:
            OSError: the file cannot be written.
        """
        size = os.fstat(self._stream.fileno()).st_size
        if path.is_file() and path.stat().st_size >= size:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream.seek(0)
        with open(path, "wb", opener=open_private) as file:
            while data := self._stream.read(_LOOK_BYTES):
                file.write(data)

    def close(self) -> None:
        """Close both files."""
        self._stream.close()
        self._requests.close()

    def _take(self, line: bytes, ended: list[tuple[_Open, int]]) -> None:
        try:
            mark = decode_line(line)
        except UNREADABLE:
            return  # whoever reads the log after the run says so
        kind, query = mark.event_type, self._open.get(mark.sample_uuid)
        self.newest_ns = max(self.newest_ns, mark.timestamp_ns)
        if kind != "sample.issued":
            self.answered_ns = max(self.answered_ns, mark.timestamp_ns)
        if kind.startswith("session."):
            self._enter(kind)
        elif kind == "sample.issued":
            if not self.phase.measures:
                self.phase = DrivenPhase.WARM_UP
                self.warmed_up += 1
            else:
                self._open[mark.sample_uuid] = _Open(self.issued, mark.timestamp_ns)
                self.issued += 1
        elif query is None:
            return
        elif kind == "sample.recv_first":
            query.first_ns = mark.timestamp_ns
            self.first_tokens += 1
        elif kind == "sample.complete":
            self.completed += 1
            del self._open[mark.sample_uuid]
            ended.append((query, mark.timestamp_ns))
        elif kind.startswith("error.") and not query.failed:
            query.failed = True
            self.failed += 1

    def _enter(self, kind: str) -> None:
        match kind:
            case "session.start_performance_tracking":
                self.phase = DrivenPhase.PERFORMANCE
            case "session.stop_performance_tracking":
                self.phase = DrivenPhase.ACCURACY
            case "session.ended":
                self.phase = DrivenPhase.RESULTS


def _records(ended: list[tuple[_Open, int]]) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    rows = np.zeros(len(ended), dtype=RECORD_TYPE)
    rows["id"] = [query.number for query, _ in ended]
    rows["planned_ns"] = rows["sent_ns"] = [query.issued_ns for query, _ in ended]
    rows["end_ns"] = rows["last_ns"] = [end_ns for _, end_ns in ended]
    rows["first_ns"] = [query.first_ns or end_ns for query, end_ns in ended]
    rows["outcome"] = [RequestOutcome.MALFORMED if query.failed else RequestOutcome.OK for query, _ in ended]
    return rows
