"""Percentiles as LoadGen takes them."""

from collections.abc import Sequence


def percentile_of_sorted(values: Sequence[float], percentile: float) -> float:
    """Return a percentile of ascending values as LoadGen does: the value at index floor(n * percentile).

    Source: LoadGen's results.cc (mlcommons/inference).

    Raises:
        IndexError: there are no values.
    """
    return values[index_of_percentile(len(values), percentile)]


def index_of_percentile(count: int, percentile: float) -> int:
    """Return the index of a percentile among so many ascending values, as LoadGen takes it."""
    return min(int(count * percentile), count - 1)
