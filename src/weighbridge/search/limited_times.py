"""What the limits of a scenario apply to, computed from the times of its requests."""

import numpy as np
from numpy.typing import NDArray


def limited_times_ns(
    planned_ns: NDArray[np.int64],
    first_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    tokens: NDArray[np.int32],
    *,
    told_later_ns: float = 0,
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return by a limit's name what it applies to: latency, ttft, tpot.

    The time to the first token is that to the end where there was none; the time per output token after the
    first goes to the end of the answer, as LoadGen computes it.

    Args:
        planned_ns: (n,) when each query was issued.
        first_ns: (n,) when its first token came; 0: none did.
        end_ns: (n,) when it ended.
        tokens: (n,) how many it was answered with.
        told_later_ns: By how much the time from the first token to the end may be too long.
    """
    first_ns = np.where(first_ns > 0, first_ns, end_ns)
    return {
        "latency": end_ns - planned_ns,
        "ttft": first_ns - planned_ns,
        "tpot": (end_ns - first_ns - told_later_ns) / np.maximum(tokens - 1, 1),
    }
