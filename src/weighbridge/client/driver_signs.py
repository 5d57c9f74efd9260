"""Signs of life that a driver process reports: answers of the servers, words of the workers."""

from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.worker_link import WorkerLink


class Counted(Protocol):
    """What counts a run's requests."""

    @property
    def links(self) -> Sequence[WorkerLink]:
        """One a worker."""

    @property
    def completed(self) -> int:
        """Requests that have ended, failures included."""

    @property
    def failed(self) -> Counter[RequestOutcome]:
        """The failures, by outcome."""

    def open(self) -> int:
        """Return how many requests are issued and have not ended."""


class Signs:
    """Since when the server has answered nothing, and each worker said nothing; seen once a report."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self._answers = (-1, -1)
        self._answered_s = monotonic()
        self._heard_s = [monotonic()] * len(counted.links)
        self._lost = False

    def look(self) -> dict[str, object]:
        """Return `quiet_s`, 0 while no request is open, and `silent_s`, one number a worker."""
        counted, now = self._counted, monotonic()
        begun = sum(link.begun for link in counted.links)
        # What ends by a limit of our own is no answer.
        answers = (begun, counted.completed - counted.failed[RequestOutcome.TIMEOUT])
        if answers != self._answers or not counted.open():
            self._answers, self._answered_s = answers, now
        for number, link in enumerate(counted.links):
            if link.heard:
                link.heard, self._heard_s[number] = False, now
        return {"quiet_s": now - self._answered_s, "silent_s": [now - heard for heard in self._heard_s]}

    def lost(self) -> str | None:
        """Return the sentence on a worker that cannot be reached, if nobody said within a report why."""
        lost = next((link.number for link in self._counted.links if link.gone or link.broken), None)
        before, self._lost = self._lost, lost is not None
        return f"the connection to worker {lost} broke" if lost is not None and before else None
