"""Mathematics of two systems that answered the same questions: counts, difference, interval, exact test.

Pure: it reads no file. Answers to one question are paired, so what is hard for both widens no interval.
"""

import math
from collections import Counter
from collections.abc import Sequence

from scipy.special import bdtr

from weighbridge.evaluation.intervals import wilson_interval
from weighbridge.records.quality_comparison import PairedAccuracy, QualityFinding

_SIGNIFICANCE = 0.05


def paired_accuracy(pairs: Sequence[tuple[bool, bool]]) -> PairedAccuracy:
    """Compare the answers to the same questions.

    Args:
        pairs: For each question whether the baseline (A) was right, and whether the other system (B) was.

    Raises:
        ValueError: there is no question.
    """
    if not pairs:
        raise ValueError("a comparison needs one question at least")
    counts = Counter(pairs)
    return paired_counts(
        *(counts[pair] for pair in ((True, True), (True, False), (False, True), (False, False)))
    )


def paired_counts(both: int, only_a: int, only_b: int, neither: int) -> PairedAccuracy:
    """Compare the answers to the same questions, of which these are the counts.

    Args:
        both: Questions that both answered right.
        only_a: Those that A alone answered right.
        only_b: Those that B alone answered right.
        neither: The others.
    """
    n = both + only_a + only_b + neither
    low, high = difference_interval(both, only_a, only_b, neither)
    return PairedAccuracy(
        n=n,
        both_right=both,
        only_a=only_a,
        only_b=only_b,
        difference=(only_b - only_a) / n,
        low=low,
        high=high,
        p=mcnemar_p(only_a, only_b),
    )


def difference_interval(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Compute the 95 % interval of the difference of paired proportions, B - A, by Newcombe's method 10.

    It combines the Wilson intervals of both proportions by the square-and-add rule, with their correlation,
    which is corrected for continuity where it is positive. Source: R. G. Newcombe, Improved confidence
    intervals for the difference between binomial proportions based on paired data, Statistics in Medicine 17
    (1998), 2635-2650.

    Args:
        both: Questions that both answered right.
        only_a: Those that A alone answered right.
        only_b: Those that B alone answered right.
        neither: The others.

    Returns:
        Lower and upper end, within -1 and 1; they contain the difference.
    """
    n, right_a, right_b = both + only_a + only_b + neither, both + only_a, both + only_b
    a, b = right_a / n, right_b / n
    (low_a, high_a), (low_b, high_b) = wilson_interval(right_a, n), wilson_interval(right_b, n)
    correlation = _correlation(both, only_a, only_b, neither)
    difference = (only_b - only_a) / n
    return (
        difference - _added(b - low_b, high_a - a, correlation),
        difference + _added(high_b - b, a - low_a, correlation),
    )


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    n = both + only_a + only_b + neither
    product: float = both * neither - only_a * only_b
    if product > 0:
        product = max(2 * product - n, 0) / 2
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    return product / math.sqrt(margins) if margins else 0.0


def _added(of_one: float, of_other: float, correlation: float) -> float:
    """Return the half-width of a difference from those of its parts."""
    square = of_one**2 - 2 * correlation * of_one * of_other + of_other**2
    return math.sqrt(max(square, 0.0))


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the two-sided p value of McNemar's exact test.

    Where both are equally good, each discordant question is as likely to be A's as B's: the smaller count is
    binomial with share 1/2. The p value is twice its probability, 1 at most.

    Args:
        only_a: Questions that A alone answered right.
        only_b: Those that B alone answered right.
    """
    discordant = only_a + only_b
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), discordant, 0.5))) if discordant else 1.0


def finding_of(paired: PairedAccuracy, p_adjusted: float, margin: float) -> QualityFinding:
    """Return what paired answers allow to say.

    Args:
        paired: What was answered.
        p_adjusted: The p value, after a correction where several systems are compared.
        margin: Share within which a difference counts as none.

    Returns:
        'same' where the interval lies within the margin, though it may exclude 0; 'better' or 'worse' where
        both interval and test exclude 0.
    """
    if -margin <= paired.low and paired.high <= margin:
        return QualityFinding.SAME
    if p_adjusted < _SIGNIFICANCE and paired.low > 0:
        return QualityFinding.BETTER
    if p_adjusted < _SIGNIFICANCE and paired.high < 0:
        return QualityFinding.WORSE
    return QualityFinding.INCONCLUSIVE
