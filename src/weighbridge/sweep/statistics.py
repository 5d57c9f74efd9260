"""Statistics of a comparison: ratios by block, their intervals, and what they allow to say.

A block is the unit of evidence: requests of one run are not independent, runs of one block share their bytes,
their schedule and their time. Nothing here pools requests, and nothing resamples blocks.
bench/error_rates.py shows how often these statements are wrong.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy.special import stdtr, stdtrit

from weighbridge.records.comparison import ComparisonResult, Interval, Ratio

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
FEWEST_BLOCKS = 3
_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class LogRatio(ABC):
    """The mean logarithm of other by baseline.

    Attributes:
        mean: The mean logarithm.
    """

    mean: float

    @property
    @abstractmethod
    def blocks(self) -> int:
        """Number of blocks of evidence; of two sweeps, of the one with fewer."""

    @property
    @abstractmethod
    def error(self) -> float:
        """Standard error of the mean; NaN of one block."""

    @property
    @abstractmethod
    def freedom(self) -> float:
        """Degrees of freedom of the standard error."""

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
        half = _quantile(self.freedom, confidence) * self.error
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float | None:
        """Two-sided p value of a t test that the ratio is 1; None: too few blocks."""
        if not self.decides:
            return None
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return 2 * float(stdtr(self.freedom, -abs(self.mean) / self.error))

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


@dataclass(frozen=True)
class PairedRatio(LogRatio):
    """Logarithms of other by baseline, one a block, summed up.

    Attributes:
        sd: Their standard deviation; NaN of one block.
        pairs: How many there are.
    """

    sd: float
    pairs: int

    @classmethod
    def of(cls, baseline: Sequence[float], other: Sequence[float]) -> "PairedRatio":
        """Compute the ratio of a metric in each block.

        Args:
            baseline: The baseline's values, shape (blocks,).
            other: The other system's, of the same blocks in the same order.

        Raises:
            ValueError: the shapes differ, there is no block, or a value is not above 0.
        """
        pairs = zip(_logs(baseline), _logs(other), strict=True)
        return cls.of_logs([new - old for old, new in pairs])

    @classmethod
    def of_logs(cls, logs: Sequence[float]) -> "PairedRatio":
        """Sum up logarithms of ratios, one a block, shape (blocks,), of one block at least."""
        mean, sd = _mean_and_sd(logs)
        return cls(mean, sd, len(logs))

    @property
    def blocks(self) -> int:
        """Number of pairs."""
        return self.pairs

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN of one block."""
        return self.sd / math.sqrt(self.pairs)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the standard error."""
        return self.pairs - 1


@dataclass(frozen=True)
class UnpairedRatio(LogRatio):
    """New by old of two sweeps at different times, whose blocks are no pairs (Welch's t).

    The sides may be logarithms of a metric, or of its ratio to an anchor system, which each sweep has paired.
    """

    old: PairedRatio
    new: PairedRatio

    @classmethod
    def of(cls, old: PairedRatio, new: PairedRatio) -> "UnpairedRatio":
        """Compute new by old from the sums of their logarithms."""
        return cls(new.mean - old.mean, old, new)

    @classmethod
    def of_values(cls, old: Sequence[float], new: Sequence[float]) -> "UnpairedRatio":
        """Compute new by old from a metric's values, one a block.

        Raises:
            ValueError: a side has no block, or a value is not above 0.
        """
        return cls.of(PairedRatio.of_logs(_logs(old)), PairedRatio.of_logs(_logs(new)))

    @property
    def blocks(self) -> int:
        """Number of blocks of the side with fewer."""
        return min(self.old.blocks, self.new.blocks)

    @property
    def error(self) -> float:
        """Standard error of the difference; NaN if a side has one block."""
        return math.hypot(self.old.error, self.new.error)

    @property
    def freedom(self) -> float:
        """Degrees of freedom by Welch and Satterthwaite."""
        if self.error == 0:
            return self.old.freedom + self.new.freedom
        # Shares of the variance, because a square of a small error may be too small for a number.
        shares = [(side.error / self.error) ** 2 for side in (self.old, self.new)]
        return 1 / (shares[0] ** 2 / self.old.freedom + shares[1] ** 2 / self.new.freedom)


def _logs(values: Sequence[float]) -> list[float]:
    if not len(values) or not all(0 < value < math.inf for value in values):
        raise ValueError("ratios need finite values above 0, from one block at least")
    return [math.log(value) for value in values]


def _mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    # Of a few numbers numpy is slower, and fsum is exact.
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@lru_cache(maxsize=4096)
def _quantile(freedom: float, confidence: float) -> float:
    """Return how many standard errors a two-sided t interval reaches to each side."""
    return float(stdtrit(freedom, (1 + confidence) / 2))


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
    ratio: LogRatio, p_adjusted: float | None, margin: float, *, lower_is_better: bool
) -> ComparisonResult:
    """Return what the blocks allow to say.

    Args:
        ratio: Other by baseline.
        p_adjusted: Its p value after Holm; None: too few blocks.
        margin: The share within which a difference counts as none.
        lower_is_better: Whether the metric is a time.
    """
    if ratio.is_same(margin):
        return ComparisonResult.SAME
    if p_adjusted is None or p_adjusted >= SIGNIFICANCE:
        return ComparisonResult.INCONCLUSIVE
    return ComparisonResult.FASTER if (ratio.mean > 0) != lower_is_better else ComparisonResult.SLOWER


def blocks_needed(paired: PairedRatio, margin: float, comparisons: int = 1) -> int | None:
    """Return about how many blocks would decide, were mean and spread to stay as they are.

    Args:
        paired: The ratio so far.
        margin: The share within which a difference counts as none.
        comparisons: Rows that share the 5 %, of which this may be the first in Holm's order.

    Returns:
        The smallest number that gives an interval without 1, or one within the margin; if that is more than
        there are, the next even one, because a drift cancels in pairs of blocks. None: over 1,000, or the
        spread of one block is not known.
    """
    if math.isnan(paired.sd):
        return None
    bound = math.log1p(margin)
    for blocks in range(max(FEWEST_BLOCKS, paired.blocks), _MOST_BLOCKS + 1):
        error = paired.sd / math.sqrt(blocks)
        differs = abs(paired.mean) > _quantile(blocks - 1, 1 - SIGNIFICANCE / comparisons) * error
        same = abs(paired.mean) + _quantile(blocks - 1, 1 - 2 * SIGNIFICANCE) * error < bound
        if differs or same:
            return blocks if blocks == paired.blocks else blocks + blocks % 2
    return None


def mean_of(values: Sequence[float]) -> Interval:
    """Return the mean of one value a block with its t interval.

    Raises:
        ValueError: there is no value.
    """
    if not len(values):
        raise ValueError("a mean needs one block at least")
    mean, sd = _mean_and_sd(values)
    if len(values) < FEWEST_BLOCKS:
        return Interval(mean=mean, blocks=len(values))
    half = _quantile(len(values) - 1, CONFIDENCE) * sd / math.sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half, blocks=len(values))
