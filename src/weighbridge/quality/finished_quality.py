"""Read a finished measurement of quality: answers and scores, and check that they belong together."""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.quality.answer_files import MeasuredAnswers, counts_of, read_answers
from weighbridge.records.quality_scores import OVERALL, OverallQuality


@dataclass(frozen=True)
class FinishedQuality(MeasuredAnswers):
    """A finished measurement: its answers and their scores."""

    overall: OverallQuality


def read_finished(folder: Path) -> FinishedQuality:
    """Read a measurement with its scores.

    Args:
        folder: Such as results/quality/mmlu.

    Raises:
        InputError: a file is missing or damaged, or the scores are those of other answers.
        InvalidRunError: answers were changed, or are of another measurement.
    """
    answers, overall = read_answers(folder), OverallQuality.read(folder / OVERALL)
    counts = [counts_of(subject) for subject in answers.subjects]
    n, correct = sum(each.n for each in counts), sum(each.correct for each in counts)
    if (overall.n, overall.correct) != (n, correct):
        raise InputError(
            f"{folder / OVERALL}: counts {overall.correct} right answers of {overall.n}, but beside it are "
            f"{correct} of {n}; score them again with `weighbridge score-mmlu --out {folder}`."
        )
    return FinishedQuality(answers.measured, answers.subjects, overall)
