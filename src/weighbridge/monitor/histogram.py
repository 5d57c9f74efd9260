"""Percentiles of a growing number of latencies in bounded memory: counts in buckets of equal ratio."""

import numpy as np
from numpy.typing import NDArray

_RATIO = 1.01
_SMALLEST_NS, _LARGEST_NS = 1e3, 1e14  # a microsecond to a day and more
_LOG_RATIO = np.log(_RATIO)
_BUCKETS = int(np.ceil(np.log(_LARGEST_NS / _SMALLEST_NS) / _LOG_RATIO))


class Histogram:
    """Counts of latencies; a percentile of it is within half a percent of the true one.

    Latencies below a microsecond count as one microsecond, those above a day as a day.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_BUCKETS, dtype=np.int64)

    def add(self, latencies_ns: NDArray[np.int64]) -> None:
        """Count some more, in nanoseconds."""
        bounded = np.clip(latencies_ns, _SMALLEST_NS, _LARGEST_NS)
        bucket = (np.log(bounded / _SMALLEST_NS) / _LOG_RATIO).astype(np.int64)
        self._counts += np.bincount(np.minimum(bucket, _BUCKETS - 1), minlength=_BUCKETS)

    def percentile_s(self, percentile: float) -> float | None:
        """Tell a percentile in seconds, as LoadGen takes it: the value at index floor(n * percentile).

        None where nothing was counted.
        """
        ranks = np.cumsum(self._counts)
        count = int(ranks[-1])
        if not count:
            return None
        index = min(int(count * percentile), count - 1)
        bucket = int(np.searchsorted(ranks, index, side="right"))
        return float(_SMALLEST_NS * _RATIO ** (bucket + 0.5) / 1e9)
