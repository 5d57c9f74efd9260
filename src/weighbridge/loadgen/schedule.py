"""When LoadGen's Server queries are due: its own random numbers, drawn again. Pure mathematics."""

import numpy as np
from numpy.typing import NDArray


def server_schedule_s(queries: int, target_qps: float, seed: int) -> NDArray[np.float64]:
    """Draw the due times of Server queries, in seconds since the start, exactly as LoadGen does.

    LoadGen draws exponential gaps with libstdc++: a Mersenne twister whose seed keeps 32 bits, two of its
    words a number in [0, 1), the logarithm of one minus that, cut to whole nanoseconds.
    """
    twister = np.random.RandomState(seed & 0xFFFFFFFF)
    words = twister.randint(0, 1 << 32, size=2 * queries, dtype=np.uint32).astype(np.float64)
    uniform = (words[0::2] + words[1::2] * 2.0**32) / 2.0**64
    gaps_ns = (-np.log1p(-uniform) / target_qps * 1e9).astype(np.int64)
    due_s: NDArray[np.float64] = np.cumsum(gaps_ns) / 1e9
    return due_s
