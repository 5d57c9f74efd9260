"""A comparison's part on quality whose counts are given, for tests of what shows it."""

from collections.abc import Mapping

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.evaluation.intervals import wilson_interval
from weighbridge.quality.paired_answers import finding_of, paired_accuracy
from weighbridge.records.comparison import SweepComparison
from weighbridge.records.quality_comparison import (
    PairedAccuracy,
    QualityComparison,
    QualityRow,
    SystemQuality,
)

DOMAINS = ("Humanities", "Other", "STEM", "Social Sciences")
Counts = tuple[int, int, int, int]
"""Questions that both answered right, only A, only B, and neither."""


def comparison_with_quality(speed: SweepComparison, counts: Mapping[str, Counts]) -> SweepComparison:
    """Return a comparison with answers of the baseline and of these systems; without any, as it is."""
    if not counts:
        return speed
    rows = {name: _paired(each) for name, each in counts.items()}
    first = next(iter(rows.values()))
    systems = {speed.baseline: _system(first.both_right + first.only_a, first.n)}
    systems |= {name: _system(each.both_right + each.only_b, each.n) for name, each in rows.items()}
    quality = QualityComparison(
        baseline=speed.baseline,
        margin=0.01,
        systems=systems,
        rows=tuple(
            QualityRow(
                system=name,
                paired=paired,
                by_domain={domain: _paired(_quarter(counts[name])) for domain in DOMAINS},
                p_adjusted=paired.p,
                finding=finding_of(paired, paired.p, 0.01),
            )
            for name, paired in rows.items()
        ),
    )
    return speed.model_copy(update={"quality": quality})


def _paired(counts: Counts) -> PairedAccuracy:
    kinds = ((True, True), (True, False), (False, True), (False, False))
    return paired_accuracy([kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)])


def _quarter(counts: Counts) -> Counts:
    both, only_a, only_b, neither = counts
    return both // 4, only_a // 4, only_b // 4, neither // 4


def _system(correct: int, n: int) -> SystemQuality:
    low, high = wilson_interval(correct, n)
    return SystemQuality(
        accuracy=correct / n,
        stderr=(correct / n * (1 - correct / n) / (n - 1)) ** 0.5,
        low=low,
        high=high,
        n=n,
        correct=correct,
        model_name="example/model",
        protocol=AskingProtocol.LOG_LIKELIHOOD,
        shots=5,
        limited=None,
        note=None,
    )
