"""Statistics of a comparison: ratios paired by block, their intervals, and what they allow to say.

A block is the unit of evidence: requests of one run are not independent, runs of one block share their bytes,
their schedule and their time. Nothing here pools requests, and nothing resamples blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from weighbridge.records.comparison import ComparisonResult, Interval, Ratio

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
FEWEST_BLOCKS = 3
_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class PairedRatio:
    """Logarithms of other by baseline, one a block, summed up.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation; NaN of one block.
        blocks: How many there are.
    """

    mean: float
    sd: float
    blocks: int

    @classmethod
    def of(cls, baseline: Sequence[float], other: Sequence[float]) -> "PairedRatio":
        """Compute the ratio of a metric in each block.

        Args:
            baseline: The baseline's values, shape (blocks,).
            other: The other system's, of the same blocks in the same order.

        Raises:
            ValueError: the shapes differ, there is no block, or a value is not above 0.
        """
        values = np.array([baseline, other], dtype=np.float64)
        if values.shape[1] == 0 or not (np.isfinite(values) & (values > 0)).all():
            raise ValueError("ratios need finite values above 0, from one block at least")
        logs = np.log(values[1] / values[0])
        sd = float(logs.std(ddof=1)) if len(logs) > 1 else math.nan
        return cls(float(logs.mean()), sd, len(logs))

    @property
    def ratio(self) -> float:
        """Geometric mean of the ratios."""
        return math.exp(self.mean)

    @property
    def decides(self) -> bool:
        """Whether there are enough blocks for an interval."""
        return self.blocks >= FEWEST_BLOCKS

    def log_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the bounds of the mean logarithm's t interval.

        Raises:
            ValueError: there are too few blocks.
        """
        if not self.decides:
            raise ValueError(f"an interval needs {FEWEST_BLOCKS} blocks, there are {self.blocks}")
        half = _half_width(self.sd, self.blocks, confidence)
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float | None:
        """Two-sided p value of a t test that the ratio is 1; None: too few blocks."""
        if not self.decides:
            return None
        if self.sd == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * student.sf(abs(self.mean) * math.sqrt(self.blocks) / self.sd, self.blocks - 1))

    def is_same(self, margin: float) -> bool:
        """Return whether two one-sided tests at 5 % show a difference below `margin`, such as 0.05."""
        if not self.decides:
            return False
        low, high = self.log_interval(1 - 2 * SIGNIFICANCE)
        bound = math.log1p(margin)
        return -bound < low and high < bound

    def record(self, p_adjusted: float | None = None) -> Ratio:
        """Return the ratio as comparison.json has it."""
        low, high = map(math.exp, self.log_interval()) if self.decides else (None, None)
        return Ratio(
            ratio=self.ratio, low=low, high=high, blocks=self.blocks, p=self.p, p_adjusted=p_adjusted
        )


def _half_width(sd: float, blocks: int, confidence: float) -> float:
    return float(student.ppf((1 + confidence) / 2, blocks - 1)) * sd / math.sqrt(blocks)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down method, in the order given.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def result_of(
    paired: PairedRatio, p_adjusted: float | None, margin: float, *, lower_is_better: bool
) -> ComparisonResult:
    """Return what the blocks allow to say.

    Args:
        paired: The ratio, other by baseline.
        p_adjusted: Its p value after Holm; None: too few blocks.
        margin: The share within which a difference counts as none.
        lower_is_better: Whether the metric is a time.
    """
    if paired.is_same(margin):
        return ComparisonResult.SAME
    if p_adjusted is None or p_adjusted >= SIGNIFICANCE:
        return ComparisonResult.INCONCLUSIVE
    return ComparisonResult.FASTER if (paired.mean > 0) != lower_is_better else ComparisonResult.SLOWER


def blocks_needed(paired: PairedRatio, margin: float, comparisons: int = 1) -> int | None:
    """Return how many blocks would decide, were mean and spread to stay as they are.

    Args:
        paired: The ratio so far.
        margin: The share within which a difference counts as none.
        comparisons: Rows that share the 5 %, of which this may be the first in Holm's order.

    Returns:
        The smallest number that gives an interval without 1, or one within the margin; None: over 1,000, or
        the spread of one block is not known.
    """
    if math.isnan(paired.sd):
        return None
    bound = math.log1p(margin)
    for blocks in range(max(FEWEST_BLOCKS, paired.blocks), _MOST_BLOCKS + 1):
        differs = abs(paired.mean) > _half_width(paired.sd, blocks, 1 - SIGNIFICANCE / comparisons)
        same = abs(paired.mean) + _half_width(paired.sd, blocks, 1 - 2 * SIGNIFICANCE) < bound
        if differs or same:
            return blocks
    return None


def mean_of(values: Sequence[float]) -> Interval:
    """Return the mean of one value a block with its t interval.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a mean needs one block at least")
    found = np.array(values, dtype=np.float64)
    mean = float(found.mean())
    if len(found) < FEWEST_BLOCKS:
        return Interval(mean=mean, blocks=len(found))
    half = _half_width(float(found.std(ddof=1)), len(found), CONFIDENCE)
    return Interval(mean=mean, low=mean - half, high=mean + half, blocks=len(found))
