"""How far a run is: what its observers are told."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class DrivenPhase(StrEnum):
    """What a driver that goes through several phases does at present."""

    STARTING = "starting"
    WARM_UP = "warm-up"
    PERFORMANCE = "performance phase"
    ACCURACY = "accuracy phase"
    RESULTS = "writing its results"

    @property
    def measures(self) -> bool:
        """Whether it has come to the queries that count."""
        return self not in {DrivenPhase.STARTING, DrivenPhase.WARM_UP}


@dataclass(frozen=True)
class SampleCounts:
    """How far a run is, in samples.

    Attributes:
        issued: Samples that the driver asked for.
        completed: Samples that have ended, failures included.
        failed: Of these, the failures.
        quiet_s: Seconds since the last answer, or part of one, while samples are open; 0 while none is.
        trouble: What keeps the run from going on, as one sentence to show; None: nothing is known.
        first_tokens: First tokens that the driver was told of, where it counts them.
        at_ns: When these counts held, in monotonic ns, and all that had ended was in the request log; 0: not
            known.
        shown: Samples that have ended by a count that may be ahead of the others, failures included; 0: none.
        phase: What the driver does at present; None: it has one phase only.
    """

    issued: int
    completed: int
    failed: int
    quiet_s: float = 0.0
    trouble: str | None = None
    first_tokens: int = 0
    at_ns: int = 0
    shown: int = 0
    phase: DrivenPhase | None = None

    @property
    def open(self) -> int:
        """Samples that were issued and have not ended."""
        return self.issued - self.completed


Observe = Callable[[SampleCounts], str | None]
"""Receives the counts of a run at least once a second; a returned text ends the run, as its reason."""
Stop = Callable[[], str | None]
"""Asked at least once a second for a reason to end the run early; None: there is none."""


def first_reason(*observers: Observe | None) -> Observe:
    """Return what gives the counts to each observer, and returns the first reason to end the run."""

    def observe(counts: SampleCounts) -> str | None:
        reasons = [each(counts) for each in observers if each is not None]
        return next((reason for reason in reasons if reason is not None), None)

    return observe
