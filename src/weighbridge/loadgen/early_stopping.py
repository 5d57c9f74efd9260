"""LoadGen's early-stopping test: pure mathematics.

A server passes early stopping when its over-latency queries are so few that, were the true share of slow
queries as large as the rules allow, so few would be seen with a probability below 1 - confidence.
Source: results.cc and early_stopping.cc of LoadGen in mlcommons/inference (tolerance 0), and the appendix on
early stopping of the rules in mlcommons/inference_policies.
"""

import math
from functools import cache

import numpy as np

PERCENTILE = 0.99
CONFIDENCE = 0.99


def few_over_probability(over: int, queries: int, percentile: float = PERCENTILE) -> float:
    """Return the probability that at most `over` of `queries` queries are slow.

    Each is slow with probability 1 - percentile: the lower tail of a binomial distribution,
    summed in logarithms from its last term down.
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
    """Return the fewest queries with which a run of `over` over-latency queries passes early stopping."""

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


@cache
def max_over_latency(
    queries: int, percentile: float = PERCENTILE, confidence: float = CONFIDENCE
) -> int | None:
    """Return the most over-latency queries with which `queries` still pass; None if not even 0 passes."""

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
    """Return how many further on-time queries a run needs to pass early stopping; 0 when it passes."""
    return max(0, min_queries(over, percentile, confidence) - queries)


def discarded(queries: int, percentile: float) -> int | None:
    """Return how many of the slowest latencies early stopping sets aside to estimate a percentile.

    The estimate is the largest of the others. Source: SingleStream in EarlyStopping in results.cc of LoadGen.

    Returns:
        None where there are too few queries for an estimate.
    """
    allowed = max_over_latency(queries, percentile)
    return allowed - 1 if allowed else None
