"""Confidence intervals of scores."""

import math

import numpy as np
from numpy.typing import NDArray

_NORMAL_95 = 1.959964  # standard deviations that hold 95 % of a normal distribution, both sides


def ratio_interval(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> tuple[float, float]:
    """Compute the 95 % confidence interval of sum(parts) / sum(wholes) over n independent samples.

    By the delta method, the ratio R varies as the mean of (part - R whole) / mean(whole) does. Source: the
    large-sample variance of a ratio estimate, Cochran, Sampling Techniques (3rd edition, 1977), chapter 6,
    without its finite-population factor.

    Args:
        parts: Each sample's part, shape (n,).
        wholes: Each sample's whole, shape (n,).

    Returns:
        Lower and upper bound, not below 0, and not above 1 where no part exceeds its whole; (0, 1) where no
        whole is above 0.
    """
    whole, samples = float(wholes.sum()), len(wholes)
    if whole <= 0:
        return 0.0, 1.0
    ratio = float(parts.sum()) / whole
    squares = float(np.square(parts - ratio * wholes).sum())
    margin = _NORMAL_95 * math.sqrt(squares * samples / max(1, samples - 1)) / whole
    highest = 1.0 if bool((parts <= wholes).all()) else math.inf
    return max(0.0, ratio - margin), min(highest, ratio + margin)


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of a share of independent trials.

    Source: the score interval of Wilson, Probable inference, the law of succession, and statistical
    inference (Journal of the American Statistical Association 22, 1927). Unlike share +- margin it stays
    within 0 and 1, and has a width where all trials end alike.

    Raises:
        ValueError: there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is no share")
    square = _NORMAL_95**2
    middle = (successes + square / 2) / (trials + square)
    inside = successes * (trials - successes) / trials + square / 4
    margin = _NORMAL_95 * math.sqrt(inside) / (trials + square)
    low = 0.0 if successes == 0 else middle - margin
    high = 1.0 if successes == trials else middle + margin
    return low, high
