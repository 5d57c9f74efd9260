"""Report a measurement of quality while it lasts: its subject, the accuracy so far, and what remains."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weighbridge.core.formatting import duration
from weighbridge.monitor.reporter import Reporter, reporting
from weighbridge.records.progress_record import Phase
from weighbridge.records.quality_answers import SubjectAnswers

log = logging.getLogger(__name__)


class QualityReporter:
    """Receives what a measurement does, and reports it through the reporter of a run."""

    def __init__(self, reporter: Reporter) -> None:
        """Report a measurement; `reporter` shows phase and detail, and writes progress.json."""
        self._reporter = reporter
        self._subjects, self._questions, self._requests = 0, 0, 1
        self._subjects_done, self._answered, self._right = 0, 0, 0
        self._taken_subjects = self._taken_questions = 0
        self._at, self._open_requests = "", 0
        self._began_s = 0.0
        self._asked_requests = 0

    def starting(self, stage: str) -> None:
        """Set the stage of the server's start."""
        self._reporter.describe(stage)

    def planned(self, subjects: int, questions: int, requests: int) -> None:
        """Set how much is asked in all, and how many requests a question takes."""
        self._subjects, self._questions, self._requests = subjects, questions, requests

    def taken_over(self, answers: SubjectAnswers) -> None:
        """Count a subject that is finished already."""
        self._count(answers)
        self._taken_subjects += 1
        self._taken_questions += len(answers.questions)

    def subject(self, name: str) -> None:
        """Begin a subject; before the first, log what there is to ask."""
        first = not self._began_s
        if first:
            self._began_s = time.monotonic()
            taken = f"; {self._taken_subjects} of them are finished already" if self._taken_subjects else ""
            log.info("%s questions of %d subjects%s", f"{self._questions:,}", self._subjects, taken)
        self._at = f"subject {self._subjects_done + 1} of {self._subjects}: {name}"
        self._open_requests = 0
        if first:
            self._reporter.enter(Phase.RUNNING, self._detail())
        else:
            self._reporter.describe(self._detail())

    def answered(self) -> None:
        """Count an answered request."""
        self._open_requests += 1
        self._asked_requests += 1
        self._reporter.describe(self._detail())

    def measured(self, answers: SubjectAnswers) -> None:
        """Log what a subject came to, and all so far."""
        self._count(answers)
        self._open_requests = 0
        right = sum(question.correct for question in answers.questions)
        retried = f", {answers.counts.retries} retries" if answers.counts.retries else ""
        log.info(
            "%s: %d of %d right%s (%s)",
            answers.subject,
            right,
            len(answers.questions),
            retried,
            self._so_far(),
        )
        if unreadable := sum(question.prediction is None for question in answers.questions):
            log.warning(
                "%s: %d of %d texts have no letter, and count as wrong; a model that reasons first needs a "
                "higher quality.mmlu.answer_tokens",
                answers.subject,
                unreadable,
                len(answers.questions),
            )

    def done(self) -> None:
        """End the measurement."""
        self._reporter.enter(Phase.DONE, self._so_far())

    def _count(self, answers: SubjectAnswers) -> None:
        self._subjects_done += 1
        self._answered += len(answers.questions)
        self._right += sum(question.correct for question in answers.questions)

    def _detail(self) -> str:
        return f"{self._at}; {self._so_far()}"

    def _so_far(self) -> str:
        done = self._answered + self._open_requests // self._requests
        parts = [f"{done:,} of {self._questions:,} questions"]
        if self._answered:
            parts.append(f"{100 * self._right / self._answered:.1f} % right so far")
        left = self.left_s()
        if left is not None and done < self._questions:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def left_s(self) -> float | None:
        """Return how long the rest will take, in s, at the rate so far; None: nothing is answered yet."""
        if not self._asked_requests:
            return None
        of = (self._questions - self._taken_questions) * self._requests
        each_s = (time.monotonic() - self._began_s) / self._asked_requests
        return max(of - self._asked_requests, 0) * each_s


@contextmanager
def reporting_quality(folder: Path) -> Iterator[QualityReporter]:
    """Report a measurement for the length of a with block: by a panel on a terminal, else by log lines.

    Args:
        folder: Its folder, for progress.json, which `weighbridge watch` reads; made if missing.
    """
    with reporting(folder, "MMLU") as reporter:
        yield QualityReporter(reporter)
