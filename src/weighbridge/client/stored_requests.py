"""A store's requests as a worker sends them: which bytes of which body, and what goes before them."""

from pathlib import Path
from typing import Any

from weighbridge.client.answers import Answer
from weighbridge.client.connection_owner import Request
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.frames import RequestOutcome, WorkerJob
from weighbridge.client.live_history import LiveHistory
from weighbridge.requests.bodies import Bodies
from weighbridge.requests.holes import Holes

_MOST_MAPPED_BYTES = 1 << 24  # of bodies: this process's memory until forgotten, 20 us for each MiB
_OK = RequestOutcome.OK  # a look-up of its own costs 1,500 instructions in Python 3.11


class StoredRequests:
    """The requests of one store.

    Attributes:
        bodies: Their bodies.
        live: Whether any repeats the server's own answers, so that it has to be told of them.
    """

    def __init__(self, job: WorkerJob) -> None:
        """Map the store.

        Raises:
            InputError: it cannot be mapped.
        """
        self.bodies = Bodies(Path(job.store))
        self._offsets = self.bodies.offsets
        self._cut_start, self._cut_end = job.cut_start, job.cut_end
        self._mapped_bytes = 0  # of bodies sent since their pages were last forgotten
        holes = Holes(Path(job.store))
        self.live = len(holes) > 0
        self._history = LiveHistory(holes) if self.live else None

    def make(self, number: int, index: int, planned_ns: int, endpoint: Endpoint[Any]) -> Request:
        """Return a request that is about to be sent; its body is looked at when it is."""
        at = self._offsets[index] + self._cut_start
        size = self._offsets[index + 1] - self._cut_end - at
        self._mapped_bytes += size
        request = Request(number, index, planned_ns, at, size, endpoint)
        if self._history is not None:
            request.spliced, start = self._history.before(number, index, self.bodies[index], self._cut_start)
            request.at += start - self._cut_start
            request.size -= start - self._cut_start
        return request

    def ended(self, request: Request, answer: Answer) -> None:
        """Note the outcome of a request, whose answer may be part of a later one."""
        if self._history is not None:
            text = answer.text if answer.outcome is _OK else None
            self._history.ended(request.id, request.index, text)

    def forget(self) -> None:
        """Take what was sent out of this process's memory, if that is much."""
        if self._mapped_bytes > _MOST_MAPPED_BYTES:
            self._mapped_bytes = 0
            self.bodies.forget()
