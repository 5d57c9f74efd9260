"""Rates of a run: what ended, arrived and was sent within its window, whichever phase it belongs to."""

from dataclasses import dataclass

import numpy as np

from weighbridge.sweep.cell_window import Window
from weighbridge.sweep.run_rows import Flags, Floats, Numbers, RunRows

_NS = 1e9


@dataclass(frozen=True)
class Rates:
    """What happened in the window, by its length in s.

    Attributes:
        qps: Requests that ended well in it.
        conversations_per_s: Conversations whose last turn did.
        output_tps: Tokens that arrived in it; None: no answer says how many it has.
        due_qps: Requests that were due in it, or that the client decided to send.
        sent_qps: Requests that were sent in it.
        concurrency: Mean number of conversations in progress, from the sending of their first turn to the
            end of their last one, with the time in which a user would think.
    """

    qps: float
    conversations_per_s: float
    output_tps: float | None
    due_qps: float
    sent_qps: float
    concurrency: float

    @classmethod
    def of(cls, rows: RunRows, window: Window, *, streamed: bool) -> "Rates":
        """Compute the rates of all phases' requests."""
        ended = rows.ok & window.has(rows.end_ns)
        sent = (rows.sent_ns > 0) & window.has(rows.sent_ns)
        told = rows.ok & (rows.tokens > 0)
        tokens = arrived_tokens(rows, window, streamed=streamed)
        return cls(
            qps=_rate(ended, window),
            conversations_per_s=_rate(ended & _is_last(rows), window),
            output_tps=float(tokens.sum()) / window.seconds if told.any() else None,
            due_qps=_rate(window.has(rows.planned_ns), window),
            sent_qps=_rate(sent, window),
            concurrency=_concurrency(rows, window),
        )


def arrived_tokens(rows: RunRows, window: Window, *, streamed: bool) -> Floats:
    """Return how many tokens of each request arrived in a window, shape (n,).

    A streamed answer's tokens are spread evenly from its first content to its last; those of an answer in
    one piece arrive at its end.
    """
    tokens = np.where(rows.ok, np.maximum(rows.tokens, 0), 0).astype(np.float64)
    spread = streamed & (rows.first_ns > 0) & (rows.last_ns > rows.first_ns)
    first = np.where(spread, rows.first_ns, rows.end_ns)
    last = np.where(spread, rows.last_ns, rows.end_ns)
    inside = np.minimum(last, window.end_ns) - np.maximum(first, window.start_ns)
    share = np.where(
        spread,
        np.maximum(inside, 0) / np.maximum(last - first, 1),
        window.has(rows.end_ns).astype(np.float64),
    )
    return np.asarray(tokens * share)


def in_progress(starts_ns: Numbers, ends_ns: Numbers, edges_ns: Floats) -> Floats:
    """Return the mean number of intervals that are open in each part of a time.

    Args:
        starts_ns: Of the intervals, shape (n,).
        ends_ns: The same of their ends.
        edges_ns: Bounds of the parts, ascending, shape (parts + 1,).
    """
    low, high = edges_ns[:-1, None], edges_ns[1:, None]
    inside = np.minimum(ends_ns[None, :], high) - np.maximum(starts_ns[None, :], low)
    shares: Floats = np.maximum(inside, 0).sum(axis=1) / (edges_ns[1:] - edges_ns[:-1])
    return shares


def _concurrency(rows: RunRows, window: Window) -> float:
    held, place = np.unique(rows.held, return_inverse=True)
    starts = np.full(len(held), np.iinfo(np.int64).max)
    ends = np.zeros(len(held), dtype=np.int64)
    np.minimum.at(starts, place, rows.begun_ns)
    np.maximum.at(ends, place, rows.end_ns)
    return float(in_progress(starts, ends, window.edges(1))[0])


def _is_last(rows: RunRows) -> Flags:
    """Return which requests are the last turn of their conversation."""
    turns = rows.turns
    same = turns["conversation"][1:] == turns["conversation"][:-1]
    last = np.r_[~same, True]
    return np.asarray(last[rows.place])


def _rate(chosen: Flags, window: Window) -> float:
    return float(chosen.sum()) / window.seconds
