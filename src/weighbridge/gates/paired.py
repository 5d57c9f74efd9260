"""Compare values of two runs over the same samples: how far they may differ by chance."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any] | np.integer[Any]]

# Five standard errors: by chance exceeded once in 1.7 million honest comparisons.
STANDARD_ERRORS = 5.0
# Of the largest difference of two distributions, at the same probability: sqrt(-log(p / 2) / 2).
_LARGEST_DIFFERENCE = 2.75


@dataclass(frozen=True)
class RunDifference:
    """How much larger the mean of one run's values is than that of the other's.

    Attributes:
        value: The difference as a share of the other run's mean.
        standard_error: Of that share.
    """

    value: float
    standard_error: float

    def bound(self, margin: float) -> float:
        """Return the largest difference that is taken for alike, as a share."""
        return margin + STANDARD_ERRORS * self.standard_error


def difference_of_means(samples: Values, ours: Values, theirs: Values) -> RunDifference:
    """Compare each value of ours with that of theirs of the same sample.

    The means over each sample's repeats are paired, so that what differs between samples, such as long and
    short texts, does not count as noise, and repeats of one sample do not count as independent.

    Args:
        samples: The sample of each value of `ours`, shape (m,).
        ours: Values of one run, shape (m,).
        theirs: Values of the other run, by sample, shape (n,).

    Returns:
        The difference; 0 with an infinite error if fewer than two samples are compared.
    """
    count = np.bincount(samples, minlength=len(theirs))
    asked = count > 0
    sums = np.bincount(samples, weights=ours.astype(np.float64), minlength=len(theirs))
    others = theirs[asked].astype(np.float64)
    mean = float(others.mean()) if len(others) else 0.0
    if len(others) < 2 or mean <= 0:
        return RunDifference(0.0, math.inf)
    change = sums[asked] / count[asked] - others
    error = float(change.std(ddof=1)) / math.sqrt(len(change))
    return RunDifference(float(change.mean()) / mean, error / mean)


def difference_of_ratios(ours: tuple[Values, Values], theirs: tuple[Values, Values]) -> RunDifference:
    """Compare two scores, each a ratio of sums over the same samples: points gained over points possible.

    The error is that of the linearised difference (delta method).

    Args:
        ours: Points gained and points possible of one run, each of shape (n,).
        theirs: Those of the other run.

    Returns:
        The difference as a share of their score; 0 with an infinite error if nothing can be compared.
    """
    n = len(ours[0])
    possible, others = float(ours[1].sum()), float(theirs[1].sum())
    gained = float(theirs[0].sum())
    if n < 2 or possible <= 0 or others <= 0 or gained <= 0:
        return RunDifference(0.0, math.inf)
    score, their_score = float(ours[0].sum()) / possible, gained / others
    residual = (ours[0] - score * ours[1]) * (n / possible) - (theirs[0] - their_score * theirs[1]) * (
        n / others
    )
    error = float(residual.std(ddof=1)) / math.sqrt(n)
    return RunDifference((score - their_score) / their_score, error / their_score)


def largest_difference(ours: Values, theirs: Values) -> float:
    """Return the largest difference of two distribution functions (Kolmogorov and Smirnov), 0 to 1."""
    ours, theirs = np.sort(ours), np.sort(theirs)
    at = np.unique(np.concatenate([ours, theirs]))
    shares = [np.searchsorted(each, at, side="right") / len(each) for each in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max())


def largest_by_chance(n: int, m: int) -> float:
    """Return the largest difference that two samples of one distribution reach once in 1.7 million times."""
    return _LARGEST_DIFFERENCE * math.sqrt(1 / n + 1 / m)
