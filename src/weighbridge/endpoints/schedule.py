"""What the official client issues by its seeds: which sample when. It draws both with Python's own generator.

Source: load_generator/sample_order.py, delay.py and strategy.py in mlcommons/endpoints @ ea332753.
"""

import random
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def sample_order(samples: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return the samples of a performance phase in their order, shape (count,): each pass shuffles the last.

    Args:
        samples: Number of samples of the dataset.
        count: How many are issued.
        seed: The round's seed of the order.
    """
    generator, order = random.Random(seed), list(range(samples))  # noqa: S311 - the client's own
    issued: list[int] = []
    while len(issued) < count:
        generator.shuffle(order)
        issued += order
    return np.array(issued[:count], dtype=np.int64)


@lru_cache(maxsize=4)  # several checks compare with one, which takes a second to draw for a million queries
def arrivals_ns(count: int, target_qps: float, seed: int, earlier: int | None = None) -> NDArray[np.int64]:
    """Return when the queries of a Poisson phase are due, shape (count,), in ns since its start.

    Args:
        count: How many are issued.
        target_qps: Queries/s.
        seed: The round's seed of the gaps.
        earlier: Queries of the phase before, whose generator goes on: an accuracy phase follows one of
            performance. None: it is the first.
    """
    generator, rate = random.Random(seed), target_qps / 1e9  # noqa: S311 - the client's own
    # A phase draws the gap after its last query, too, before it sees that it is over.
    for _ in range(0 if earlier is None else earlier + 1):
        generator.expovariate(rate)
    gaps = (max(1, int(generator.expovariate(rate))) for _ in range(count))
    due: NDArray[np.int64] = np.cumsum(np.fromiter(gaps, dtype=np.int64, count=count))
    due.flags.writeable = False
    return due


def delays_s(issued_ns: NDArray[np.int64], due_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how late each query was issued, shape (n,), in s, on the clock of the one that was least late.

    The client does not log when its schedule began, so the delay that all queries share is not seen.
    """
    late = issued_ns - due_ns
    return (late - late.min()) / 1e9 if len(late) else np.empty(0)
