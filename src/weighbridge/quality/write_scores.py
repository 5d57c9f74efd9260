"""Write the scores of a quality measurement: overall.json, by_domain.json, by_subject.json, samples.csv."""

import csv
import io
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from weighbridge.core.errors import InvalidRunError
from weighbridge.core.files import write_atomic
from weighbridge.quality.accuracy import accuracy_of
from weighbridge.quality.answer_files import MeasuredAnswers, counts_of, read_answers
from weighbridge.quality.quality_checks import quality_checks
from weighbridge.quality.question_choice import limited_text
from weighbridge.quality.questions import SetDefinition, set_definitions
from weighbridge.records.notice import SIMULATED_BY
from weighbridge.records.quality_answers import AnsweredQuestion, MeasuredQuality, SubjectAnswers
from weighbridge.records.quality_scores import (
    BY_DOMAIN,
    BY_SUBJECT,
    OVERALL,
    SAMPLE_COLUMNS,
    SAMPLES,
    ByDomain,
    BySubject,
    DomainAccuracy,
    OverallQuality,
    SubjectAccuracy,
)
from weighbridge.records.verdict import outcome_of

_MADE_UP = "The questions are made up: an accuracy near chance is expected, and says nothing about the model."
_SIMULATED = "A simulated server answered with letters that were chosen beforehand; no model was asked."


def write_scores(folder: Path, floor: float | None) -> OverallQuality:
    """Score the answers of a measurement, and write all files of scores; overall.json is the last one.

    Args:
        folder: Such as results/quality/mmlu, with measured.json and answers/.
        floor: Lowest overall accuracy that passes; None: any.

    Raises:
        InputError: a file is missing or damaged.
        InvalidRunError: answers were changed, or are of another measurement.
    """
    found = read_answers(folder)
    definition = _definition(found.measured)
    limited = _limited(found, definition)
    samples = samples_csv(found.subjects)
    by_subject = BySubject(
        limited=limited, subjects={each.subject: _subject_accuracy(each) for each in found.subjects}
    )
    domains = dict.fromkeys(each.domain for each in found.subjects)
    by_domain = ByDomain(
        limited=limited, domains={name: _domain_accuracy(name, found.subjects) for name in domains}
    )
    overall = _overall(found, definition, limited, floor, sha256(samples.encode()).hexdigest())
    write_atomic(folder / SAMPLES, samples)
    for name, content in ((BY_SUBJECT, by_subject), (BY_DOMAIN, by_domain), (OVERALL, overall)):
        write_atomic(folder / name, content.model_dump_json(indent=2) + "\n")
    return overall


def samples_csv(subjects: Iterable[SubjectAnswers]) -> str:
    """Return samples.csv: a line for each question, by domain, subject and row of the subject's questions."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(SAMPLE_COLUMNS)
    for subject in subjects:
        for question in sorted(subject.questions, key=lambda question: question.idx):
            table.writerow(_row(subject, question))
    return stream.getvalue()


def _row(subject: SubjectAnswers, question: AnsweredQuestion) -> list[object]:
    return [
        question.idx,
        subject.subject,
        subject.domain,
        question.answer,
        question.prediction,
        str(question.correct).lower(),
        *(question.log_probabilities or (None,) * 4),
        question.requests,
        question.latency_ms,
        question.prompt_tokens,
        question.output_tokens,
    ]


def _subject_accuracy(subject: SubjectAnswers) -> SubjectAccuracy:
    share = accuracy_of([counts_of(subject)])
    return SubjectAccuracy(**share.model_dump(), domain=subject.domain, available=subject.available)


def _domain_accuracy(name: str, subjects: Iterable[SubjectAnswers]) -> DomainAccuracy:
    parts = [counts_of(each) for each in subjects if each.domain == name]
    return DomainAccuracy(**accuracy_of(parts).model_dump(), subjects=len(parts))


def _definition(measured: MeasuredQuality) -> SetDefinition:
    definitions = set_definitions()
    if measured.source.name not in type(definitions).model_fields:
        raise InvalidRunError(
            f"the answers are to questions of the set '{measured.source.name}', which this release does not "
            "know; score them with the release that measured them."
        )
    definition: SetDefinition = getattr(definitions, measured.source.name)
    return definition


def _limited(found: MeasuredAnswers, definition: SetDefinition) -> str | None:
    """Return which part of the questions was asked; None: all of them, even if a limit was set."""
    left_out = definition.domain_of.keys() - {each.subject for each in found.subjects}
    return limited_text(
        found.measured.limit,
        found.measured.total_limit,
        asked=sum(each.asked for each in found.subjects),
        # A subject of which nothing was asked has one question at least.
        available=sum(each.available for each in found.subjects) + len(left_out),
    )


def _overall(
    found: MeasuredAnswers,
    definition: SetDefinition,
    limited: str | None,
    floor: float | None,
    samples_sha256: str,
) -> OverallQuality:
    measured, subjects = found.measured, found.subjects
    share = accuracy_of(counts_of(each) for each in subjects)
    made_up = measured.source.made_up
    unfit = "the questions are made up" if made_up else f"the run is limited ({limited})" if limited else None
    checks = quality_checks(found, definition, share.accuracy, unfit=unfit, floor=floor)
    unreadable = sum(question.prediction is None for each in subjects for question in each.questions)
    return OverallQuality(
        benchmark=measured.benchmark,
        overall_accuracy=share.accuracy,
        **share.model_dump(exclude={"accuracy"}),
        subjects=len(subjects),
        protocol=measured.protocol,
        shots=measured.shots,
        bos=measured.bos,
        limited=limited,
        unreadable=unreadable,
        counts=measured.counts,
        checks=checks,
        outcome=outcome_of(checks),
        note=_note(measured),
        source=measured.source,
        model_name=measured.model_name,
        model_digest=measured.model_digest,
        server=_server(measured),
        versions=measured.versions,
        duration_s=measured.duration_s,
        finished_at=measured.finished_at,
        samples_sha256=samples_sha256,
    )


def _note(measured: MeasuredQuality) -> str | None:
    made_up = measured.source.made_up
    simulated = SIMULATED_BY in (measured.server.version or "")
    return " ".join([*([_MADE_UP] if made_up else []), *([_SIMULATED] if simulated else [])]) or None


def _server(measured: MeasuredQuality) -> str | None:
    return " ".join(each for each in (measured.server.kind, measured.server.version) if each) or None
