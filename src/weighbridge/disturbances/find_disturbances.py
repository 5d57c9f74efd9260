"""Find the disturbances of a scenario's runs, and name what could not be looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from weighbridge.core.formatting import latency, rate
from weighbridge.disturbances.agreement import Disagreement, are_comparable, find_disagreement
from weighbridge.disturbances.drifts import can_drift, find_drift
from weighbridge.disturbances.machine_signs import machine_signs
from weighbridge.disturbances.run_trace import RunTrace
from weighbridge.disturbances.stalls import GeneratedCounter, find_stalls
from weighbridge.records.disturbance import Disturbance, NotExamined
from weighbridge.records.telemetry_readings import Telemetry

_REPEAT = (
    "Look at report.html for what happened meanwhile, keep other work off the machine, and repeat the run."
)


@dataclass(frozen=True)
class ExaminedRun:
    """One run of a scenario.

    Attributes:
        trace: Its requests; None: not recorded.
        telemetry: Recorded from its beginning to its end; None: there is none.
        servers_seen: Its servers ran on the machine whose telemetry it is.
        requested_rate: As issued, where requests are issued one by one at a rate; None: not known.
    """

    trace: RunTrace | None
    telemetry: Telemetry | None = None
    servers_seen: bool = True
    requested_rate: float | None = None


@dataclass(frozen=True)
class FoundDisturbances:
    """What was found in a scenario's runs, and what could not be looked for."""

    found: tuple[Disturbance, ...]
    not_examined: tuple[NotExamined, ...]


def find_disturbances(runs: Mapping[str, ExaminedRun]) -> FoundDisturbances:
    """Examine the runs of a scenario, by name, and compare each with the others."""
    found: list[Disturbance] = []
    missing: list[NotExamined] = []
    for name, run in runs.items():
        span_s = run.trace.span_s if run.trace else 0.0
        signs = machine_signs(name, run.telemetry, span_s, servers_seen=run.servers_seen)
        found += signs.found
        missing += signs.missing
        if run.trace is None:
            missing += [
                NotExamined(run=name, kind=kind, reason="requests.parquet is missing")
                for kind in ("stall", "trend")
            ]
            continue
        found += _stalls(name, run.trace, signs.counter)
        found += _drift(name, run.trace)
        if not can_drift(run.trace):
            missing.append(
                NotExamined(
                    run=name, kind="trend", reason="too few requests, or too short beside its answers"
                )
            )
    compared, uncompared = _compared(runs)
    return FoundDisturbances((*compared, *found), (*uncompared, *missing))


def _stalls(name: str, trace: RunTrace, counter: GeneratedCounter | None) -> list[Disturbance]:
    stalls = find_stalls(trace, counter)
    if not stalls:
        return []
    longest = max(stalls, key=lambda each: each.length_s)
    total_s = sum(each.length_s for each in stalls)
    times = "" if len(stalls) == 1 else f" ({len(stalls)} such stretches, {latency(total_s)} in all)"
    return [
        Disturbance(
            run=name,
            kind="stall",
            sentence=f"Nothing completed for {latency(longest.length_s)}, from {latency(longest.start_s)} "
            f"on, while {longest.open:,} requests were open; {longest.expected:,.0f} were due{times}.",
            evidence={
                "longest_s": longest.length_s,
                "start_s": longest.start_s,
                "open_requests": float(longest.open),
                "due_requests": longest.expected,
                "stalls": float(len(stalls)),
                "total_s": total_s,
            },
            remedy="Compare server.log and report.html at that time: a server that hung, or cores and disks "
            f"that others used. {_REPEAT}",
        )
    ]


def _drift(name: str, trace: RunTrace) -> list[Disturbance]:
    drift = find_drift(trace)
    if drift is None:
        return []
    if drift.of_rate:
        said = f"The rate went from {rate(drift.first)} to {rate(drift.last)} per second during the run"
        evidence = {"first_tenth_per_s": drift.first, "last_tenth_per_s": drift.last}
    else:
        said = f"The median latency went from {latency(drift.first)} to {latency(drift.last)} during the run"
        evidence = {"first_tenth_s": drift.first, "last_tenth_s": drift.last}
    return [
        Disturbance(
            run=name,
            kind="trend",
            sentence=f"{said} ({100 * drift.change:+.0f} %).",
            evidence=evidence,
            remedy="A rate beyond the system's, heat, memory that fills, or other work does this: see the "
            f"charts over time. {_REPEAT}",
        )
    ]


def _compared(runs: Mapping[str, ExaminedRun]) -> tuple[Sequence[Disturbance], Sequence[NotExamined]]:
    """Compare each run with each other one; those of which nothing is like are not examined."""
    found, done = [], 0
    for (ours, our_run), (theirs, their_run) in combinations(runs.items(), 2):
        if our_run.trace is None or their_run.trace is None or not _alike(our_run, their_run):
            continue
        done += 1
        apart = find_disagreement(our_run.trace, their_run.trace)
        if apart is not None:
            found.append(_disagreement(ours, theirs, apart))
    if done or len(runs) < 2:
        return found, ()
    reason = "no two runs have enough requests recorded at the same rate"
    return found, [NotExamined(run=None, kind="runs_disagree", reason=reason)]


_SAME_RATE = 0.02


def _alike(ours: ExaminedRun, theirs: ExaminedRun) -> bool:
    if ours.trace is None or theirs.trace is None or not are_comparable(ours.trace, theirs.trace):
        return False
    if ours.trace.at_once or ours.requested_rate is None or theirs.requested_rate is None:
        return True
    return abs(ours.requested_rate - theirs.requested_rate) <= _SAME_RATE * theirs.requested_rate


def _disagreement(ours: str, theirs: str, apart: Disagreement) -> Disturbance:
    shown = rate if apart.quantity == "rate" else latency
    unit = "per_s" if apart.quantity == "rate" else "s"
    per = " per second" if apart.quantity == "rate" else ""
    name = {"rate": "The rate", "latency": "The median latency"}.get(
        apart.quantity, "The 95th percentile of latency"
    )
    return Disturbance(
        run=None,
        kind="runs_disagree",
        sentence=f"{name} of the {ours} run is {shown(apart.ours)}{per}, of the {theirs} run "
        f"{shown(apart.theirs)}{per}: {apart.ratio:.2g} times; their own spread explains up to "
        f"{apart.by_chance:.2f} times.",
        evidence={
            f"{ours}_{unit}": apart.ours,
            f"{theirs}_{unit}": apart.theirs,
            "ratio": apart.ratio,
            "ratio_by_chance": apart.by_chance,
        },
        remedy="One of the two was disturbed, or the system changed between them: repeat both on a quiet "
        "machine.",
    )
