"""Percentiles, LoadGen's early-stopping test, and how sure a score is: pure mathematics.

A server passes early stopping when its over-latency queries are so few that, were the true share of slow
queries as large as the rules allow, so few would be seen with a probability below 1 - confidence.
Source: results.cc and early_stopping.cc of LoadGen in mlcommons/inference (tolerance 0), and the appendix on
early stopping of the rules in mlcommons/inference_policies.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 0.99
CONFIDENCE = 0.99
_NORMAL_95 = 1.959964  # of a normal distribution, 95 % lie within so many standard deviations


def few_over_probability(over: int, queries: int, percentile: float = PERCENTILE) -> float:
    """Probability of at most `over` slow queries among `queries`, each slow with probability 1 - percentile.

    The lower tail of a binomial distribution, summed in logarithms from its last term down.
    """
    if over >= queries:
        return 1.0
    slow = 1 - percentile
    log_last = (
        math.lgamma(queries + 1)
        - math.lgamma(over + 1)
        - math.lgamma(queries - over + 1)
        + over * math.log(slow)
        + (queries - over) * math.log(percentile)
    )
    counts = np.arange(over, 0, -1, dtype=np.float64)
    steps = np.log(counts) - np.log(queries - counts + 1) + math.log(percentile / slow)
    log_terms = log_last + np.concatenate(([0.0], np.cumsum(steps)))
    largest = float(log_terms.max())
    return min(1.0, math.exp(largest) * float(np.exp(log_terms - largest).sum()))


def min_queries(over: int, percentile: float = PERCENTILE, confidence: float = CONFIDENCE) -> int:
    """Fewest queries with which a run that has `over` over-latency queries passes early stopping."""

    def passes(queries: int) -> bool:
        return few_over_probability(over, queries, percentile) < 1 - confidence

    enough = max(over, 1)
    while not passes(enough):
        enough *= 2
    too_few = over  # all queries slow: never passes
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if passes(middle) else (middle, enough)
    return enough


def max_over_latency(
    queries: int, percentile: float = PERCENTILE, confidence: float = CONFIDENCE
) -> int | None:
    """Most over-latency queries with which `queries` still pass; None where even none is too many."""

    def passes(over: int) -> bool:
        return few_over_probability(over, queries, percentile) < 1 - confidence

    if not passes(0):
        return None
    good, bad = 0, queries
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if passes(middle) else (good, middle)
    return good


def missing_queries(
    over: int, queries: int, percentile: float = PERCENTILE, confidence: float = CONFIDENCE
) -> int:
    """Further queries, all in time, that a run needs to pass early stopping; 0 when it passes."""
    return max(0, min_queries(over, percentile, confidence) - queries)


def percentile_of_sorted(values: Sequence[float], percentile: float) -> float:
    """Take a percentile of ascending values as LoadGen does: the one at index floor(n * percentile).

    Raises:
        IndexError: there are no values.
    """
    return values[min(int(len(values) * percentile), len(values) - 1)]


def ratio_interval(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> tuple[float, float]:
    """Bound sum(parts) / sum(wholes) with 95 % confidence, the n samples being drawn independently.

    By the delta method, the ratio R varies as the mean of (part - R whole) / mean(whole) does. Source: the
    large-sample variance of a ratio estimate, Cochran, Sampling Techniques (3rd edition, 1977), chapter 6,
    without its finite-population factor.

    Returns:
        Lower and upper bound, cut to 0 and 1; these two themselves where no whole is above 0.
    """
    whole, samples = float(wholes.sum()), len(wholes)
    if whole <= 0:
        return 0.0, 1.0
    ratio = float(parts.sum()) / whole
    squares = float(np.square(parts - ratio * wholes).sum())
    margin = _NORMAL_95 * math.sqrt(squares * samples / max(1, samples - 1)) / whole
    return max(0.0, ratio - margin), min(1.0, ratio + margin)
