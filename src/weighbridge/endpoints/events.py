"""The official client's log of events, as the queries of its phases: when each came and went.

A run of 872,000 queries logs some GB. It is read in blocks into columns; answers stay in the file, where they
are found again by their places.

Source: load_generator/session.py in mlcommons/endpoints @ ea332753.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular
from weighbridge.endpoints.event_columns import EventColumns
from weighbridge.endpoints.event_lines import UNREADABLE, answer_text, damaged, decode_line, lines_of
from weighbridge.records.official_client import EVENTS, SAMPLE_MAP, client_folder

PERFORMANCE_PHASE = "performance"
"""The client's name of it; an accuracy phase has the name of its dataset."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class ClientPhase:
    """The queries of one phase, in the order in which they were issued; times in monotonic ns, 0 for never.

    Attributes:
        name: The client's name of the phase.
        sample: Number of each query's sample, shape (n,).
        issued_ns, first_ns, end_ns: When it was issued, its first part came, and it ended, shape (n,).
        worker: The client's worker that received it; -1: not known, shape (n,).
        chunks: Parts of the answer, shape (n,).
        text_bytes: Size of the answer's text in UTF-8, shape (n,).
        blank: Whether the answer has nothing but white space, shape (n,).
        finish: Why the server ended each answer, as it says; empty where it does not.
        errors: Kind and message of each query that failed, by its place.
        issued_twice, ended_twice: Queries that have more than one issue, or more than one end.
    """

    name: str
    sample: Numbers
    issued_ns: Numbers
    first_ns: Numbers
    end_ns: Numbers
    worker: Numbers
    chunks: Numbers
    text_bytes: Numbers
    blank: NDArray[np.bool_]
    finish: Sequence[str]
    errors: Mapping[int, tuple[str, str]]
    issued_twice: int
    ended_twice: int
    _log: Path
    _line_at: Numbers
    _line_bytes: Numbers

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.sample)

    @property
    def succeeded(self) -> NDArray[np.bool_]:
        """Which queries ended without an error, shape (n,)."""
        good = self.end_ns > 0
        good[list(self.errors)] = False
        return good

    @property
    def cut_off(self) -> NDArray[np.bool_]:
        """Which answers ended without a word of the server why, while others have one, shape (n,).

        The client takes a stream whose connection breaks as an answer, and counts it as completed.
        """
        told = np.array([bool(reason) for reason in self.finish], dtype=bool)
        good = self.succeeded
        return good & ~told if bool((good & told).any()) else np.zeros(len(self), dtype=bool)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which queries have an answer with a text and to its end, shape (n,)."""
        return self.succeeded & ~self.blank & ~self.cut_off

    @property
    def latency_ns(self) -> Numbers:
        """Time from issue to end of the queries that ended, failed ones included, as the client counts."""
        ended = self.end_ns > 0
        return self.end_ns[ended] - self.issued_ns[ended]

    @property
    def ttft_ns(self) -> Numbers:
        """Time from issue to the first part, of the queries that had one, as the client counts."""
        begun = self.first_ns > 0
        return self.first_ns[begun] - self.issued_ns[begun]

    @classmethod
    def of(cls, name: str, columns: EventColumns, log: Path) -> Self:
        """Return a phase of a log, in the order of its issues."""
        start, stop = columns.bounds[name]
        order = start + np.argsort(_numbers(columns.issued_ns)[start:stop], kind="stable")
        rows = order.tolist()
        return cls(
            name=name,
            sample=_numbers(columns.sample)[order],
            issued_ns=_numbers(columns.issued_ns)[order],
            first_ns=_numbers(columns.first_ns)[order],
            end_ns=_numbers(columns.end_ns)[order],
            worker=_numbers(columns.worker)[order],
            chunks=_numbers(columns.chunks)[order],
            text_bytes=_numbers(columns.text_bytes)[order],
            blank=np.frombuffer(columns.blank, dtype=np.bool_)[order],
            finish=[columns.finish[row] for row in rows],
            errors={
                place: columns.errors[row]
                for place, row in (enumerate(rows) if columns.errors else ())
                if row in columns.errors
            },
            issued_twice=int((_numbers(columns.issues)[order] > 1).sum()),
            ended_twice=int((_numbers(columns.ends)[order] > 1).sum()),
            _log=log,
            _line_at=_numbers(columns.line_at)[order],
            _line_bytes=_numbers(columns.line_bytes)[order],
        )

    def texts(self, places: Sequence[int]) -> Iterator[str]:
        """Yield the answers of these queries, from the log; empty where there is none.

        Raises:
            InputError: the log was changed since it was read.
        """
        try:
            with open_regular(self._log) as stream:
                for place in places:
                    if not self._line_bytes[place]:
                        yield ""
                        continue
                    stream.seek(int(self._line_at[place]))
                    line = decode_line(stream.read(int(self._line_bytes[place])))
                    yield answer_text(line.data)[0]
        except UNREADABLE as error:
            raise damaged(self._log, error) from None


@dataclass(frozen=True)
class Events:
    """The log of one invocation.

    Attributes:
        phases: Its phases by name, without the warm-up.
        started_ns, stopped_ns: The marks around the performance phase; None: there is no such mark.
        ended: Whether the log has its last mark.
        warmed_up: Queries of the warm-up.
        stray_errors: Errors that belong to no query of a phase: kind and message.
    """

    phases: Mapping[str, ClientPhase]
    started_ns: int | None
    stopped_ns: int | None
    ended: bool
    warmed_up: int
    stray_errors: tuple[tuple[str, str], ...]

    @property
    def performance(self) -> ClientPhase | None:
        """The performance phase; None: there was none."""
        return self.phases.get(PERFORMANCE_PHASE)

    @property
    def accuracy(self) -> ClientPhase | None:
        """The accuracy phase; None: there was none."""
        others = [phase for name, phase in self.phases.items() if name != PERFORMANCE_PHASE]
        return others[0] if others else None

    @classmethod
    def read(cls, run: Path) -> "Events | None":
        """Read the log in a run's folder; None: it, or the list of samples beside it, is not there.

        Raises:
            InputError: one of them is damaged.
        """
        folder = client_folder(run)
        log, places = folder / EVENTS, folder / SAMPLE_MAP
        if not log.is_file() or not places.is_file():
            return None
        columns = EventColumns(_samples(places))
        try:
            for at, line in lines_of(log):
                columns.add(decode_line(line), at, len(line))
        except UNREADABLE as error:
            raise damaged(log, error) from None
        marks = columns.marks
        return cls(
            phases={name: ClientPhase.of(name, columns, log) for name in columns.bounds},
            started_ns=marks.get("session.start_performance_tracking"),
            stopped_ns=marks.get("session.stop_performance_tracking"),
            ended="session.ended" in marks,
            warmed_up=columns.warmed_up,
            stray_errors=tuple(columns.stray),
        )


def _samples(places: Path) -> dict[str, dict[str, int]]:
    """Read which sample each query of a phase was: by the phase's name, by the query's id."""
    try:
        with open_regular(places) as stream:
            return msgspec.json.decode(stream.read(), type=dict[str, dict[str, int]])
    except UNREADABLE as error:
        raise InputError(f"{places}: not the client's list of samples ({error}); restore it.") from None


def _numbers(column: "array[int]") -> Numbers:
    return np.frombuffer(column, dtype=np.int64) if len(column) else np.empty(0, dtype=np.int64)
