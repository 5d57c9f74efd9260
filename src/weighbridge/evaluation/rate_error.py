"""The standard error of a rate, estimated from the completions of one run by batch means.

Source: the method of batch means of steady-state simulation (for example in Law, Simulation Modeling and
Analysis), with batches of equal numbers of completions instead of equal times, so that a system which
completes at even steps has no error.
"""

from math import isqrt, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST, _MOST = 6, 20
"""Numbers of batches: of fewer the variance is not known, and shorter ones are not independent."""


def relative_error(ends_s: NDArray[np.floating[Any]], work: NDArray[Any] | None = None) -> float | None:
    """Return the standard error of a run's rate, as a share of the rate.

    The first and the last batch, in which the system fills and drains, are part of the rate and not of the
    variance: they are alike in every run. What changes more slowly than a batch lasts is not seen.

    Args:
        ends_s: When each request was completed, in s since the start of the run, in any order, shape (n,).
        work: What each completed, such as its tokens, shape (n,); None: one each.

    Returns:
        None: there are too few completions, or nothing was done in any time.
    """
    n = len(ends_s)
    batches = min(isqrt(n), _MOST)
    if batches < _FEWEST:
        return None
    order = np.argsort(ends_s, kind="stable")
    done = np.cumsum(np.ones(n) if work is None else np.asarray(work, dtype=float)[order])
    last = np.linspace(0, n, batches + 1).round().astype(int)[1:] - 1
    times_s = np.diff(np.asarray(ends_s, dtype=float)[order][last], prepend=0.0)
    amounts = np.diff(done[last], prepend=0.0)
    total_s, total = float(times_s.sum()), float(amounts.sum())
    if total_s <= 0 or total <= 0:
        return None
    # What each batch did beyond what the run's own rate lets expect of its time.
    beyond = (amounts - total / total_s * times_s)[1:-1]
    return sqrt(batches) * float(np.std(beyond, ddof=1)) / total
