"""Latencies that two clients measured of the same queries, and where they come from."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from weighbridge.endpoints.replayed_phase import ReplayedPhase
from weighbridge.endpoints.schedule import delays_s
from weighbridge.gates.request_rows import RequestRows
from weighbridge.records.cross_measurement import CrossMeasurement, MeasuredByClient, PairedTimes, TimeSpread

Numbers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class TimedQueries:
    """The answered queries of a client, times in monotonic ns; each array has shape (n,).

    Attributes:
        client: Its name.
        issued: How many queries it issued, failed ones included.
        sample: Number of the sample.
        from_ns: When the latency begins to count.
        first_ns, end_ns: When the first token came, and the end.
        streamed: Whether answers were streamed.
    """

    client: str
    issued: int
    sample: Numbers
    from_ns: Numbers
    first_ns: Numbers
    end_ns: Numbers
    streamed: bool

    @classmethod
    def of_official(cls, replayed: ReplayedPhase) -> Self:
        """Return those of the official client."""
        phase = replayed.phase
        good = phase.answered
        return cls(
            "official",
            len(phase),
            phase.sample[good],
            phase.issued_ns[good],
            phase.first_ns[good],
            phase.end_ns[good],
            replayed.streamed,
        )

    @classmethod
    def of_own(cls, rows: RequestRows, *, streamed: bool) -> Self:
        """Return those of our own client."""
        good = rows.completed
        first_ns = rows.end_ns if rows.first_ns is None else rows.first_ns
        return cls(
            "weighbridge",
            len(rows),
            rows.sample[good],
            rows.planned_ns[good],
            first_ns[good],
            rows.end_ns[good],
            streamed,
        )


@dataclass(frozen=True)
class ServerTimes:
    """What the server logged of answers, times in monotonic ns; each array has shape (n,).

    Attributes:
        sample: Number of the sample.
        arrived_ns: When the request was read.
        first_ns, end_ns: When the first token and the end of the response were sent.
    """

    sample: Numbers
    arrived_ns: Numbers
    first_ns: Numbers
    end_ns: Numbers


def cross_measurement(
    replayed: ReplayedPhase, own: TimedQueries, server: ServerTimes | None
) -> CrossMeasurement:
    """Compare what both clients measured.

    Args:
        replayed: The official client's phase.
        own: The queries of our client.
        server: The server's log of both runs; None: there is none.
    """
    official = TimedQueries.of_official(replayed)
    late = None
    if replayed.target_qps is not None:
        late = _spread(delays_s(replayed.phase.issued_ns, replayed.due_ns) * 1e9)
    measured = _measured(official, server)
    return CrossMeasurement(
        scenario=replayed.scenario,
        target_qps=replayed.target_qps,
        official=measured.model_copy(update={"late": late}),
        own=_measured(own, server),
    )


def _measured(queries: TimedQueries, server: ServerTimes | None) -> MeasuredByClient:
    return MeasuredByClient(
        client=queries.client,
        queries=queries.issued,
        failed=queries.issued - len(queries.sample),
        latency=_spread(queries.end_ns - queries.from_ns),
        ttft=_spread(queries.first_ns - queries.from_ns) if queries.streamed else None,
        times=None if server is None else _paired(queries, server),
    )


def _paired(queries: TimedQueries, server: ServerTimes) -> PairedTimes | None:
    ours, theirs = pairs(queries, server)
    if not len(ours):
        return None
    from_ns, first_ns, end_ns = (each[ours] for each in (queries.from_ns, queries.first_ns, queries.end_ns))
    arrived_ns, sent_first_ns, sent_ns = (
        each[theirs] for each in (server.arrived_ns, server.first_ns, server.end_ns)
    )
    return PairedTimes(
        paired=len(ours),
        before=_spread(arrived_ns - from_ns),
        server=_spread(sent_ns - arrived_ns),
        after=_spread(end_ns - sent_ns),
        server_first=_spread(sent_first_ns - arrived_ns) if queries.streamed else None,
        after_first=_spread(first_ns - sent_first_ns) if queries.streamed else None,
    )


def pairs(queries: TimedQueries, server: ServerTimes) -> tuple[Numbers, Numbers]:
    """Return which query is which answer of the server's log: the places of both, shape (pairs,) each.

    Answers are searched between the first query and the last end. Of a sample that was asked several times,
    the first query is the first arrival, and so on; one whose numbers of both differ is left out, because a
    failed request is in no log.
    """
    if not len(queries.sample):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    inside = np.flatnonzero(
        (server.arrived_ns >= queries.from_ns.min()) & (server.arrived_ns <= queries.end_ns.max())
    )
    asked = np.lexsort((queries.from_ns, queries.sample))
    sent = inside[np.lexsort((server.arrived_ns[inside], server.sample[inside]))]
    known = np.union1d(queries.sample, server.sample[inside])
    counts = [
        np.bincount(np.searchsorted(known, samples), minlength=len(known))
        for samples in (queries.sample, server.sample[inside])
    ]
    equal = known[counts[0] == counts[1]]
    return (
        asked[np.isin(queries.sample[asked], equal)],
        sent[np.isin(server.sample[sent], equal)],
    )


def _spread(times_ns: NDArray[Any]) -> TimeSpread:
    if not len(times_ns):
        return TimeSpread(p50_s=0, p90_s=0, p99_s=0, mean_s=0)
    p50, p90, p99 = np.percentile(times_ns, [50, 90, 99], method="lower") / 1e9
    return TimeSpread(p50_s=p50, p90_s=p90, p99_s=p99, mean_s=float(times_ns.mean()) / 1e9)
