"""Ratios by block: reference values, properties, and which blocks decide."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from weighbridge.records.comparison import ComparisonResult
from weighbridge.sweep.statistics import (
    LogRatio,
    PairedRatio,
    UnpairedRatio,
    blocks_needed,
    holm,
    mean_of,
    result_of,
)

# Of Student's t with 2, 5 and 9 degrees of freedom: 0.975 and 0.95 quantiles, from printed tables.
T_TABLE = {3: (4.303, 2.920), 6: (2.571, 2.015), 10: (2.262, 1.833)}
VALUES = st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=3, max_size=12)


def _spread(mean: float, sd: float, blocks: int) -> PairedRatio:
    return PairedRatio(mean, sd, blocks)


@pytest.mark.parametrize("blocks", T_TABLE)
def test_intervals_are_those_of_printed_tables(blocks: int) -> None:
    pair = _spread(0.02, 0.03, blocks)
    for confidence, quantile in zip((0.95, 0.90), T_TABLE[blocks], strict=True):
        low, high = pair.log_interval(confidence)
        assert (high - low) / 2 == pytest.approx(quantile * 0.03 / math.sqrt(blocks), rel=3e-4)
        assert (high + low) / 2 == pytest.approx(0.02)


def test_a_ratio_is_what_scipy_says_of_the_logarithms() -> None:
    old, new = [10.0, 11.0, 9.5, 10.2, 10.4, 9.9], [11.2, 11.9, 10.1, 11.5, 11.1, 11.0]
    pair = PairedRatio.of(old, new)
    expected = stats.ttest_rel(np.log(new), np.log(old))
    assert pair.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert pair.log_interval() == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)
    assert pair.ratio == pytest.approx(stats.gmean(np.array(new) / old))
    assert pair.record(0.01).p_adjusted == 0.01


def test_two_sweeps_are_compared_as_scipy_does_without_equal_variances() -> None:
    old, new = [10.0, 11.0, 9.5, 10.2, 10.4, 9.9], [11.2, 11.9, 10.1, 11.5]
    ratio = UnpairedRatio.of_values(old, new)
    expected = stats.ttest_ind(np.log(new), np.log(old), equal_var=False)
    assert ratio.freedom == pytest.approx(expected.df, rel=1e-9)
    assert ratio.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert ratio.log_interval() == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)
    assert ratio.blocks == 4


def test_two_sweeps_without_spread_differ_or_do_not() -> None:
    assert UnpairedRatio.of_values([2.0] * 3, [2.0] * 3).p == 1
    assert UnpairedRatio.of_values([2.0] * 3, [4.0] * 3).p == pytest.approx(0, abs=1e-20)
    assert not UnpairedRatio.of_values([2.0], [2.1] * 6).decides


def test_holm_is_that_of_the_published_example() -> None:
    # Holm, Scand. J. Statist. 6 (1979), as R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") prints it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7, 0.6]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, after in zip(p_values, adjusted, strict=True):
        assert p <= after <= min(1, p * len(p_values))
    places = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[places]) >= 0).all()


@given(VALUES)
def test_swapped_systems_have_the_reciprocal_ratio(values: list[tuple[float, float]]) -> None:
    old, new = zip(*values, strict=True)
    for there, back in (
        (PairedRatio.of(old, new), PairedRatio.of(new, old)),
        (UnpairedRatio.of_values(old, new), UnpairedRatio.of_values(new, old)),
    ):
        assert there.ratio * back.ratio == pytest.approx(1)
        assert there.p == pytest.approx(back.p, abs=1e-12)
        low, high = there.log_interval()
        assert back.log_interval() == pytest.approx((-high, -low), rel=1e-9, abs=1e-12)
        assert _opposite(_result(there)) is _result(back)
        assert _result(there, lower_is_better=True) is _opposite(_result(there))


def _result(ratio: LogRatio, *, lower_is_better: bool = False) -> ComparisonResult:
    return result_of(ratio, ratio.p, 0.05, lower_is_better=lower_is_better)


def _opposite(result: ComparisonResult) -> ComparisonResult:
    swapped = {
        ComparisonResult.FASTER: ComparisonResult.SLOWER,
        ComparisonResult.SLOWER: ComparisonResult.FASTER,
    }
    return swapped.get(result, result)


@given(VALUES, st.floats(1e-3, 1e3))
def test_another_unit_changes_nothing(values: list[tuple[float, float]], unit: float) -> None:
    old, new = zip(*values, strict=True)
    before = PairedRatio.of(old, new)
    after = PairedRatio.of([value * unit for value in old], [value * unit for value in new])
    assert (after.mean, after.sd) == pytest.approx((before.mean, before.sd), rel=1e-9, abs=1e-12)


@given(VALUES, st.floats(0.1, 10))
def test_what_a_whole_block_shares_changes_no_pair(values: list[tuple[float, float]], drift: float) -> None:
    old, new = map(list, zip(*values, strict=True))
    before = PairedRatio.of(old, new)
    after = PairedRatio.of([old[0] * drift, *old[1:]], [new[0] * drift, *new[1:]])
    assert (after.mean, after.sd) == pytest.approx((before.mean, before.sd), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (0.0, 0.03, ComparisonResult.SAME),  # 90 % interval: 2.015 * 0.03 / sqrt(6) = 0.0247
        (0.0240, 0.03, ComparisonResult.SAME),  # 0.0487 < log 1.05 = 0.0488
        (0.0242, 0.03, ComparisonResult.INCONCLUSIVE),  # 0.0489
        (0.0320, 0.03, ComparisonResult.FASTER),  # 95 % interval: 0.0315
        (-0.0320, 0.03, ComparisonResult.SLOWER),
        (0.0310, 0.03, ComparisonResult.INCONCLUSIVE),
        (0.02, 0.003, ComparisonResult.SAME),  # surely above 1, surely within 5 %
        (0.1, 0.0, ComparisonResult.FASTER),
        (0.0, 0.0, ComparisonResult.SAME),
    ],
)
def test_verdicts_of_six_blocks(mean: float, sd: float, expected: ComparisonResult) -> None:
    pair = _spread(mean, sd, 6)
    assert result_of(pair, pair.p, 0.05, lower_is_better=False) is expected
    if expected is ComparisonResult.FASTER:
        assert result_of(pair, 0.06, 0.05, lower_is_better=False) is ComparisonResult.INCONCLUSIVE


def test_two_blocks_decide_nothing() -> None:
    pair = PairedRatio.of([1.0, 1.0], [2.0, 2.01])
    assert pair.p is None
    assert pair.record().low is None
    assert result_of(pair, None, 0.05, lower_is_better=False) is ComparisonResult.INCONCLUSIVE
    with pytest.raises(ValueError, match="needs 3 blocks, there are 2"):
        pair.log_interval()


@pytest.mark.parametrize(
    ("old", "new"),
    [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [math.nan]), ([math.inf], [1.0])],
)
def test_no_ratio_of_wrong_values(old: list[float], new: list[float]) -> None:
    with pytest.raises(ValueError, match=r"finite values above 0|zip\(\)"):
        PairedRatio.of(old, new)


def test_blocks_that_would_decide() -> None:
    inconclusive = _spread(0.03, 0.05, 6)
    needed = blocks_needed(inconclusive, 0.05)
    assert needed == 14
    assert _spread(0.03, 0.05, needed).p < 0.05
    assert blocks_needed(inconclusive, 0.05, comparisons=12) > needed
    assert blocks_needed(_spread(0.0, 0.05, 4), 0.05) == 6  # to be shown the same
    assert blocks_needed(_spread(0.1, 0.01, 6), 0.05) == 6  # they decide
    assert blocks_needed(_spread(0.1, 0.01, 2), 0.05) == 4
    assert blocks_needed(_spread(math.log(1.05), 10.0, 6), 0.05) is None
    assert blocks_needed(PairedRatio.of([1.0], [1.1]), 0.05) is None


def test_means_have_t_intervals() -> None:
    values = [10.0, 11.0, 9.5, 10.2]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    found = mean_of(values)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)
    assert mean_of([1.0, 2.0]).low is None
    with pytest.raises(ValueError, match="one block at least"):
        mean_of([])
