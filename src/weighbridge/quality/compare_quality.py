"""Compare finished measurements of quality: pair the questions, or say why they must not be paired.

Pure: it reads no file. Definitions: docs/comparing.md.
"""

from collections.abc import Iterator, Mapping

from weighbridge.quality.finished_quality import FinishedQuality
from weighbridge.quality.harness_start import PACKAGES
from weighbridge.quality.paired_answers import finding_of, paired_accuracy
from weighbridge.quality.quality_checks import FLOOR_CHECK
from weighbridge.records.quality_answers import AnsweredQuestion, MeasuredQuality
from weighbridge.records.quality_comparison import (
    QUALITY_MARGIN,
    PairedAccuracy,
    QualityComparison,
    QualityFinding,
    QualityRow,
    SystemQuality,
)
from weighbridge.sweep.statistics import holm

_BOS = {True: "with", False: "without"}

_Place = tuple[str, int]  # subject, and row of the question among the subject's


def compare_quality(
    measurements: Mapping[str, FinishedQuality],
    *,
    margin: float = QUALITY_MARGIN,
    baseline: str | None = None,
) -> QualityComparison:
    """Compare the answers of each system with the baseline's.

    Args:
        measurements: By name of the system, at least one.
        margin: Share within which a difference counts as none.
        baseline: Name of the baseline; default: the first.

    Raises:
        ValueError: there is no measurement, or none of the baseline.
    """
    if not measurements or (baseline is not None and baseline not in measurements):
        raise ValueError("a comparison needs a measurement of the baseline")
    first = baseline or next(iter(measurements))
    rows = [
        _row(first, name, measurements[first], other) for name, other in measurements.items() if name != first
    ]
    tested = [row.paired.p for row in rows if row.paired is not None]
    adjusted = iter(holm(tested))
    return QualityComparison(
        baseline=first,
        margin=margin,
        systems={name: _system(each) for name, each in measurements.items()},
        rows=tuple(
            row if row.paired is None else _judged(row, row.paired, next(adjusted), margin) for row in rows
        ),
    )


def _judged(row: QualityRow, paired: PairedAccuracy, p_adjusted: float, margin: float) -> QualityRow:
    return row.model_copy(
        update={"p_adjusted": p_adjusted, "finding": finding_of(paired, p_adjusted, margin)}
    )


def _system(finished: FinishedQuality) -> SystemQuality:
    overall = finished.overall
    return SystemQuality(
        **overall.share.model_dump(),
        model_name=overall.model_name,
        protocol=overall.protocol,
        shots=overall.shots,
        bos=overall.bos,
        made_up=overall.source.made_up,
        limited=overall.limited,
        note=overall.note,
    )


def _row(first: str, name: str, baseline: FinishedQuality, other: FinishedQuality) -> QualityRow:
    """Return a row that is not judged yet; without pairs it is not comparable."""
    reasons = (*_reasons(baseline, other), *_invalid(first, baseline), *_invalid(name, other))
    if reasons:
        return QualityRow(system=name, paired=None, finding=QualityFinding.NOT_COMPARABLE, reasons=reasons)
    by_domain: dict[str, list[tuple[bool, bool]]] = {}
    answers = _answers(other)
    for subject in baseline.subjects:
        pairs = by_domain.setdefault(subject.domain, [])
        for question in subject.questions:
            pairs.append((question.correct, answers[subject.subject, question.idx].correct))
    return QualityRow(
        system=name,
        paired=paired_accuracy([pair for pairs in by_domain.values() for pair in pairs]),
        by_domain={domain: paired_accuracy(pairs) for domain, pairs in sorted(by_domain.items()) if pairs},
        finding=QualityFinding.INCONCLUSIVE,
        notes=tuple(_notes(baseline.measured, other.measured)),
    )


def _answers(finished: FinishedQuality) -> dict[_Place, AnsweredQuestion]:
    return {
        (subject.subject, question.idx): question
        for subject in finished.subjects
        for question in subject.questions
    }


def _invalid(name: str, finished: FinishedQuality) -> Iterator[str]:
    """Yield which checks of a measurement failed; the floor is a wish, and forbids nothing."""
    for check in finished.overall.checks:
        if check.passed is False and check.name != FLOOR_CHECK:
            yield f"the measurement of {name} is not valid: {check.wording}"


def _reasons(baseline: FinishedQuality, other: FinishedQuality) -> Iterator[str]:
    """Yield why the answers of two systems are none to the same questions, asked alike."""
    a, b = baseline.measured, other.measured
    if a.protocol != b.protocol:
        yield f"asked by another protocol, {b.protocol} and not {a.protocol}"
    if a.shots != b.shots:
        yield f"asked after {b.shots} solved questions, and not {a.shots}"
    if a.bos != b.bos:
        yield f"prompts {_BOS[b.bos]} a token that begins the sequence, and not {_BOS[a.bos]}"
    if a.answer_tokens != b.answer_tokens and a.protocol == b.protocol:
        yield f"answers may have {b.answer_tokens} tokens, and not {a.answer_tokens}"
    if a.source.digest != b.source.digest:
        yield (
            f"other questions: data {b.source.name}, sha256 {b.source.digest[:16]}, and not {a.source.name}, "
            f"{a.source.digest[:16]}"
        )
    asked = [
        {place: each.answer for place, each in _answers(finished).items()} for finished in (baseline, other)
    ]
    if a.source.digest != b.source.digest or asked[0] == asked[1]:
        return
    common = len(asked[0].keys() & asked[1].keys())
    if common < max(map(len, asked)):
        yield f"other rows: {common:,} questions in common of {len(asked[0]):,} and {len(asked[1]):,}"
    else:
        yield "other right answers to the same questions, so that a file is damaged"


def _notes(a: MeasuredQuality, b: MeasuredQuality) -> Iterator[str]:
    """Yield what else differs, though the questions are the same."""
    if a.tokenizer_digest != b.tokenizer_digest:
        yield "another tokenizer cut the prompts, so these are no two quantisations of one model"
    versions = [
        f"{name} {b.versions.get(name, 'unknown')}, and not {a.versions.get(name, 'unknown')}"
        for name in PACKAGES
        if a.versions.get(name) != b.versions.get(name)
    ]
    if versions:
        yield f"asked by other versions: {'; '.join(versions)}"
