"""Compare two runs of a scenario: the same system at the same load has the same rate and latencies."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from weighbridge.disturbances.run_trace import Floats, Numbers, RunTrace
from weighbridge.disturbances.steady_part import FEWEST, error_of_mean, part_rates

# Of a difference of two logarithms; the parts of a run are not independent, so two errors would not do. Waits
# near a system's capacity depend on each other over longer than such a part.
_RATE_ERRORS, _LATENCY_ERRORS = 3.5, 5.0
LEAST_RATE, LEAST_LATENCY = 0.10, 0.25
# Latencies of one sample may differ much by chance, in both directions: a tail must be longer in one only.
_TAIL, _LEAST_TAIL = 0.95, 1.0
# Of runs whose numbers of requests differ by more, the beginning and the end weigh differently.
_LIKE_COUNTS = 1.5
# The last answers of an Offline run are its longest, whichever come last.
_MOST = 0.8
_BLOCKS = 10


@dataclass(frozen=True)
class Disagreement:
    """How far two runs are apart.

    Attributes:
        quantity: 'rate', 'latency', or 'slowest latencies'.
        ours, theirs: Of the first run and of the other: requests per s, or s.
        ratio: How many times larger the larger is; of latencies by the same samples.
        by_chance: The largest ratio that the runs' own spread explains.
    """

    quantity: str
    ours: float
    theirs: float
    ratio: float
    by_chance: float


def are_comparable(ours: RunTrace, theirs: RunTrace) -> bool:
    """Return whether two runs of one scenario have enough requests of the same kind to be compared."""
    counts = len(ours), len(theirs)
    if min(counts) < FEWEST or ours.at_once != theirs.at_once:
        return False
    if ours.at_once:
        return max(counts) <= _LIKE_COUNTS * min(counts)
    return len(np.intersect1d(ours.sample, theirs.sample)) >= FEWEST


def find_disagreement(ours: RunTrace, theirs: RunTrace) -> Disagreement | None:
    """Return where two comparable runs disagree most; None: nowhere by more than their spread explains."""
    found = _of_rates(ours, theirs) if ours.at_once else _of_latencies(ours, theirs)
    return max((each for each in found if each is not None), key=lambda each: each.ratio, default=None)


def _of_rates(ours: RunTrace, theirs: RunTrace) -> list[Disagreement | None]:
    """Compare the rates until most requests have ended, in answers and in tokens: both must differ."""
    found: list[Disagreement] = []
    for by_tokens in (False, True):
        weights = [each.tokens if by_tokens else np.ones(len(each)) for each in (ours, theirs)]
        rates = [_rate_of_most(*each) for each in zip((ours, theirs), weights, strict=True)]
        parts = [np.log(part_rates(*each)) for each in zip((ours, theirs), weights, strict=True)]
        # A disturbed run has a wide spread of its own making, so that of the faster counts in full.
        faster = parts[int(rates[1] > rates[0])]
        spread = math.sqrt(2 / len(faster)) * float(faster.std(ddof=1))
        error = max(math.hypot(*map(error_of_mean, parts)), spread)
        apart = math.log(rates[0] / rates[1])
        found_here = _beyond("rate", rates, apart, _RATE_ERRORS * error, LEAST_RATE)
        if found_here is None:
            return []
        found.append(found_here)
    # Shown as they are published: over the whole runs.
    whole = ours.rate, theirs.rate
    return [replace(found[0], ours=ours.rate, theirs=theirs.rate, ratio=max(whole) / min(whole))]


def _rate_of_most(trace: RunTrace, weights: Floats) -> float:
    count = int(_MOST * len(trace))
    return float(weights[:count].sum()) / float(trace.end_s[count - 1])


def _of_latencies(ours: RunTrace, theirs: RunTrace) -> list[Disagreement | None]:
    """Compare the latencies of the same samples: in the middle, and the slowest of either run."""
    samples = np.intersect1d(ours.sample, theirs.sample)
    times = [_by_sample(each, samples) for each in (ours, theirs)]
    if min(float(each.min()) for each in times) <= 0:
        return []
    differences = np.log(times[0] / times[1])
    blocks = np.array_split(differences[np.argsort(_places(ours, samples))], _BLOCKS)
    blocks += np.array_split(differences[np.argsort(_places(theirs, samples))], _BLOCKS)
    middles = [float(np.quantile(each, 0.5)) for each in times]
    tails = [float(np.quantile(each, _TAIL)) for each in times]
    # Of samples that are slow in both runs, the skew says little: the slowest must be slower in all.
    skew = _skew(differences)
    apart = math.copysign(
        min(abs(skew), max(0.0, math.copysign(1, skew) * math.log(tails[0] / tails[1]))), skew
    )
    return [
        _beyond(
            "latency", middles, _middle(differences), _LATENCY_ERRORS * _error(blocks, _middle), LEAST_LATENCY
        ),
        _beyond("slowest latencies", tails, apart, _LATENCY_ERRORS * _error(blocks, _skew), _LEAST_TAIL),
    ]


def _middle(differences: Floats) -> float:
    return float(np.median(differences))


def _skew(differences: Floats) -> float:
    """Return how much further the slow ones of one run are off than those of the other; 0: alike."""
    return float(np.quantile(differences, _TAIL) + np.quantile(differences, 1 - _TAIL))


def _error(blocks: list[Floats], statistic: Callable[[Floats], float]) -> float:
    """Return the error of a statistic from its spread over blocks of time, those of both runs."""
    return math.sqrt(2) * error_of_mean(np.array([statistic(each) for each in blocks]))


def _places(trace: RunTrace, samples: Numbers) -> Numbers:
    """Return when each sample was first issued, as far as the order goes."""
    order = np.argsort(trace.planned_s, kind="stable")
    known, first = np.unique(trace.sample[order], return_index=True)
    return first[np.searchsorted(known, samples)]


def _by_sample(trace: RunTrace, samples: Numbers) -> Floats:
    """Return the mean latency of each of these samples, in s."""
    chosen = np.isin(trace.sample, samples)
    places = np.searchsorted(samples, trace.sample[chosen])
    sums = np.bincount(places, weights=trace.latency_s[chosen], minlength=len(samples))
    means: Floats = sums / np.bincount(places, minlength=len(samples))
    return means


def _beyond(
    name: str, values: Sequence[float], difference: float, by_chance: float, least: float
) -> Disagreement | None:
    """Return a difference of logarithms that is beyond chance, and not small."""
    if abs(difference) <= max(math.log1p(least), by_chance):
        return None
    ours, theirs = values
    return Disagreement(name, ours, theirs, math.exp(abs(difference)), math.exp(by_chance))
