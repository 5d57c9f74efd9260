"""Paired answers: reference values of interval and exact test, and what must hold for any counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from weighbridge.quality.paired_answers import (
    difference_interval,
    finding_of,
    mcnemar_p,
    paired_accuracy,
)
from weighbridge.records.quality_comparison import PairedAccuracy, QualityFinding

COUNTS = st.tuples(*[st.integers(0, 400)] * 4).filter(any)


def _paired(both: int, only_a: int, only_b: int, neither: int) -> PairedAccuracy:
    rows = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b
    return paired_accuracy(rows + [(False, False)] * neither)


# The literature's first proportion is A here, so its difference has the other sign.
@pytest.mark.parametrize(
    ("counts", "published"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),  # Newcombe 1998, p. 2639
        ((14, 5, 0, 22), (0.0115, 0.2265)),  # Altman et al., Statistics with Confidence, 2nd ed., table 6.2
        ((59, 6, 16, 80), (-0.1186, -0.0046)),  # Fagerland et al. 2014, data of Cavo 2012
        ((1, 1, 7, 12), (-0.507, -0.026)),  # Fagerland et al. 2014, data of Bentur 2009
    ],
)
def test_the_interval_is_the_published_one(
    counts: tuple[int, int, int, int], published: tuple[float, float]
) -> None:
    low, high = difference_interval(*counts)
    digits = 5e-5 if len(str(published[0]).split(".")[1]) == 4 else 5e-4
    assert (-high, -low) == pytest.approx(published, abs=digits)


@pytest.mark.parametrize(
    ("discordant", "published"),
    [
        ((12, 2), 0.0129),  # Armitage and Berry 1994, p. 127, by Liddell's exact test
        ((9, 2), 0.06543),  # vignette of R's exact2x2
        ((1, 7), 0.0703),  # Fagerland et al. 2013, data of Bentur 2009
        ((6, 16), 0.0525),  # Fagerland et al. 2013, data of Cavo 2012
        ((0, 0), 1.0),
        ((5, 5), 1.0),
    ],
)
def test_the_exact_test_is_the_published_one(discordant: tuple[int, int], published: float) -> None:
    assert mcnemar_p(*discordant) == pytest.approx(published, abs=5e-5)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_exact_test_is_the_binomial_one(only_a: int, only_b: int) -> None:
    if only_a + only_b:
        assert mcnemar_p(only_a, only_b) == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, abs=1e-9)


@given(COUNTS)
def test_exchanging_the_systems_changes_the_sign_alone(counts: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, neither = counts
    one, other = _paired(*counts), _paired(both, only_b, only_a, neither)
    assert other.difference == pytest.approx(-one.difference)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.p == one.p


@given(COUNTS)
def test_the_interval_contains_the_difference(counts: tuple[int, int, int, int]) -> None:
    paired = _paired(*counts)
    assert -1 <= paired.low <= paired.difference <= paired.high <= 1
    assert 0 <= paired.p <= 1
    assert paired.n == sum(counts)


@given(COUNTS)
def test_more_of_the_same_evidence_narrows_the_interval(counts: tuple[int, int, int, int]) -> None:
    few, many = (_paired(*(times * count for count in counts)) for times in (1, 9))
    assert many.difference == pytest.approx(few.difference)
    assert many.high - many.low < few.high - few.low


def test_equal_answers_are_the_same_only_with_enough_of_them() -> None:
    assert finding_of(_paired(60, 0, 0, 40), 1.0, 0.01) is QualityFinding.INCONCLUSIVE
    assert finding_of(_paired(6000, 0, 0, 4000), 1.0, 0.01) is QualityFinding.SAME


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((8000, 500, 200, 5342), QualityFinding.WORSE),
        ((8000, 200, 500, 5342), QualityFinding.BETTER),
        ((8000, 220, 200, 5622), QualityFinding.SAME),
        ((8000, 400, 240, 5402), QualityFinding.WORSE),
        ((8000, 100, 50, 5892), QualityFinding.SAME),  # excludes 0, and is within the margin
        ((60, 12, 10, 18), QualityFinding.INCONCLUSIVE),
    ],
)
def test_findings(counts: tuple[int, int, int, int], expected: QualityFinding) -> None:
    paired = _paired(*counts)
    assert finding_of(paired, paired.p, 0.01) is expected


def test_a_corrected_p_value_can_leave_a_difference_undecided() -> None:
    paired = _paired(700, 60, 38, 202)
    assert paired.high < 0
    assert finding_of(paired, 0.03, 0.001) is QualityFinding.WORSE
    assert finding_of(paired, 0.06, 0.001) is QualityFinding.INCONCLUSIVE


def test_no_question_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="one question at least"):
        paired_accuracy([])
    assert not math.isnan(_paired(0, 0, 0, 1).low)
