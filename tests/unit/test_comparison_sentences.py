"""What a comparison found, in sentences: each verdict, always with its interval."""

from dataclasses import dataclass

import pytest

from weighbridge.records.comparison import (
    ComparedCell,
    ComparisonResult,
    ComparisonRow,
    Ratio,
    SweepComparison,
)
from weighbridge.sweep.comparison_sentences import comparison_sentences

RATIO = Ratio(ratio=1.136, low=1.098, high=1.175, blocks=4, p=0.001, p_adjusted=0.001)


@dataclass
class _Row:
    result: ComparisonResult
    ratio: Ratio = RATIO
    metric: str = "qps"
    level: str = "closed-8"
    reasons: tuple[str, ...] = ()
    blocks_needed: int | None = None
    noise_floor: bool = False


def _sentences(*rows: _Row, levels: tuple[str, ...] = ("closed-8",)) -> tuple[str, ...]:
    compared = SweepComparison(
        sweep="bench",
        weighbridge_version="0",
        started="",
        ended="",
        hosts=(),
        baseline="A",
        equivalence=0.05,
        blocks=4,
        phase_plan="",
        systems={},
        workloads={},
        cells=tuple(ComparedCell(workload="w", level=level, systems={}) for level in levels),
        rows=tuple(
            ComparisonRow(
                workload="w",
                level=row.level,
                system="A-A" if row.noise_floor else "B",
                metric=row.metric,
                ratios={} if row.reasons else {row.metric: row.ratio},
                result=row.result,
                reasons=row.reasons,
                blocks_needed=row.blocks_needed,
                noise_floor=row.noise_floor,
            )
            for row in rows
        ),
    )
    return comparison_sentences(compared)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            _Row(ComparisonResult.FASTER),
            "B is faster than A: 1.136 [1.098, 1.175] times the requests/s.",
        ),
        (
            _Row(ComparisonResult.FASTER, Ratio(ratio=0.5, low=0.4, high=0.625, blocks=4), "e2e.p99"),
            "B is faster than A: 2.000 [1.600, 2.500] times the speed at the 99th percentile of latency.",
        ),
        (
            _Row(ComparisonResult.SLOWER, Ratio(ratio=0.8, low=0.79, high=0.81, blocks=4)),
            "B is slower than A: 0.800 [0.790, 0.810] times the requests/s.",
        ),
        (
            _Row(ComparisonResult.SAME, Ratio(ratio=1, low=0.99, high=1.01, blocks=4)),
            "B is as fast as A within 5 %: 1.000 [0.990, 1.010] times the requests/s.",
        ),
        (
            _Row(
                ComparisonResult.INCONCLUSIVE, Ratio(ratio=1, low=0.9, high=1.1, blocks=4), blocks_needed=12
            ),
            "Whether B or A is faster is not decided: 1.000 [0.900, 1.100] times the requests/s; about "
            "12 blocks would decide it, 8 more.",
        ),
        (
            _Row(ComparisonResult.INCONCLUSIVE, Ratio(ratio=1.2, blocks=2)),
            "Whether B or A is faster is not decided: 1.200 [no interval from 2 blocks] times "
            "the requests/s.",
        ),
        (
            _Row(ComparisonResult.NOT_COMPARABLE, reasons=("B failed 3 requests.", "look at errors.jsonl")),
            "B cannot be compared with A: B failed 3 requests; look at errors.jsonl.",
        ),
        (
            _Row(ComparisonResult.INDICATIVE_SLOWER),
            "B seems slower than A: 1.136 [1.098, 1.175] times the requests/s.",
        ),
        (
            _Row(ComparisonResult.SAME, noise_floor=True),
            "A beside its own second copy: 1.136 [1.098, 1.175] times the requests/s, which is the "
            "noise floor.",
        ),
    ],
    ids=lambda value: value.result.value if isinstance(value, _Row) else "",
)
def test_each_result_is_a_sentence_with_its_uncertainty(row: _Row, sentence: str) -> None:
    assert _sentences(row) == (sentence,)


def test_every_result_has_a_sentence() -> None:
    for result in ComparisonResult:
        [sentence] = _sentences(_Row(result))
        assert sentence.startswith(("B ", "Whether B "))


def test_the_load_is_named_where_there_are_several() -> None:
    rows = [_Row(ComparisonResult.FASTER), _Row(ComparisonResult.FASTER, level="closed-32")]
    first, second = _sentences(*rows, levels=("closed-8", "closed-32"))
    assert "than A at closed-8:" in first
    assert "than A at closed-32:" in second


def test_one_system_alone_has_no_sentence() -> None:
    assert _sentences() == ()
