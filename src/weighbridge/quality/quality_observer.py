"""What a measurement of quality reports while it lasts, to an observer, such as progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from weighbridge.records.quality_answers import SubjectAnswers


class QualityObserver(Protocol):
    """Receives what a measurement of quality does."""

    def starting(self, stage: str, /) -> None:
        """Note the stage of the server's start."""

    def planned(self, subjects: int, questions: int, requests: int, /) -> None:
        """Note how many subjects and questions are asked in all, and how many requests a question takes."""

    def taken_over(self, answers: SubjectAnswers, /) -> None:
        """Note a subject that an earlier measurement has asked."""

    def subject(self, name: str, /) -> None:
        """Note that a subject begins."""

    def answered(self) -> None:
        """Note an answered request."""

    def measured(self, answers: SubjectAnswers, /) -> None:
        """Note that a subject has ended."""

    def done(self) -> None:
        """Note that all subjects have ended."""


QualityObserving = Callable[[Path], AbstractContextManager[QualityObserver]]
"""Makes the observer of a measurement, for its length, from its folder."""
