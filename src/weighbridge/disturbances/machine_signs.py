"""Find signs of a disturbed machine in a run's telemetry: load by others, steal, lowered clocks of GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from weighbridge.disturbances.run_trace import Floats
from weighbridge.disturbances.stalls import GeneratedCounter
from weighbridge.records.disturbance import Disturbance, DisturbanceKind, NotExamined
from weighbridge.records.telemetry_readings import Telemetry
from weighbridge.records.telemetry_record import Metric

_FEWEST = 5  # readings, one a second; of fewer, an average says nothing
# Of all cores: from here on others' load is felt in caches, memory and clocks, even where cores are free.
_MUCH = 0.25
# Where all cores are in use, what others take is taken from the run; less is a machine's own services.
_SOME, _FULL, _OFTEN = 0.05, 0.90, 0.10
# What is stolen is lost to the run; a quiet virtual machine loses a tenth of this.
_STOLEN = 0.02
# A single reading may be of a change of clocks that lasted milliseconds.
_THROTTLED_READINGS, _THROTTLED_SHARE = 2, 0.01


@dataclass(frozen=True)
class MachineSigns:
    """What telemetry shows of a run's machine.

    Attributes:
        found: Its disturbances.
        missing: What it does not show.
        counter: What the servers counted of generated tokens; None: they do not.
    """

    found: tuple[Disturbance, ...]
    missing: tuple[NotExamined, ...]
    counter: GeneratedCounter | None


def machine_signs(
    run: str, telemetry: Telemetry | None, span_s: float, *, servers_seen: bool
) -> MachineSigns:
    """Return what telemetry shows of a run.

    Args:
        run: Its name.
        telemetry: Of the run; None: there is none.
        span_s: From the first issue to the last end.
        servers_seen: The servers run on this machine, so that telemetry is of theirs.
    """
    during = {
        key: series.value[(series.time_s >= 0) & (series.time_s <= span_s)]
        for key, series in (telemetry or {}).items()
    }
    found = [_load(run, during), _steal(run, during), *_throttling(run, during)]
    return MachineSigns(
        tuple(each for each in found if each is not None),
        tuple(_missing(run, during, servers_seen=servers_seen)),
        _counter(telemetry or {}),
    )


def _host(during: Mapping[tuple[str, str], Floats], metric: Metric) -> Floats | None:
    values = during.get(("host", metric))
    return values if values is not None and len(values) >= _FEWEST else None


def _load(run: str, during: Mapping[tuple[str, str], Floats]) -> Disturbance | None:
    others, cpus, busy = (
        _host(during, each) for each in (Metric.OTHER_CORES, Metric.LOGICAL_CPUS, Metric.CPU_CORES)
    )
    if others is None or cpus is None or busy is None:
        return None
    cores, used = float(cpus[-1]), float(others.mean())
    full = float((busy >= _FULL * cores).mean())
    if used < _MUCH * cores and (used < _SOME * cores or full < _OFTEN):
        return None
    pressure = _host(during, Metric.CPU_PRESSURE)
    evidence = {"other_cores": used, "logical_cpus": cores, "busy_share": full}
    waited = ""
    if pressure is not None:
        evidence["cpu_pressure"] = float(pressure.mean())
        waited = f"; something waited for a core {100 * pressure.mean():.0f} % of the time"
    return Disturbance(
        run=run,
        kind="machine_load",
        sentence=f"Other processes used {used:.1f} of the machine's {cores:.0f} cores on average{waited}.",
        evidence=evidence,
        remedy="Stop what else runs on this machine (`top` shows it), or take a machine of your own; then "
        "repeat the run.",
    )


def _steal(run: str, during: Mapping[tuple[str, str], Floats]) -> Disturbance | None:
    stolen, cpus = _host(during, Metric.STEAL_CORES), _host(during, Metric.LOGICAL_CPUS)
    if stolen is None or cpus is None or float(stolen.mean()) < _STOLEN * float(cpus[-1]):
        return None
    cores, lost = float(cpus[-1]), float(stolen.mean())
    return Disturbance(
        run=run,
        kind="steal",
        sentence=f"The hypervisor gave {lost:.2f} of this virtual machine's {cores:.0f} cores to others "
        f"({100 * lost / cores:.0f} %).",
        evidence={"steal_cores": lost, "logical_cpus": cores},
        remedy="Use a machine with cores of its own (dedicated, or no virtual one), or another hour; then "
        "repeat the run.",
    )


def _throttling(run: str, during: Mapping[tuple[str, str], Floats]) -> list[Disturbance]:
    slowed, clocks = {}, []
    for (source, metric), values in sorted(during.items()):
        if metric == Metric.THROTTLED and len(values) >= _FEWEST:
            share = float(values.mean())
            if values.sum() >= _THROTTLED_READINGS and share >= _THROTTLED_SHARE:
                slowed[source] = share
                clocks.extend(during.get((source, Metric.SM_CLOCK_MHZ), np.empty(0)).tolist())
    if not slowed:
        return []
    worst = max(slowed, key=slowed.__getitem__)
    evidence = {f"{source} throttled_share": share for source, share in slowed.items()}
    lowest = ""
    if clocks:
        evidence |= {"lowest_sm_clock_mhz": min(clocks), "highest_sm_clock_mhz": max(clocks)}
        lowest = f", with clocks of {min(clocks):.0f} to {max(clocks):.0f} MHz"
    return [
        Disturbance(
            run=run,
            kind="throttled",
            sentence=f"{len(slowed)} GPU{'s' * (len(slowed) > 1)} lowered the clocks for heat or protection, "
            f"{worst} {100 * slowed[worst]:.0f} % of the time{lowest}.",
            evidence=evidence,
            remedy="See `nvidia-smi -q -d PERFORMANCE,TEMPERATURE`: mend cooling or power supply; then "
            "repeat the run.",
        )
    ]


def _missing(run: str, during: Mapping[tuple[str, str], Floats], *, servers_seen: bool) -> list[NotExamined]:
    unseen: tuple[DisturbanceKind, ...]
    if not during:
        unseen, reason = ("machine_load", "steal", "throttled"), "no telemetry was recorded"
    elif _host(during, Metric.STEAL_CORES) is None:
        unseen, reason = ("machine_load", "steal"), "this run did not record it, or was too short"
    elif _host(during, Metric.OTHER_CORES) is None:
        unseen, reason = ("machine_load",), "which processes serve is not known on this machine"
    elif not servers_seen:
        unseen, reason = ("machine_load", "steal", "throttled"), "the servers' own machines were not seen"
    else:
        unseen, reason = (), ""
    missing = [NotExamined(run=run, kind=kind, reason=reason) for kind in unseen]
    gpus = any(source.startswith("gpu ") for source, _ in during)
    if gpus and not any(metric == Metric.THROTTLED for _, metric in during):
        missing.append(NotExamined(run=run, kind="throttled", reason="this run did not record it"))
    return missing


def _counter(telemetry: Telemetry) -> GeneratedCounter | None:
    """Return the generated tokens of all servers together, at the times of one of them."""
    counters = [series for (_, metric), series in telemetry.items() if metric == Metric.GENERATION_TOKENS]
    if not counters or any(np.any(np.diff(series.value) < 0) for series in counters):
        return None  # a server was started anew, so the sum is none
    times_s = max((series.time_s for series in counters), key=len)
    sums = np.sum([np.interp(times_s, series.time_s, series.value) for series in counters], axis=0)
    return GeneratedCounter(times_s, sums)
