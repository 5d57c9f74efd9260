"""Equal parts of a run's steady stretch, and statistics over them that single outliers do not move."""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from weighbridge.disturbances.run_trace import Floats, RunTrace

PARTS = 10
FEWEST = 100
"""Requests; of fewer, ten parts say nothing."""
# The first answers come from an empty system; the last ones of an Offline run from one that empties.
_RAMP, _DRAIN = 0.1, 0.8
_NORMAL = 1.4826  # times the median absolute deviation: a standard deviation, where values are normal
_MEDIAN_ERROR = 1.2533  # sqrt(pi / 2): error of a median beside that of a mean


def part_rates(trace: RunTrace, weights: Floats) -> Floats:
    """Return what ended per s in each part of the steady stretch, each of as many requests, shape (10,).

    Args:
        trace: A run whose requests were issued at once.
        weights: Of each request, such as its tokens, in the order of ends.
    """
    edges = np.linspace(_RAMP * len(trace), _DRAIN * len(trace), PARTS + 1).astype(np.int64)
    work = np.concatenate([[0.0], np.cumsum(weights)])
    spans_s = np.maximum(np.diff(trace.end_s[edges - 1]), 1e-9)
    rates: Floats = np.diff(work[edges]) / spans_s
    return rates


def part_latencies_s(trace: RunTrace, quantile: float) -> Floats:
    """Return a quantile of the latencies in each part of the run after its ramp, by issue, shape (10,)."""
    latency_s = trace.latency_s[np.argsort(trace.planned_s, kind="stable")]
    edges = np.linspace(_RAMP * len(trace), len(trace), PARTS + 1).astype(np.int64)
    return np.array([np.quantile(latency_s[begin:end], quantile) for begin, end in pairwise(edges.tolist())])


def error_of_mean(values: Floats) -> float:
    """Return the standard error of the values' centre, from their median absolute deviation.

    It stays small where a few of them are far off, so that a stall does not excuse itself by its own size.
    """
    deviation = float(np.median(np.abs(values - np.median(values))))
    return _MEDIAN_ERROR * _NORMAL * deviation / math.sqrt(len(values))


@dataclass(frozen=True)
class PartTrend:
    """How values go from the first part to the last, by Theil's and Sen's line.

    Attributes:
        change: Of the line, from the first part to the last.
        error: Its standard error, by the scatter of the parts around the line.
        chance: That values in any order have so many more rising pairs than falling ones, or the other way
            (Kendall, exact, two-sided).
    """

    change: float
    error: float
    chance: float

    @classmethod
    def of(cls, values: Floats) -> "PartTrend":
        """Fit the line; three values at least."""
        n = len(values)
        first, second = np.triu_indices(n, 1)
        steps = values[second] - values[first]
        slope = float(np.median(steps / (second - first)))
        rising = int((steps > 0).sum()) - int((steps < 0).sum())
        counts = _orders(n)
        extreme = sum(
            count for pairs, count in enumerate(counts) if abs(2 * pairs - len(steps)) >= abs(rising)
        )
        # A mean of n values has an error of sigma / sqrt(n), a line's change over them sqrt(12) times that.
        error = math.sqrt(12) * error_of_mean(values - slope * np.arange(n))
        return cls(slope * (n - 1), error, extreme / math.factorial(n))


@cache
def _orders(n: int) -> tuple[int, ...]:
    """Return how many orders of n values have 0, 1, 2, ... rising pairs."""
    counts = [1]
    for size in range(2, n + 1):
        counts = [
            sum(counts[max(0, pairs - size + 1) : pairs + 1]) for pairs in range(size * (size - 1) // 2 + 1)
        ]
    return tuple(counts)
