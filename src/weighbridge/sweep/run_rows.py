"""The requests of a sweep's run as arrays: what the client recorded of each, beside its turn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.client.frames import RequestOutcome
from weighbridge.core.errors import InputError
from weighbridge.requests.turns import RunPhase, Turns

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


_COLUMNS = (
    "planned_ns",
    "sent_ns",
    "first_ns",
    "last_ns",
    "end_ns",
    "tokens",
    "prompt_tokens",
    "cached_tokens",
    "chunks",
)


@dataclass(frozen=True)
class RunRows:
    """The requests of one run, in the order of their conversations and turns; each array has shape (n,).

    Times are monotonic ns, 0 for never. Fillers that the client cut off at the end of the run are no rows.

    Attributes:
        turns: The turns of the run's slice; each request has one of them.
        place: Each request's turn, as its place in `turns`.
        held: Number of its conversation; a filler's repeat is another one.
        lap: How often its bytes were sent before in this run.
        planned_ns: When it was due, or when the client decided to send it.
        sent_ns, first_ns, last_ns, end_ns: When its last byte was sent, its first and its last content came,
            and it ended.
        tokens, prompt_tokens, cached_tokens: As the server told; not above 0, and -1 of cached ones, if it
            did not say.
        chunks: Pieces of content that came.
        ok: Whether it ended well.
    """

    turns: Turns
    place: Numbers
    held: Numbers
    lap: Numbers
    planned_ns: Numbers
    sent_ns: Numbers
    first_ns: Numbers
    last_ns: Numbers
    end_ns: Numbers
    tokens: Numbers
    prompt_tokens: Numbers
    cached_tokens: Numbers
    chunks: Numbers
    ok: Flags

    @classmethod
    def of(cls, requests: pa.Table, turns: Turns) -> "RunRows":
        """Join a run's requests.parquet with the turns of its slice.

        Raises:
            InputError: a column is missing, or a request is not of the slice.
        """
        names = ("sample", "number", *_COLUMNS)
        missing = [name for name in (*names, "outcome") if name not in requests.column_names]
        if missing:
            raise InputError(
                f"the run's table of requests lacks the column '{missing[0]}'; restore requests.parquet, or "
                "measure the run again."
            )
        columns = {name: requests[name].to_numpy().astype(np.int64) for name in names}
        order = np.argsort(columns["number"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        place = _places(columns["sample"], turns)
        return cls(
            turns=turns,
            place=place,
            held=columns["number"] >> TURN_BITS,
            lap=_laps(place),
            ok=_ok(requests)[order],
            **{name: columns[name] for name in _COLUMNS},
        )

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.place)

    def turn(self, name: str) -> NDArray[Any]:
        """Return a field of each request's turn, such as 'phase', shape (n,)."""
        column: NDArray[Any] = self.turns[name][self.place]
        return column

    @property
    def measured(self) -> Flags:
        """Which requests are of measured conversations."""
        return np.asarray(self.turn("phase") == RunPhase.MEASURED)

    @property
    def begun_ns(self) -> Numbers:
        """When each was sent; of one that never was, when it should have been."""
        return np.where(self.sent_ns > 0, self.sent_ns, self.planned_ns)

    def start_ns(self, *, open_loop: bool) -> Numbers:
        """Return where latencies count from: due times in open loops, which no late client can hide."""
        return self.planned_ns if open_loop else self.begun_ns


def _ok(requests: pa.Table) -> Flags:
    outcomes = np.array(requests["outcome"].cast(pa.string()).to_pylist(), dtype=object)
    return np.asarray(outcomes == RequestOutcome.OK.label, dtype=np.bool_)


def _places(samples: Numbers, turns: Turns) -> Numbers:
    """Return the place in `turns` of each request in the store."""
    known = turns["request"].astype(np.int64)
    order = np.argsort(known, kind="stable")
    found = np.searchsorted(known, samples, sorter=order)
    place = order[np.minimum(found, len(order) - 1)] if len(order) else np.zeros(len(samples), np.int64)
    if len(samples) and (not len(order) or (known[place] != samples).any()):
        raise InputError(
            "the run's table has requests that are not of its slice; restore requests.parquet, or measure "
            "the run again."
        )
    return place.astype(np.int64)


def _laps(place: Numbers) -> Numbers:
    """Return how often each row's place occurred before it."""
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]] if len(ordered) else np.zeros(0, dtype=np.bool_)
    counted = np.arange(len(ordered))
    laps = np.empty(len(place), dtype=np.int64)
    laps[order] = counted - np.maximum.accumulate(np.where(first, counted, 0))
    return laps
