"""The mathematics of accuracies: shares of right answers, their standard errors, and those of groups."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from weighbridge.evaluation.intervals import wilson_interval


@dataclass(frozen=True)
class Answered:
    """Questions of one subject, and how many of them were answered right."""

    correct: int
    n: int

    @property
    def stderr(self) -> float | None:
        """Return the standard error of the accuracy; None for one question, whose answers do not vary.

        The sample's standard deviation by the root of n. Source: `mean_stderr` of lm-evaluation-harness
        (lm_eval/api/metrics.py); of n values 0 or 1 with the mean p it is sqrt(p (1 - p) / (n - 1)).
        """
        if self.n < 2:
            return None
        accuracy = self.correct / self.n
        return math.sqrt(accuracy * (1 - accuracy) / (self.n - 1))


@dataclass(frozen=True)
class Accuracy:
    """The accuracy over one or more subjects, each question counting once.

    Attributes:
        value: Share of right answers, 0 to 1.
        stderr: Its standard error, as lm-evaluation-harness computes it; None: no subject has two questions.
        low: Lower end of the 95 % interval (Wilson), over all questions as of one subject.
        high: Upper end.
        n: Questions.
        correct: Right answers.
    """

    value: float
    stderr: float | None
    low: float
    high: float
    n: int
    correct: int


def accuracy_of(subjects: Iterable[Answered]) -> Accuracy:
    """Compute the accuracy over subjects with at least one question in all.

    Raises:
        ValueError: there is no question.
    """
    parts = tuple(subjects)
    n, correct = sum(part.n for part in parts), sum(part.correct for part in parts)
    low, high = wilson_interval(correct, n)
    return Accuracy(correct / n, pooled_stderr(parts), low, high, n, correct)


def pooled_stderr(subjects: Iterable[Answered]) -> float | None:
    """Compute the standard error of the accuracy over subjects, weighted by their sizes.

    The pooled variance within the subjects, by all questions. Source: `pooled_sample_stderr` of
    lm-evaluation-harness (lm_eval/api/metrics.py). A subject with one question has no variance and adds
    none; the harness gives no standard error of a group with such a subject.

    Returns:
        None where no subject has two questions.
    """
    parts = tuple(subjects)
    n, freedom = sum(part.n for part in parts), sum(part.n - 1 for part in parts)
    if freedom == 0:
        return None
    # (n - 1) x stderr^2 x n of a subject, which is n p (1 - p).
    squares = sum(part.correct * (part.n - part.correct) / part.n for part in parts)
    return math.sqrt(squares / freedom / n)
