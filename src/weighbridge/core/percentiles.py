"""Percentiles as LoadGen takes them."""

from collections.abc import Sequence


def percentile_of_sorted(values: Sequence[float], percentile: float) -> float:
    """Return a percentile of ascending values as LoadGen does: the value at index floor(n * percentile).

    Source: LoadGen's results.cc (mlcommons/inference).

    Raises:
        IndexError: there are no values.
    """
    return values[min(int(len(values) * percentile), len(values) - 1)]
