"""Check the answers of a quality measurement: all questions asked, scored as the harness does, the floor."""

from collections.abc import Iterable

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.formatting import value_text
from weighbridge.quality.answer_files import MeasuredAnswers, counts_of
from weighbridge.quality.questions import SetDefinition
from weighbridge.records.quality_answers import LETTERS, AnsweredQuestion, SubjectAnswers
from weighbridge.records.verdict import Check, Gate

FLOOR_CHECK = "overall accuracy"
"""Name of the check that says what a user wants, and nothing about whether the measurement is right."""
_AGAIN = "delete the folder of this result, and measure again: `snakemake quality`."
_LARGEST_ROUNDING = 1e-9  # between two ways to compute the same share
_MOST_NAMED = 3


def quality_checks(
    found: MeasuredAnswers,
    definition: SetDefinition,
    accuracy: float,
    *,
    unfit: str | None,
    floor: float | None,
) -> tuple[Check, ...]:
    """Return the checks of a measurement.

    Args:
        found: The answers.
        definition: What the set of questions holds.
        accuracy: Over all questions.
        unfit: Why the accuracy is not compared with a floor, such as that few questions were asked.
        floor: Lowest accuracy that passes; None: any.
    """
    gate = Gate(None)
    total = found.measured.total_limit
    # A draw takes one question of each subject, if there are enough for all.
    if total is None or total >= len(definition.domain_of):
        _check_subjects(gate, found.subjects, definition)
    _check_counts(gate, found, definition)
    _check_harness(gate, found.subjects)
    if found.measured.protocol == AskingProtocol.LOG_LIKELIHOOD:
        _check_likeliest(gate, found.subjects)
    if floor is not None:
        _check_floor(gate, accuracy, floor, unfit)
    return tuple(gate.checks)


def _check_subjects(gate: Gate, subjects: Iterable[SubjectAnswers], definition: SetDefinition) -> None:
    there = {each.subject: each.domain for each in subjects}
    wrong = [name for name, domain in definition.domain_of.items() if there.get(name) != domain]
    wrong += sorted(there.keys() - definition.domain_of.keys())
    gate.holds(
        "subjects, each in its domain",
        sum(definition.domain_of.get(name) == domain for name, domain in there.items()),
        value_text(len(definition.domain_of)),
        not wrong,
        f"{_named(wrong)}: missing, unknown or in another domain; {_AGAIN}",
    )


def _check_counts(gate: Gate, found: MeasuredAnswers, definition: SetDefinition) -> None:
    """Check that each question that the limits leave was answered once."""
    measured, subjects = found.measured, found.subjects
    wanted = {
        each.subject: each.available if measured.limit is None else min(measured.limit, each.available)
        for each in subjects
    }
    expected = sum(wanted.values())
    if measured.total_limit is not None:
        # A subject that a small draw leaves out has one question at least.
        left_out = definition.domain_of.keys() - wanted.keys()
        expected = min(measured.total_limit, expected + len(left_out))
        wanted = {each.subject: each.asked for each in subjects}
    elif measured.limit is None and definition.test_questions is not None:
        expected = definition.test_questions
    # A question that is there twice counts once.
    there = {each.subject: len({question.idx for question in each.questions}) for each in subjects}
    wrong = [
        each.subject
        for each in subjects
        if not wanted[each.subject] == each.asked == len(each.questions) == there[each.subject]
    ]
    gate.holds(
        "questions answered",
        sum(there.values()),
        value_text(expected),
        not wrong and sum(there.values()) == expected,
        f"{_named(wrong) or 'a subject'}: questions are missing or answered twice; {_AGAIN}",
    )


def _check_harness(gate: Gate, subjects: Iterable[SubjectAnswers]) -> None:
    """Check that the harness, which scored the answers itself, found the same accuracies."""
    wrong = [
        each.subject
        for each in subjects
        if abs(each.harness_accuracy - counts_of(each).share) > _LARGEST_ROUNDING
    ]
    gate.holds(
        "subjects that lm-evaluation-harness scored otherwise",
        len(wrong),
        "0",
        not wrong,
        f"{_named(wrong)}: our reading of the answers is not the harness's; report this as an error of "
        "Weighbridge.",
    )


def _check_likeliest(gate: Gate, subjects: Iterable[SubjectAnswers]) -> None:
    wrong = [
        f"{each.subject}, question {question.idx}"
        for each in subjects
        for question in each.questions
        if not _likeliest(question)
    ]
    gate.holds(
        "predictions that are not the likeliest letter",
        len(wrong),
        "0",
        not wrong,
        f"{_named(wrong)}: prediction and log-probabilities differ; {_AGAIN}",
    )


def _likeliest(question: AnsweredQuestion) -> bool:
    """Return whether no other letter has a higher log-probability than the prediction."""
    values = question.log_probabilities
    if values is None or question.prediction is None:
        return False
    return values[LETTERS.index(question.prediction)] == max(values)


def _check_floor(gate: Gate, accuracy: float, floor: float, unfit: str | None) -> None:
    if unfit is not None:
        gate.not_asked(FLOOR_CHECK, accuracy, unfit)
        return
    gate.at_least(
        FLOOR_CHECK,
        accuracy,
        floor,
        "",
        f"the accuracy is {floor - accuracy:.2g} below `quality.mmlu.floor`: check that model, tokenizer and "
        "quantisation are those that you want to serve, or lower the floor.",
    )


def _named(names: list[str]) -> str:
    """Return the first few names."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
