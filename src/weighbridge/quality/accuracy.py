"""The mathematics of accuracies: shares of right answers, their standard errors, and those of groups."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from weighbridge.evaluation.intervals import wilson_interval
from weighbridge.records.quality_scores import AccuracyShare


@dataclass(frozen=True)
class AnswerCounts:
    """How many questions were asked, such as those of a subject, and how many of them answered right."""

    correct: int
    n: int

    @property
    def share(self) -> float:
        """Return the accuracy."""
        return self.correct / self.n

    @property
    def stderr(self) -> float | None:
        """Return the standard error of the accuracy; None for one question, whose answers do not vary.

        The sample's standard deviation by the root of n. Source: `mean_stderr` of lm-evaluation-harness
        (lm_eval/api/metrics.py); of n values 0 or 1 with the mean p it is sqrt(p (1 - p) / (n - 1)).
        """
        if self.n < 2:
            return None
        return math.sqrt(self.share * (1 - self.share) / (self.n - 1))


def accuracy_of(subjects: Iterable[AnswerCounts]) -> AccuracyShare:
    """Compute the accuracy over subjects with at least one question in all, each question counting once.

    Raises:
        ValueError: there is no question.
    """
    parts = tuple(subjects)
    n, correct = sum(part.n for part in parts), sum(part.correct for part in parts)
    low, high = wilson_interval(correct, n)
    return AccuracyShare(
        accuracy=correct / n, stderr=pooled_stderr(parts), low=low, high=high, n=n, correct=correct
    )


def pooled_stderr(subjects: Iterable[AnswerCounts]) -> float | None:
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
