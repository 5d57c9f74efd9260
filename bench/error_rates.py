"""Print how often the statements of a comparison are wrong, and how often other methods' would be.

    python bench/error_rates.py [--sweeps 10000]

Each figure is a share of synthetic sweeps whose truth is known, judged by sweep/statistics.py.
"""

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from synthetic_sweeps import DRIFTS, Results, alternating, balanced, draw, judge, linear, sequential

from weighbridge.records.comparison import ComparisonResult
from weighbridge.sweep.statistics import FEWEST_BLOCKS, SIGNIFICANCE, PairedRatio

CV = 0.02
BLOCKS = 6
CELLS = 12
EFFECT = 1.10
REQUEST_CV = 0.5
ROUNDS = (3, 4, 5, 6, 8, 10)
_ORDERS = {"A B, B A, ...": balanced, "A B, A B, ...": alternating, "all A, then all B": sequential}


def _single_cells(rng: np.random.Generator, sweeps: int) -> Iterator[str]:
    yield f"A/A, {BLOCKS} blocks, cv {CV:.0%}: interval misses 1.0, and called faster or slower"
    for order, slots in _ORDERS.items():
        for name, drift in DRIFTS.items():
            rates = judge(draw(rng, sweeps, slots(BLOCKS), cv=CV, drift=drift))
            yield f"  {order:18} drift {name:16} {rates.missed:6.1%} {rates.decided:6.1%}"


def _families(rng: np.random.Generator, sweeps: int) -> Iterator[str]:
    yield f"A/A, {CELLS} cells: false in a sweep by p alone, with Holm, and as we say it"
    for name, drift in DRIFTS.items():
        results = draw(rng, sweeps, balanced(BLOCKS), cv=CV, drift=drift, cells=CELLS)
        least = np.array([[pair.p for pair in _pairs(sweep)] for sweep in results], dtype=float).min(axis=1)
        shares = (
            (least < SIGNIFICANCE).mean(),
            (least * CELLS < SIGNIFICANCE).mean(),
            judge(results).false_families,
        )
        yield f"  drift {name:16} " + " ".join(f"{share:6.1%}" for share in shares)


def _power(rng: np.random.Generator, sweeps: int) -> Iterator[str]:
    yield f"B is {EFFECT - 1:.0%} faster, linear drift of 0.5 %: half-width, and called faster"
    yield "  cv   " + "".join(f"{f'R={blocks}':>16}" for blocks in ROUNDS)
    for cv in (0.01, 0.02, 0.03, 0.05, 0.08):
        row = []
        for blocks in ROUNDS:
            drawn = draw(rng, sweeps, balanced(blocks), cv=cv, drift=linear, effect=EFFECT)
            rates = judge(drawn, effect=EFFECT)
            row.append(f"{f'{rates.half_width:.1%}':>9} {rates.results[ComparisonResult.FASTER]:6.2f}")
        yield f"  {cv:.0%}   " + "".join(row)
    yield f"Of {CELLS} cells, {BLOCKS} blocks, all faster: called faster"
    for cv in (0.02, 0.03):
        drawn = draw(rng, sweeps // 4, balanced(BLOCKS), cv=cv, drift=linear, effect=EFFECT, cells=CELLS)
        yield f"  cv {cv:.0%} {judge(drawn, effect=EFFECT).results[ComparisonResult.FASTER]:6.2f}"


def _verdicts(rng: np.random.Generator, sweeps: int) -> Iterator[str]:
    yield f"Verdicts of one cell, {BLOCKS} blocks, cv {CV:.0%}, margin 5 %"
    for effect in (1.0, 1.02, 1.05, EFFECT):
        rates = judge(draw(rng, sweeps, balanced(BLOCKS), cv=CV, effect=effect), effect=effect)
        shares = (f"{result} {share:.1%}" for result, share in rates.results.items() if share)
        yield f"  B {effect - 1:+.0%}: {', '.join(shares)}"


def _pairs(sweep: NDArray[np.float64]) -> list[PairedRatio]:
    return [PairedRatio.of(old, new) for old, new in zip(*sweep.tolist(), strict=True)]


def _others(rng: np.random.Generator, sweeps: int) -> Iterator[str]:
    yield f"A/A by other methods, cv {CV:.0%}: called different, where 5 % is meant"
    for blocks in (3, 5, 8):
        results = draw(rng, sweeps, balanced(blocks), cv=CV)
        yield f"  percentile bootstrap over {blocks} blocks    {_bootstrapped(rng, results):6.1%}"
    for requests in (500, 10_000):
        yield f"  one run each, {requests} requests pooled    {_pooled(rng, sweeps, requests):6.1%}"
    results = draw(rng, sweeps, balanced(10), cv=CV)
    rules: dict[str, Callable[[PairedRatio], bool]] = {
        "blocks until significant, at most 10": lambda pair: (pair.p or 0) < SIGNIFICANCE,
        "blocks until within 3 %, at most 10": lambda pair: _half(pair) < math.log1p(0.03),
    }
    for name, stops in rules.items():
        wrong = [_stopped(sweep, stops).p for sweep in results[:, :, 0].tolist()]
        yield f"  {name:38} {np.mean(np.array(wrong, dtype=float) < SIGNIFICANCE):6.1%}"


def _half(pair: PairedRatio) -> float:
    low, high = pair.log_interval()
    return (high - low) / 2


def _stopped(sweep: list[list[float]], stops: Callable[[PairedRatio], bool]) -> PairedRatio:
    """Return the blocks after which a rule stops."""
    old, new = sweep
    for blocks in range(FEWEST_BLOCKS, len(old) + 1):
        pair = PairedRatio.of(old[:blocks], new[:blocks])
        if stops(pair):
            break
    return pair


def _bootstrapped(rng: np.random.Generator, results: Results, resamples: int = 1000) -> float:
    """Return the share of sweeps whose 95 % percentile interval misses 1.0."""
    logs = np.log(results[:, 1, 0] / results[:, 0, 0])
    chosen = rng.integers(0, logs.shape[1], (resamples, logs.shape[1]))
    missed = 0
    for sweep in logs:
        low, high = np.quantile(sweep[chosen].mean(axis=1), [0.025, 0.975])
        missed += not low <= 0 <= high
    return missed / len(logs)


def _pooled(rng: np.random.Generator, sweeps: int, requests: int) -> float:
    """Return the share of sweeps in which requests, taken for independent, show a difference of mean latency.

    Means of many requests are normal, so they are drawn as such.
    """
    error = REQUEST_CV / math.sqrt(requests)
    means = rng.normal(0, CV, (sweeps, 2)) + rng.normal(0, error, (sweeps, 2))
    return float((np.abs(means[:, 1] - means[:, 0]) > 1.96 * math.sqrt(2) * error).mean())


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=10_000, help="synthetic sweeps a figure")
    sweeps = parser.parse_args().sweeps
    rng = np.random.default_rng(15)
    for table in (_single_cells, _families, _power, _verdicts, _others):
        for line in table(rng, sweeps):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
