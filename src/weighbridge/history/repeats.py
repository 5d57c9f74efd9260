"""The noise of repeats: how much results of the same system and settings differ from one another."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from weighbridge.history.series import SeriesPoint

_CONFIDENCE = 0.95


@dataclass
class _Group:
    """Values of the same system and settings, and the sum of the squares of their deviations (Welford)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        deviation = value - self.mean
        self.mean += deviation / self.count
        self.squares += deviation * (value - self.mean)


class Repeats:
    """The values of a series so far, those of the same system and settings together."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], _Group] = {}

    def add(self, point: SeriesPoint) -> None:
        """Add a value, unless it does not count."""
        if point.counts and point.value > 0:
            self._groups.setdefault(point.recorded.same_as, _Group()).add(point.value)

    def half_width(self) -> tuple[float, int] | None:
        """Return half of a single result's 95 % interval, as a share of it, and the number of repeats.

        The relative deviations of all groups are pooled, with Student's t for their degrees of freedom.

        Returns:
            None: there are no repeats.
        """
        repeated = [group for group in self._groups.values() if group.count > 1]
        count = sum(group.count for group in repeated)
        freedom = count - len(repeated)
        if not freedom:
            return None
        squares = math.fsum(group.squares / group.mean**2 for group in repeated)
        return float(stdtrit(freedom, (1 + _CONFIDENCE) / 2)) * math.sqrt(squares / freedom), count
