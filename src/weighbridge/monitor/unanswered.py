"""The requests of a running measurement that have no answer yet, and how old each of them is at least.

An open or failed request has no latency. Left out, it would make a stalled run look fast; so it counts with
its present age, which its latency cannot be below.
"""

from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.request_log import Records

Ages = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ages in nanoseconds, shape (n,), and how many requests have each, shape (n,)."""


class Unanswered(Protocol):
    """Knows the ages of the requests without an answer, from counts and from the records of the others."""

    def note(self, now_ns: int, issued: int) -> None:
        """Note how many were issued by now; may be called on another thread than the rest."""

    def add(self, records: Records) -> None:
        """Take the records of finished requests."""

    def ages(self, now_ns: int) -> Ages:
        """Return the least ages of the requests without an answer."""


class UnansweredSinceIssue:
    """Requests with due times; their ages count from the issue.

    Which requests are open is not known here. But what was issued by some moment, less the answers to
    requests issued by then, is the number of those that have waited since that moment or longer.
    """

    def __init__(self) -> None:
        self._noted: deque[tuple[int, int]] = deque()
        # Moments that still matter, ascending; what was issued by then, and what of that was answered.
        self._moments, self._issued, self._answered = _none(), _none(), _none()
        self._planned = _none()  # answered, and issued after the last moment

    def note(self, now_ns: int, issued: int) -> None:
        """Note how many were issued by now; may be called on another thread than the rest."""
        self._noted.append((now_ns, issued))

    def add(self, records: Records) -> None:
        """Take the records of finished requests; a failed one stays without an answer."""
        planned = records["planned_ns"][records["outcome"] == RequestOutcome.OK].astype(np.int64)
        self._planned = np.concatenate([self._planned, planned])

    def ages(self, now_ns: int) -> Ages:
        """Return the least ages of the requests without an answer."""
        self._settle()
        unanswered = np.maximum.accumulate(np.maximum(self._issued - self._answered, 0))
        counts = np.diff(unanswered, prepend=0)
        # A moment before which nothing new waits says nothing more. The last one places later answers.
        keep = counts > 0
        keep[-1:] = True
        ages = now_ns - self._moments, counts
        self._moments, self._issued, self._answered = (
            values[keep] for values in (self._moments, self._issued, self._answered)
        )
        return ages

    def _settle(self) -> None:
        """Take in the moments noted since, and the answers to what was issued by them."""
        noted = [self._noted.popleft() for _ in range(len(self._noted))]
        moments, issued = np.array(noted, dtype=np.int64).reshape(-1, 2).T
        self._moments = np.concatenate([self._moments, moments])
        self._issued = np.concatenate([self._issued, issued])
        self._answered = np.concatenate([self._answered, np.repeat(self._answered[-1:].sum(), len(moments))])
        index = np.searchsorted(self._moments, self._planned)
        placed = index < len(self._moments)
        self._answered += np.cumsum(np.bincount(index[placed], minlength=len(self._moments)))
        self._planned = self._planned[~placed]


class UnansweredSinceSending:
    """Requests without due times; their ages count from sending, so those that wait for their turn have none.

    Each connection sends its next request when it has the answer to the last. So at most as many as there are
    connections are under way, and those were sent at the latest when the last so many requests ended.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._issued = self._finished = self._started_ns = 0
        self._ends = _none()  # the latest ones, one a connection at most
        self._failed = _none()  # when each failed request was sent, or else given up

    def note(self, now_ns: int, issued: int) -> None:
        """Note how many were issued by now; may be called on another thread than the rest."""
        self._started_ns = self._started_ns or now_ns
        self._issued = issued

    def add(self, records: Records) -> None:
        """Take the records of finished requests; those that an abort ended stay open."""
        finished = records[records["outcome"] != RequestOutcome.ABORTED]
        self._finished += len(finished)
        ends = np.sort(np.concatenate([self._ends, finished["end_ns"]]))
        self._ends = ends[-self._connections :]
        failed = finished[finished["outcome"] != RequestOutcome.OK]
        begun = np.where(failed["sent_ns"] > 0, failed["sent_ns"], failed["end_ns"])
        self._failed = np.concatenate([self._failed, begun])

    def ages(self, now_ns: int) -> Ages:
        """Return the least ages of the requests without an answer."""
        under_way = max(0, min(self._issued - self._finished, self._connections))
        sent = self._ends[len(self._ends) - min(under_way, len(self._ends)) :]
        since_start = np.repeat(self._started_ns, under_way - len(sent))
        ages = now_ns - np.concatenate([sent, since_start, self._failed])
        return ages, np.ones(len(ages), dtype=np.int64)


def _none() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)
