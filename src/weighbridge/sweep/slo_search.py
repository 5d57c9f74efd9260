"""Search for the highest load at which a system meets its objectives: bracket, bisect, confirm.

The steps are those of the search for MLPerf's Server rate. A load passes if 99 % of the requests that started
meet every objective, failures counted as not good, and requests do not pile up.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.config.settings import SearchSettings
from weighbridge.config.workload import Slo
from weighbridge.records.search_record import Probe
from weighbridge.records.slo_capacity import GOOD_SHARE, SloCapacity, SloTrial
from weighbridge.records.sweep_run import CellFigures
from weighbridge.search.next_step import Found, GivenUp, bracket, next_step

STEPS = SearchSettings(start=0.8, probe_s=15, tolerance=0.05, max_probes=10, max_confirmations=4)
"""Closer than 5 % would take longer runs: at 1,000 requests, 99 % is known to 0.3 points alone."""


@dataclass(frozen=True)
class LoadTrial:
    """What a run at one load showed.

    Attributes:
        figures: What it measured; None: it ended early.
        folder: Its folder below the sweep's.
        ended_early: Why, if it did.
        refused: Checks of the run that failed, apart from failed requests.
    """

    figures: CellFigures | None
    folder: str
    ended_early: str | None = None
    refused: tuple[str, ...] = ()


Measure = Callable[[float, Literal["probe", "confirmation"]], LoadTrial]
"""Measures Poisson arrivals of so many conversations/s, briefly or in full length."""


def search_slo_capacity(
    system: str,
    workload: str,
    slo: Slo,
    measure: Measure,
    *,
    capacity: float,
    steps: SearchSettings = STEPS,
    tried: Callable[[SloTrial], None] = lambda _: None,
) -> SloCapacity:
    """Return the highest load that meets the objectives, as far as it could be confirmed.

    Args:
        system: Name of the system.
        workload: Name of the workload.
        slo: The objectives, one at least.
        measure: Runs one load. A search that is repeated with the same answers goes the same way.
        capacity: Conversations/s of a closed loop; the first probe is at `steps.start` of it.
        steps: Budgets and tolerance.
        tried: Told of each load that was tried.
    """
    trials: list[SloTrial] = []
    while True:
        seen = [_probe(trial, number) for number, trial in enumerate(trials, start=1)]
        step = next_step(seen, capacity, steps)
        if isinstance(step, Found | GivenUp):
            break
        trial = judge_trial(measure(step.target_qps, step.kind), step.target_qps, step.kind)
        trials.append(trial)
        tried(trial)
    best = trials[-1] if isinstance(step, Found) else None
    return SloCapacity(
        system=system,
        workload=workload,
        slo=slo,
        rate=best.rate if best else None,
        goodput=best.goodput if best else None,
        lowest_failed=bracket(seen)[1],
        reason=None if best else _why_none(trials),
        trials=tuple(trials),
    )


def judge_trial(trial: LoadTrial, rate: float, kind: Literal["probe", "confirmation"]) -> SloTrial:
    """Return whether a run met the objectives, and why."""
    figures = trial.figures
    if figures is None or figures.goodput_share is None:
        why = trial.ended_early or "it measured no goodput, for want of objectives"
        return SloTrial(
            kind=kind,
            rate=rate,
            passed=False,
            reason=f"the run ended early: {why}" if trial.ended_early else why,
            requests=0,
            good=0,
            failed=0,
            goodput=None,
            completed=0,
            duration_s=0,
            p50_s=None,
            p99_s=None,
            folder=trial.folder,
            refused=trial.refused,
        )
    share = figures.goodput_share
    times = figures.ttft or figures.e2e
    passed = share >= GOOD_SHARE and not figures.overloaded
    piled = "; requests piled up" if figures.overloaded else ""
    return SloTrial(
        kind=kind,
        rate=rate,
        passed=passed,
        reason=f"{100 * share:.2f} % of {figures.requests} requests met the objectives, "
        f"{100 * GOOD_SHARE:g} % must{piled}",
        requests=figures.requests,
        good=round(share * figures.requests),
        failed=figures.failed,
        goodput=figures.goodput,
        completed=figures.conversations_per_s,
        duration_s=figures.window_s,
        p50_s=times.p50 if times else None,
        p99_s=times.p99 if times else None,
        folder=trial.folder,
        refused=trial.refused,
    )


def _probe(trial: SloTrial, number: int) -> Probe:
    """Return a trial as the search knows it."""
    return Probe(
        number=number,
        kind=trial.kind,
        target_qps=trial.rate,
        full_length=trial.kind == "confirmation",
        passed=trial.passed,
        reason=trial.reason,
        duration_s=trial.duration_s,
        queries=trial.requests,
        judged=trial.requests,
        over_latency=trial.requests - trial.good,
        over_latency_allowed=math.floor((1 - GOOD_SHARE) * trial.requests),
        failed=trial.failed,
        # Of a run that ended early nothing is known of the peak.
        achieved_qps=trial.completed,
        p50_latency_s=trial.p50_s,
        p99_latency_s=trial.p99_s,
        growth=None,
        cut_off=trial.goodput is None,
        started="",
        folder=trial.folder,
    )


def _why_none(trials: Sequence[SloTrial]) -> str:
    lowest = min(trials, key=lambda trial: trial.rate)
    return (
        f"no load was confirmed in {len(trials)} runs, down to {lowest.rate:g} conversations/s, where "
        f"{lowest.reason}"
    )


def slo_words(slo: Slo) -> str:
    """Return objectives in few words: ttft <= 500 ms and tpot <= 50 ms."""
    given = {"ttft": slo.ttft_ms, "tpot": slo.tpot_ms, "e2e": slo.e2e_ms}
    return " and ".join(f"{name} <= {limit:g} ms" for name, limit in given.items() if limit is not None)


def slo_sentence(found: SloCapacity) -> str:
    """Return what a search found in one line."""
    words = slo_words(found.slo)
    place = f"{found.system} at {found.workload}"
    if found.rate is None:
        return f"{place}: {words} is not met: {found.reason}."
    goodput = f" ({found.goodput:.3g} good requests/s)" if found.goodput is not None else ""
    failed = f"; {found.lowest_failed:g}/s failed" if found.lowest_failed is not None else ""
    return (
        f"{place}: {words} for {100 * found.good_share:g} % of requests up to {found.rate:g} "
        f"conversations/s{goodput}{failed}.{_doubts(found.trials[-1])}"
    )


def _doubts(trial: SloTrial) -> str:
    return f" That run fails a check: {'; '.join(trial.refused)}." if trial.refused else ""
