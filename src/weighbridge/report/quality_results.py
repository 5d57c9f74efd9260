"""Read the scores of model quality in a results folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.core.files import sha256_of
from weighbridge.records.quality_answers import MMLU_FOLDER
from weighbridge.records.quality_scores import (
    BY_DOMAIN,
    BY_SUBJECT,
    OVERALL,
    SAMPLES,
    ByDomain,
    BySubject,
    DomainAccuracy,
    OverallQuality,
    SubjectAccuracy,
)


@dataclass(frozen=True)
class QualityResults:
    """The scores of a measurement.

    Attributes:
        folder: Where they are.
        overall: Over all questions.
        domains: By name, in the order of reports.
        subjects: By name, those of a domain one after the other.
    """

    folder: Path
    overall: OverallQuality
    domains: Mapping[str, DomainAccuracy]
    subjects: Mapping[str, SubjectAccuracy]


def read_quality(results: Path) -> QualityResults | None:
    """Read the scores below a results folder; None: there are none.

    Raises:
        InputError: a file is missing or damaged, or the files are of different measurements.
    """
    folder = results / MMLU_FOLDER
    return read_scores(folder) if (folder / OVERALL).exists() else None


def read_scores(folder: Path) -> QualityResults:
    """Read the scores in a folder, such as results/quality/mmlu; otherwise as `read_quality`."""
    overall = OverallQuality.read(folder / OVERALL)
    domains = ByDomain.read(folder / BY_DOMAIN).domains
    subjects = BySubject.read(folder / BY_SUBJECT).subjects
    for parts in (domains, subjects):
        counted = [(each.n, each.correct) for each in parts.values()]
        if tuple(map(sum, zip(*counted, strict=True))) != (overall.n, overall.correct):
            raise InputError(
                f"{folder}: {OVERALL}, {BY_DOMAIN} and {BY_SUBJECT} are of different answers; write them "
                f"again with `weighbridge score-mmlu --out {folder}`."
            )
    return QualityResults(folder, overall, domains, subjects)


def passed_scores(folder: Path) -> OverallQuality:
    """Read scores that must have passed all their checks.

    Args:
        folder: Such as results/quality/mmlu.

    Raises:
        InputError: a file is missing or damaged, or the files are of different measurements.
        InvalidRunError: a check failed, or is not known to have passed.
    """
    overall = read_scores(folder).overall
    if sha256_of(folder / SAMPLES) != overall.samples_sha256:
        raise InputError(
            f"{folder / SAMPLES}: is not the file that {OVERALL} was written with; write both again with "
            f"`weighbridge score-mmlu --out {folder}`."
        )
    if overall.outcome != "VALID":
        failed = "; ".join(f"{check.wording}: {check.remedy}" for check in overall.failed)
        raise InvalidRunError(f"{folder}: {overall.outcome}, {failed}")
    return overall
