"""Read the questions of a set, MMLU's or made-up ones, from the Parquet files of the hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.core.dataset_files import DatasetSamples
from weighbridge.core.errors import InputError
from weighbridge.core.models import FolderName, Model

SetName = Literal["mmlu", "synthetic"]
FEWEST_DEV = 5
"""Solved questions of each subject, as the standard prompt has them."""
TEST_SPLIT, DEV_SPLIT = "all/test", "all/dev"
"""FOLDER/SPLIT of the questions that are asked, and of those that are shown solved."""
COLUMNS = ("question", "subject", "choices", "answer")

_FILE = Path(__file__).with_name("question_set.yaml")


class Domain(StrEnum):
    """A group of subjects."""

    STEM = "STEM"
    HUMANITIES = "Humanities"
    SOCIAL_SCIENCES = "Social Sciences"
    OTHER = "Other"


class SetDefinition(Model):
    """What a set of questions must hold."""

    test_questions: int | None = Field(default=None, gt=0, description="Null: any number of each subject.")
    domains: dict[Domain, tuple[FolderName, ...]] = Field(description="Subjects of each domain.")

    @property
    def domain_of(self) -> dict[str, Domain]:
        """The domain of each subject."""
        return {subject: domain for domain, subjects in self.domains.items() for subject in subjects}


class SetDefinitions(Model):
    """Contents of question_set.yaml."""

    mmlu: SetDefinition
    synthetic: SetDefinition


@dataclass(frozen=True, slots=True)
class Question:
    """One multiple-choice question.

    Attributes:
        idx: Its row among those of its subject and split, in the order of the file.
        text: The question.
        choices: The four answers, A to D.
        answer: Index of the right one.
    """

    idx: int
    text: str
    choices: tuple[str, str, str, str]
    answer: int


@dataclass(frozen=True, slots=True)
class Subject:
    """The questions of one subject.

    Attributes:
        name: Such as high_school_physics.
        domain: The group that it belongs to.
        dev: Questions that are shown solved, at least 5.
        test: Questions that are asked.
    """

    name: str
    domain: Domain
    dev: tuple[Question, ...]
    test: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A set of questions.

    Attributes:
        name: mmlu, or synthetic of made-up questions.
        subjects: By name, in alphabetical order.
    """

    name: SetName
    subjects: Mapping[str, Subject]

    @property
    def available(self) -> int:
        """Number of questions that can be asked."""
        return sum(len(subject.test) for subject in self.subjects.values())


class _Row(Model):
    """A row as the files have it."""

    question: str
    subject: str
    choices: tuple[str, str, str, str]
    answer: int = Field(ge=0, le=3)


@cache
def set_definitions() -> SetDefinitions:
    """Return what each set of questions must hold."""
    return SetDefinitions.read(_FILE)


def read_questions(folder: Path) -> QuestionSet:
    """Read the questions of a fetched dataset.

    Args:
        folder: Holds all/dev*.parquet and all/test*.parquet with the columns question, subject, choices and
            answer (0 to 3), as cais/mmlu does.

    Raises:
        InputError: a file is missing or damaged, a row is no question with four choices, or subjects or
            questions are missing or too many.
    """
    dev, test = (_questions(folder, split) for split in (DEV_SPLIT, TEST_SPLIT))
    name, definition = _recognised(folder, set(test))
    if dev.keys() != test.keys():
        subject = min(dev.keys() ^ test.keys())
        raise InputError(
            f"{folder}: the subject '{subject}' is in one of {DEV_SPLIT} and {TEST_SPLIT} only; fetch both."
        )
    for subject, solved in dev.items():
        if len(solved) < FEWEST_DEV:
            raise InputError(
                f"{folder}: {DEV_SPLIT} has {len(solved)} questions of {subject} instead of {FEWEST_DEV}; "
                "fetch the whole dataset."
            )
    found = QuestionSet(
        name,
        {
            subject: Subject(subject, definition.domain_of[subject], dev[subject], test[subject])
            for subject in sorted(test)
        },
    )
    expected = definition.test_questions
    if expected is not None and found.available != expected:
        raise InputError(
            f"{folder}: {TEST_SPLIT} has {found.available:,} questions instead of {expected:,}; fetch the "
            "whole dataset."
        )
    return found


def _questions(folder: Path, split: str) -> dict[str, tuple[Question, ...]]:
    """Return the questions of a split by subject, in the order of the file."""
    found: dict[str, list[Question]] = {}
    table = DatasetSamples.of(folder, (split,)).table(COLUMNS)
    for number, content in enumerate(table.to_pylist()):
        row = _Row.parse(content, f"{folder}: row {number} of {split}")
        questions = found.setdefault(row.subject, [])
        questions.append(Question(len(questions), row.question, row.choices, row.answer))
    return {subject: tuple(questions) for subject, questions in found.items()}


def _recognised(folder: Path, subjects: set[str]) -> tuple[SetName, SetDefinition]:
    """Return the set that has these subjects."""
    definitions = set_definitions()
    synthetic = subjects & definitions.synthetic.domain_of.keys()
    name: SetName = "synthetic" if synthetic else "mmlu"
    definition = definitions.synthetic if synthetic else definitions.mmlu
    expected = set(definition.domain_of)
    if unknown := sorted(subjects - expected):
        raise InputError(
            f"{folder}: '{unknown[0][:80]}' is no subject of the set {name}; fetch cais/mmlu, or correct "
            "the path."
        )
    if missing := sorted(expected - subjects):
        raise InputError(
            f"{folder}: {TEST_SPLIT} has no question of {missing[0]}, and {len(missing)} of "
            f"{len(expected)} subjects are missing; fetch the whole dataset."
        )
    return name, definition
