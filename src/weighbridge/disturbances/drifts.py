"""Find a drift: a run whose pace or latencies go one way from its beginning to its end."""

from dataclasses import dataclass

import numpy as np

from weighbridge.disturbances.run_trace import RunTrace
from weighbridge.disturbances.steady_part import FEWEST, PartTrend, part_latencies_s, part_rates

# Both: of 45 pairs of parts, 36 go one way, and the line leaves its own error far behind.
_RARE, _ERRORS = 0.01, 5.0
# A rate that moves less says what it says; latencies near a system's capacity wander by themselves.
LEAST_RATE, LEAST_LATENCY = 0.15, 2.0
# Until many answers have come and gone, what runs at once changes: long ones gather.
_LONG_ANSWERS, _TURNS = 0.95, 5.0


@dataclass(frozen=True)
class Drift:
    """How a run changed.

    Attributes:
        of_rate: It is that of the rate; else of the median latency.
        first, last: Of the first and the last tenth by the fitted line; per s, or s.
    """

    of_rate: bool
    first: float
    last: float

    @property
    def change(self) -> float:
        """Return the change as a share of the first tenth."""
        return self.last / self.first - 1


def can_drift(trace: RunTrace) -> bool:
    """Return whether a run is long enough for its beginning and its end to be alike.

    Of an Offline run that is known where tokens are: its long answers, by the time of its first one, must
    have come and gone five times.
    """
    if len(trace) < FEWEST:
        return False
    if not trace.at_once:
        return True
    longest = float(np.quantile(trace.tokens, _LONG_ANSWERS)) / float(trace.tokens[0])
    return trace.counts_tokens and trace.span_s >= _TURNS * float(trace.end_s[0]) * max(longest, 1.0)


def find_drift(trace: RunTrace) -> Drift | None:
    """Return how a run drifted; None: it did not, or cannot be judged.

    Of requests issued at once it is the rate that counts, in answers and in tokens: answers that grow longer
    are no drift. Of others it is the median latency.
    """
    if not can_drift(trace):
        return None
    if not trace.at_once:
        return _drift(part_latencies_s(trace, 0.5), of_rate=False, least=LEAST_LATENCY)
    rates = part_rates(trace, np.ones(len(trace)))
    found = _drift(rates, of_rate=True, least=LEAST_RATE)
    tokens = _drift(part_rates(trace, trace.tokens), of_rate=True, least=LEAST_RATE)
    alike = found is not None and tokens is not None and (found.change > 0) == (tokens.change > 0)
    return found if alike else None


def _drift(values: np.ndarray, *, of_rate: bool, least: float) -> Drift | None:
    trend, middle = PartTrend.of(values), float(np.median(values))
    first, last = middle - trend.change / 2, middle + trend.change / 2
    if trend.chance > _RARE or abs(trend.change) < _ERRORS * trend.error or min(first, last) <= 0:
        return None
    return Drift(of_rate, first, last) if abs(trend.change) >= least * min(first, last) else None
