"""The official client's log of events, as the queries of its phases: when each came and went.

Source: core/record.py, core/types.py and load_generator/session.py in mlcommons/endpoints @ ea332753.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular
from weighbridge.core.models import read_data
from weighbridge.records.official_client import EVENTS, SAMPLE_MAP, client_folder

PERFORMANCE_PHASE = "performance"
"""The client's name of it; an accuracy phase has the name of its dataset."""

Numbers = NDArray[np.int64]


class EventLine(msgspec.Struct, frozen=True):
    """One line of the log."""

    event_type: str
    timestamp_ns: int
    sample_uuid: str = ""
    data: Any = None
    finish_reason: str = ""
    worker_id: int = -1


@dataclass
class _Query:
    sample: int
    issued_ns: int = 0
    first_ns: int = 0
    end_ns: int = 0
    text: str | None = None
    chunks: int = 0
    error: tuple[str, str] | None = None
    finish: str = ""
    worker: int = -1
    ends: int = 0


@dataclass(frozen=True)
class ClientPhase:
    """The queries of one phase, in the order in which they were issued; times in monotonic ns, 0 for never.

    Attributes:
        name: The client's name of the phase.
        sample: Number of each query's sample, shape (n,).
        issued_ns, first_ns, end_ns: When it was issued, its first part came, and it ended, shape (n,).
        worker: The client's worker that received it; -1: not known, shape (n,).
        chunks: Parts of the answer, shape (n,).
        texts: The answers; None: there is none.
        errors: Kind and message of each query that failed, by its place.
        finish: Why the server ended each answer, as it says.
        ended_twice: Queries that have more than one end.
    """

    name: str
    sample: Numbers
    issued_ns: Numbers
    first_ns: Numbers
    end_ns: Numbers
    worker: Numbers
    chunks: Numbers
    texts: tuple[str | None, ...]
    errors: Mapping[int, tuple[str, str]]
    finish: tuple[str, ...]
    ended_twice: int

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
    def latency_ns(self) -> Numbers:
        """Time from issue to end of the queries that ended, failed ones included, as the client counts."""
        ended = self.end_ns > 0
        return self.end_ns[ended] - self.issued_ns[ended]

    @classmethod
    def of(cls, name: str, queries: Mapping[str, _Query]) -> Self:
        """Return the phase of these queries."""
        ordered = sorted(queries.values(), key=lambda query: query.issued_ns)

        def numbers(attribute: str) -> Numbers:
            return np.array([getattr(query, attribute) for query in ordered], dtype=np.int64)

        return cls(
            name=name,
            sample=numbers("sample"),
            issued_ns=numbers("issued_ns"),
            first_ns=numbers("first_ns"),
            end_ns=numbers("end_ns"),
            worker=numbers("worker"),
            chunks=numbers("chunks"),
            texts=tuple(query.text for query in ordered),
            errors={place: query.error for place, query in enumerate(ordered) if query.error is not None},
            finish=tuple(query.finish for query in ordered),
            ended_twice=sum(query.ends > 1 for query in ordered),
        )


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
    stray_errors: tuple[tuple[str, str], ...] = field(default=())

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
        by_phase = _queries(places)
        by_id = {uuid: query for queries in by_phase.values() for uuid, query in queries.items()}
        marks: dict[str, int] = {}
        stray: list[tuple[str, str]] = []
        warmed_up = 0
        try:
            with open_regular(log) as stream:
                lines = msgspec.json.Decoder(EventLine).decode_lines(stream.read())
        except (OSError, msgspec.DecodeError, UnicodeError) as error:
            raise InputError(
                f"{log}: damaged ({str(error).rstrip('.')}); restore it, or repeat the run."
            ) from None
        for line in lines:
            if line.event_type.startswith("session."):
                marks[line.event_type] = line.timestamp_ns
                continue
            query = by_id.get(line.sample_uuid)
            if query is None:
                warmed_up += line.event_type == "sample.issued"
                if line.event_type.startswith("error."):
                    stray.append(_error(line.data))
            else:
                _add(query, line)
        return cls(
            phases={name: ClientPhase.of(name, queries) for name, queries in by_phase.items()},
            started_ns=marks.get("session.start_performance_tracking"),
            stopped_ns=marks.get("session.stop_performance_tracking"),
            ended="session.ended" in marks,
            warmed_up=warmed_up,
            stray_errors=tuple(stray),
        )


def _queries(places: Path) -> dict[str, dict[str, _Query]]:
    """Read which sample each query of a phase was."""
    data = read_data(places)
    try:
        return {
            str(phase): {str(uuid): _Query(int(sample)) for uuid, sample in queries.items()}
            for phase, queries in data.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{places}: not the client's list of samples ({error}); restore it.") from None


def _add(query: _Query, line: EventLine) -> None:
    match line.event_type:
        case "sample.issued":
            query.issued_ns = line.timestamp_ns
        case "sample.recv_first":
            query.first_ns = query.first_ns or line.timestamp_ns
        case "sample.complete":
            query.end_ns, query.ends = line.timestamp_ns, query.ends + 1
            query.text, query.chunks = _text(line.data)
            query.finish, query.worker = line.finish_reason, line.worker_id
        case event if event.startswith("error."):
            query.error = _error(line.data)


def _text(data: Any) -> tuple[str | None, int]:
    """Return the text of an answer and the number of its parts; it is written as [kind, text or parts]."""
    if not isinstance(data, list) or data[:1] != ["TextModelOutput"]:
        return None, 0
    output = data[1] if len(data) > 1 else ""
    if isinstance(output, str):
        return output, 1
    parts = [part for part in output if isinstance(part, str)] if isinstance(output, list) else []
    return "".join(parts), len(parts)


def _error(data: Any) -> tuple[str, str]:
    """Return kind and message of an error, which is written as [kind of record, kind, message]."""
    if isinstance(data, list) and len(data) > 1 and data[0] == "ErrorData":
        return str(data[1]), str(data[2]) if len(data) > 2 else ""
    return "unknown", json.dumps(data)[:200]
