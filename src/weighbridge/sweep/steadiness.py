"""Whether a run was steady, and whether an open load was more than the system could take.

Both are judged over tenths of the window. Limits alone would be passed by noise: of 200 requests, a tenth has
20 and varies by a fifth. So a change must also be more than the tenths scatter around it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from weighbridge.sweep.cell_window import Window
from weighbridge.sweep.run_rows import Floats, RunRows
from weighbridge.sweep.throughput_figures import in_progress

TENTHS = 10
LARGEST_TREND = 0.05
LARGEST_LAG1 = 0.7
_FEWEST = 30  # requests in the window; of fewer, nothing is said
_RARE = 0.01  # chance of a false warning of each kind
_FEWEST_ENDED = 0.95
_GROWTH = 1.5


@dataclass(frozen=True)
class Steadiness:
    """How throughput changed within a window.

    Attributes:
        trend: Its change from the first tenth to the last by a linear fit, as a share of its mean.
        lag1: Correlation of each tenth with the next.
        steady: False: the trend is above 5 % and, by a t test at 1 %, more than the tenths' scatter; or the
            correlation is above 0.7 and significant at 1 %, and the tenths differ by more than 5 %.
    """

    trend: float
    lag1: float
    steady: bool

    @classmethod
    def of(cls, rows: RunRows, window: Window) -> "Steadiness":
        """Judge the requests that ended well in each tenth; fewer than 30 in all count as steady."""
        counts, _ = np.histogram(rows.end_ns[rows.ok], window.edges(TENTHS))
        return cls.of_tenths(counts.astype(np.float64))

    @classmethod
    def of_tenths(cls, counts: Floats) -> "Steadiness":
        """Judge the number of requests in each tenth, shape (10,)."""
        mean = float(counts.mean())
        if mean == 0:
            return cls(0.0, 0.0, True)
        fit = LinearFit.of(counts)
        trend, lag1 = fit.change / mean, _lag1(counts)
        drifts = abs(trend) > LARGEST_TREND and fit.p < _RARE
        wide = float(np.ptp(counts)) / mean > LARGEST_TREND
        waves = lag1 > LARGEST_LAG1 and wide and _correlation_p(lag1, len(counts) - 1) < _RARE
        return cls(trend, lag1, bool(counts.sum() < _FEWEST or not (drifts or waves)))


@dataclass(frozen=True)
class LinearFit:
    """A line through equally spaced values.

    Attributes:
        change: Of the line, from the first value's place to the last one's.
        p: Two-sided p value of a t test that there is no change.
    """

    change: float
    p: float

    @classmethod
    def of(cls, values: Floats) -> "LinearFit":
        """Fit by least squares; three values at least."""
        place = np.arange(len(values)) - (len(values) - 1) / 2
        spread = float((place**2).sum())
        slope = float((place * values).sum()) / spread
        rest = values - values.mean() - slope * place
        freedom = len(values) - 2
        error = float(np.sqrt((rest**2).sum() / freedom / spread))
        change = slope * (len(values) - 1)
        # Below this, the scatter is that of the arithmetic.
        if error <= 1e-12 * max(abs(float(values.mean())), 1.0):
            return cls(change, 1.0 if abs(slope) <= error else 0.0)
        return cls(change, float(2 * student.sf(abs(slope) / error, freedom)))


def is_overloaded(rows: RunRows, window: Window) -> bool:
    """Return whether requests piled up, so that latencies say how long the run was.

    They did if the number of requests in flight rises over the tenths of the window (the 99 % interval of its
    slope is above 0), and either fewer than 95 % as many requests ended as were due, or the last third of the
    window has 1.5 times as many in flight as the first. Of open loops alone: a closed one cannot pile up.
    """
    due = int(window.has(rows.planned_ns).sum())
    ended = int(window.has(rows.end_ns).sum())
    tenths = in_progress(rows.planned_ns, rows.end_ns, window.edges(TENTHS))
    thirds = in_progress(rows.planned_ns, rows.end_ns, window.edges(3))
    fit = LinearFit.of(tenths)
    rises = fit.change > 0 and fit.p < _RARE
    return bool(rises and (ended < _FEWEST_ENDED * due or thirds[2] >= _GROWTH * thirds[0]))


def _lag1(values: Floats) -> float:
    """Return the correlation of values with their successors; 0 where they do not vary."""
    before, after = values[:-1] - values[:-1].mean(), values[1:] - values[1:].mean()
    size = float(np.sqrt((before**2).sum() * (after**2).sum()))
    return float((before * after).sum()) / size if size > 0 else 0.0


def _correlation_p(correlation: float, pairs: int) -> float:
    """Return the one-sided p value of a correlation of independent values."""
    if correlation >= 1:
        return 0.0
    freedom = pairs - 2
    return float(student.sf(correlation * np.sqrt(freedom / (1 - correlation**2)), freedom))
