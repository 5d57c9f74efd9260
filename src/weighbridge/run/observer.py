"""What a session reports while it lasts, to an observer that is passed in, such as progress."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from weighbridge.client.issuer import IssuePlan
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.records.progress_record import Phase
from weighbridge.records.run_record import LoadReport, LostRun


class Observer(Protocol):
    """Receives what a session does."""

    def enter(self, phase: Phase, /) -> None:
        """Note that the session begins a phase."""

    def starting(self, stage: str, /) -> None:
        """Note the stage of the server's start."""

    def measure(self, plan: IssuePlan, out: Path, connections: int, /) -> Callable[[SampleCounts], None]:
        """Note that a measurement begins in the folder `out`; return what receives its counts.

        `connections` is how many requests are under way at the same time, at most.
        """

    def lost(self, sentence: str, /) -> None:
        """Note that the measurement cannot pass any more, and why."""

    def measured(self, report: LoadReport, /) -> None:
        """Note that the measurement has ended."""


class LossWatch(Protocol):
    """Finds out, while a measurement lasts, that it cannot pass any more."""

    @property
    def lost(self) -> LostRun | None:
        """Why it cannot; None: it may pass, or that is not known."""

    def __call__(self, counts: SampleCounts, /) -> str | None:
        """Receive the counts at least once a second; a returned text ends the run, as its reason."""

    def close(self) -> None:
        """End the watching; the measurement is over."""


Observing = Callable[[Path, str], AbstractContextManager[Observer]]
"""Makes the observer of a session, for its length, from its folder and the name shown until it measures."""


class _NoObserver:
    def enter(self, *_: object) -> None:
        pass

    def starting(self, *_: object) -> None:
        pass

    def measure(self, *_: object) -> Callable[[SampleCounts], None]:
        return lambda _: None

    def lost(self, *_: object) -> None:
        pass

    def measured(self, *_: object) -> None:
        pass


@contextmanager
def unobserved(*_: object) -> Iterator[Observer]:
    """Return an observer that ignores everything."""
    yield _NoObserver()
