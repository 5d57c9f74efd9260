"""Read the answers of a quality measurement, and check that they are those that were measured."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.core.models import read_text
from weighbridge.quality.accuracy import AnswerCounts
from weighbridge.quality.questions import Domain
from weighbridge.records.quality_answers import MEASURED, MeasuredQuality, SubjectAnswers, answers_file

_AGAIN = "delete {} and measure again: `snakemake quality`"


@dataclass(frozen=True)
class MeasuredAnswers:
    """What was measured, and the answers of each subject, by domain and name."""

    measured: MeasuredQuality
    subjects: tuple[SubjectAnswers, ...]


def read_answers(folder: Path) -> MeasuredAnswers:
    """Read measured.json, and the answers that it names.

    Args:
        folder: Such as results/quality/mmlu.

    Raises:
        InputError: a file is missing or damaged.
        InvalidRunError: answers are not those that were measured, or of another measurement.
    """
    if not (folder / MEASURED).is_file():
        raise InputError(f"{folder}: has no {MEASURED}; `snakemake quality` asks the questions.")
    measured = MeasuredQuality.read(folder / MEASURED)
    if not measured.answers:
        raise InvalidRunError(f"{folder / MEASURED}: names no answers; {_AGAIN.format(folder)}.")
    found = [_subject(folder, name, measured) for name in measured.answers]
    return MeasuredAnswers(measured, tuple(sorted(found, key=_place)))


def _subject(folder: Path, name: str, measured: MeasuredQuality) -> SubjectAnswers:
    path = answers_file(folder, name)
    text = read_text(path)
    if sha256(text.encode()).hexdigest() != measured.answers[name]:
        raise InvalidRunError(
            f"{path}: was changed after it was measured ({MEASURED} has another sha256); "
            f"{_AGAIN.format(path)}."
        )
    answers = SubjectAnswers.parse_json(text, str(path))
    if answers.identity != measured.identity:
        raise InvalidRunError(
            f"{path}: belongs to another measurement (model, questions or settings differ from those of "
            f"{MEASURED}); {_AGAIN.format(path)}."
        )
    if answers.subject != name:
        raise InvalidRunError(f"{path}: has answers to {answers.subject}; {_AGAIN.format(path)}.")
    if answers.domain not in set(Domain):
        raise InvalidRunError(f"{path}: the domain '{answers.domain}' is unknown; {_AGAIN.format(path)}.")
    if not answers.questions:
        raise InvalidRunError(f"{path}: has no answer; {_AGAIN.format(path)}.")
    return answers


def _place(answers: SubjectAnswers) -> tuple[int, str]:
    return list(Domain).index(Domain(answers.domain)), answers.subject


def counts_of(subject: SubjectAnswers) -> AnswerCounts:
    """Return the counts of a subject."""
    return AnswerCounts(sum(question.correct for question in subject.questions), len(subject.questions))
