"""The official client's log of events as columns: one row a query, whatever its phase."""

from array import array
from collections.abc import Callable, Mapping
from typing import Final

from weighbridge.endpoints.event_lines import EventLine, answer_text, error_of

_NO_QUERY: Final = -1


class EventColumns:
    """The queries of all phases, one phase after the other, and what else the log holds.

    Columns have shape (n,); times are in monotonic ns, 0 for never.

    Attributes:
        bounds: The first row of each phase, and the one after its last.
        marks: When each mark of the session was set.
        stray: Errors that belong to no query of a phase: kind and message.
        warmed_up: Queries of the warm-up.
        errors: Kind and message of each query that failed, by its row.
        sample: Number of each query's sample.
        issued_ns, first_ns, end_ns: When it was issued, its first part came, and it ended.
        issues, ends: How often it was issued, and ended.
        chunks: Parts of its answer.
        text_bytes: Size of the answer's text in UTF-8.
        blank: Whether the answer has nothing but white space.
        line_at, line_bytes: Where the log has the answer.
        worker: The client's worker that received it; -1: not known.
        finish: Why the server ended the answer, as it says.
    """

    def __init__(self, samples: Mapping[str, Mapping[str, int]]) -> None:
        """Prepare for the queries of these phases: the number of each one's sample, by its id."""
        self.bounds: dict[str, tuple[int, int]] = {}
        self.marks: dict[str, int] = {}
        self.stray: list[tuple[str, str]] = []
        self.warmed_up = 0
        self.errors: dict[int, tuple[str, str]] = {}
        self._place: dict[str, int] = {}
        self.sample = array("q")
        for name, queries in samples.items():
            start = len(self.sample)
            self._place.update(zip(queries, range(start, start + len(queries)), strict=True))
            self.sample.extend(queries.values())
            self.bounds[name] = start, len(self.sample)
        count = len(self.sample)
        self.issued_ns, self.first_ns, self.end_ns = _zeros(count), _zeros(count), _zeros(count)
        self.issues, self.ends, self.chunks = _zeros(count), _zeros(count), _zeros(count)
        self.text_bytes, self.line_at, self.line_bytes = _zeros(count), _zeros(count), _zeros(count)
        self.worker = array("q", [-1]) * count
        self.blank = bytearray(b"\1") * count
        self.finish = [""] * count
        self._reasons: dict[str, str] = {}  # one object for each text, not one a query
        self._take: dict[str, Callable[[int, EventLine, int, int], None]] = {
            "sample.issued": self._take_issue,
            "sample.recv_first": self._take_first,
            "sample.complete": self._take_end,
        }

    def add(self, line: EventLine, at: int, size: int) -> None:
        """Take a line, which is `size` bytes from `at` on."""
        kind = line.event_type
        place = self._place.get(line.sample_uuid, _NO_QUERY)
        if place == _NO_QUERY:
            if kind.startswith("session."):
                self.marks[kind] = line.timestamp_ns
            elif kind.startswith("error."):
                self.stray.append(error_of(line.data))
            else:
                self.warmed_up += kind == "sample.issued"
        elif (take := self._take.get(kind)) is not None:
            take(place, line, at, size)
        elif kind.startswith("error."):
            self.errors[place] = error_of(line.data)

    def _take_issue(self, place: int, line: EventLine, _at: int, _size: int) -> None:
        self.issued_ns[place] = line.timestamp_ns
        self.issues[place] += 1

    def _take_first(self, place: int, line: EventLine, _at: int, _size: int) -> None:
        self.first_ns[place] = self.first_ns[place] or line.timestamp_ns

    def _take_end(self, place: int, line: EventLine, at: int, size: int) -> None:
        text, chunks = answer_text(line.data)
        self.end_ns[place] = line.timestamp_ns
        self.ends[place] += 1
        self.chunks[place], self.text_bytes[place] = chunks, len(text.encode())
        self.blank[place] = not text.strip()
        self.line_at[place], self.line_bytes[place] = at, size
        self.worker[place] = line.worker_id
        self.finish[place] = self._reasons.setdefault(line.finish_reason, line.finish_reason)


def _zeros(count: int) -> "array[int]":
    return array("q", bytes(8 * count))
