"""Draw the results of sweeps whose truth is known, and judge them by sweep/statistics.py.

A sweep is two systems in blocks. The logarithm of a result is the sum of the truth, of a drift of the
machine, which depends on the session's place in time, and of each run's noise. All cells of a session share
its drift.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weighbridge.records.comparison import ComparisonResult
from weighbridge.sweep.orders import orders
from weighbridge.sweep.statistics import PairedRatio, holm, result_of

Results = NDArray[np.float64]  # shape (sweeps, 2 systems, cells, blocks)
Slots = NDArray[np.int64]
Drift = Callable[[np.random.Generator, int, int], NDArray[np.float64]]

WALK = 0.01
LINEAR = 0.005


def no_drift(_: np.random.Generator, sweeps: int, slots: int) -> NDArray[np.float64]:
    """Return no drift, shape (sweeps, slots)."""
    return np.zeros((sweeps, slots))


def random_walk(rng: np.random.Generator, sweeps: int, slots: int) -> NDArray[np.float64]:
    """Return a random walk whose steps have a standard deviation of 1 %."""
    return np.cumsum(rng.normal(0, WALK, (sweeps, slots)), axis=1)


def linear(_: np.random.Generator, sweeps: int, slots: int) -> NDArray[np.float64]:
    """Return a steady gain of 0.5 % a session."""
    return np.broadcast_to(LINEAR * np.arange(slots), (sweeps, slots))


DRIFTS: dict[str, Drift] = {"none": no_drift, "random walk, 1 %": random_walk, "linear, 0.5 %": linear}


def balanced(blocks: int) -> Slots:
    """Return the sessions' places in time, shape (blocks, 2 systems), in a sweep's order: A B, B A, ..."""
    there = orders(("A", "B"), blocks, "balanced", seed=0)
    return np.array(
        [(2 * block + each.index("A"), 2 * block + each.index("B")) for block, each in enumerate(there)]
    )


def alternating(blocks: int) -> Slots:
    """Return them in the order A B, A B, ..."""
    return np.arange(2 * blocks).reshape(blocks, 2)


def sequential(blocks: int) -> Slots:
    """Return them with all sessions of A before those of B."""
    return np.arange(2 * blocks).reshape(2, blocks).T


def draw(
    rng: np.random.Generator,
    sweeps: int,
    slots: Slots,
    *,
    cv: float,
    drift: Drift = no_drift,
    effect: float = 1.0,
    cells: int = 1,
) -> Results:
    """Draw the results of sweeps of two systems, shape (sweeps, 2, cells, blocks).

    Args:
        rng: Source of all draws.
        sweeps: Number of sweeps.
        slots: Place in time of each session, from 0, shape (blocks, 2 systems).
        cv: Standard deviation of a run's noise, as a share.
        drift: Of the machine.
        effect: True ratio of system 1 by system 0.
        cells: Cells of a session.
    """
    drifts = drift(rng, sweeps, slots.size)[:, slots.T]
    logs = drifts[:, :, None, :] + rng.normal(0, cv, (sweeps, 2, cells, len(slots)))
    logs[:, 1] += np.log(effect)
    return np.exp(logs)


@dataclass(frozen=True)
class Rates:
    """What sweeps said, as shares; an interval's, and a verdict's, of all cells.

    Attributes:
        missed: Intervals without the true ratio.
        half_width: Mean half width of the intervals, as a share.
        results: Share of each verdict.
        false_families: Sweeps with a cell that is called faster or slower.
    """

    missed: float
    half_width: float
    results: dict[ComparisonResult, float]
    false_families: float

    @property
    def decided(self) -> float:
        """Share of cells that are called faster or slower."""
        return self.results[ComparisonResult.FASTER] + self.results[ComparisonResult.SLOWER]


def judge(results: Results, *, effect: float = 1.0, margin: float = 0.05) -> Rates:
    """Judge each sweep as `compare_cells` does: pair, adjust over its cells, and say what it allows."""
    counts = dict.fromkeys(ComparisonResult, 0)
    missed = families = 0
    widths = 0.0
    for sweep in results.tolist():
        pairs = [PairedRatio.of(old, new) for old, new in zip(*sweep, strict=True)]
        adjusted = holm([pair.p for pair in pairs if pair.p is not None])
        decided = False
        for pair, p in zip(pairs, adjusted, strict=True):
            low, high = pair.log_interval()
            missed += not low <= math.log(effect) <= high
            widths += math.expm1((high - low) / 2)
            found = result_of(pair, p, margin, lower_is_better=False)
            counts[found] += 1
            decided |= found in (ComparisonResult.FASTER, ComparisonResult.SLOWER)
        families += decided
    cells = results.shape[0] * results.shape[2]
    return Rates(
        missed / cells,
        widths / cells,
        {result: count / cells for result, count in counts.items()},
        families / len(results),
    )
