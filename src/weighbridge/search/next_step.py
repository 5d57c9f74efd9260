"""Which rate to try next: a bracket, a bisection, then confirmations. A pure function of the probes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.config.settings import SearchSettings
from weighbridge.records.search_record import Probe

# Until one rate has passed and one has failed, the next is this much higher or lower.
BRACKET_STEP = 1.25


@dataclass(frozen=True)
class Step:
    """What to run next."""

    kind: Literal["probe", "confirmation"]
    target_qps: float


@dataclass(frozen=True)
class Found:
    """The end of a search that confirmed a rate."""

    run: Probe


@dataclass(frozen=True)
class GivenUp:
    """The end of a search that confirmed none, and why."""

    reason: str


def next_step(seen: Sequence[Probe], offline_qps: float, settings: SearchSettings) -> Step | Found | GivenUp:
    """Decide from all probes so far, so that a search continues after an interruption as if there was none.

    Rates are cut to four digits.

    Args:
        seen: Every probe so far, in order.
        offline_qps: Rate of the Offline run; no Server run can be much faster.
        settings: Budgets and tolerance.
    """
    confirmations = [probe for probe in seen if probe.kind == "confirmation"]
    if confirmations and confirmations[-1].passed:
        return Found(confirmations[-1])
    low, high = bracket(seen)
    if confirmations:
        if len(confirmations) >= settings.max_confirmations:
            lowest = min(probe.target_qps for probe in confirmations)
            return GivenUp(
                f"{len(confirmations)} full-length runs failed, the lowest at {lowest:g} queries/s; raise "
                "search.max_confirmations to go on below it, or search.probe_s for probes that see more"
            )
        return Step("confirmation", _cut(confirmations[-1].target_qps / (1 + settings.tolerance)))
    exhausted = len(seen) >= settings.max_probes
    if low is not None and (exhausted or (high is not None and high <= low * (1 + settings.tolerance))):
        best = next(probe for probe in seen if probe.passed and probe.target_qps == low)
        # Where a full run is no longer than a probe, nothing is left to confirm.
        return Found(best) if best.full_length else Step("confirmation", low)
    if exhausted:
        lowest = min(probe.target_qps for probe in seen)
        return GivenUp(
            f"no rate passed in {len(seen)} probes, the lowest at {lowest:g} queries/s; lower search.start, "
            "raise search.max_probes, or look at why the last probe failed"
        )
    return Step("probe", _cut(_next_rate(seen, low, high, offline_qps * settings.start)))


def bracket(seen: Sequence[Probe]) -> tuple[float | None, float | None]:
    """Return the highest rate that passed below all that failed, and the lowest that failed."""
    high = min((probe.target_qps for probe in seen if not probe.passed), default=None)
    passed = [probe.target_qps for probe in seen if probe.passed]
    return max((rate for rate in passed if high is None or rate < high), default=None), high


def _next_rate(seen: Sequence[Probe], low: float | None, high: float | None, start: float) -> float:
    if low is not None and high is not None:
        return math.sqrt(low * high)
    if low is not None:
        return low * BRACKET_STEP
    if high is None:
        return start
    # An overloaded system completed what it could: its peak is near that, however far below the rate tried.
    completed = [probe.achieved_qps for probe in seen if probe.target_qps == high and probe.achieved_qps > 0]
    return min([high / BRACKET_STEP, *completed])


def _cut(rate: float) -> float:
    return float(f"{rate:.4g}")
