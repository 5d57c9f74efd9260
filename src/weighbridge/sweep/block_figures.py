"""Figures of a system by block: flat names, repeats of a session averaged, and means over blocks."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from weighbridge.config.sweep_settings import ComparedSystem
from weighbridge.records.comparison import SystemFigures
from weighbridge.records.sweep_run import CellFigures, CellRecord, Percentiles
from weighbridge.sweep.delivery_checks import CLIENT_CHECKS
from weighbridge.sweep.statistics import mean_of

LATENCIES = ("ttft", "e2e", "tpot", "chunk_gap", "norm_latency")
"""Distributions of CellFigures, which grow with the duration of an overloaded run."""
_HOUR_S = 3600


def block_of(record: CellRecord) -> str:
    """Return the name of a run's block, such as w1/b2: the same of all runs that may be paired."""
    return f"w{record.wave}/b{record.block}"


def flat_figures(figures: CellFigures, system: ComparedSystem) -> dict[str, float]:
    """Return each figure of a run by name, such as qps or ttft.p50, with the derived ones.

    Args:
        figures: What the run measured. Latencies of an overloaded run are left out.
        system: What was measured; its devices and price give figures for each.
    """
    flat = dict(_fields(figures))
    if figures.reuse.share is not None:
        flat["reuse"] = figures.reuse.share
    return flat | dict(_derived(flat, figures, system))


def _fields(figures: CellFigures) -> Iterator[tuple[str, float]]:
    for name in CellFigures.model_fields:
        value = getattr(figures, name)
        if isinstance(value, Percentiles) and not figures.overloaded:
            for part in ("mean", "p50", "p90", "p99", "p999"):
                found = getattr(value, part)
                if found is not None:
                    yield f"{name}.{part}", float(found)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _derived(
    flat: Mapping[str, float], figures: CellFigures, system: ComparedSystem
) -> Iterator[tuple[str, float]]:
    devices = system.server.gpus if system.devices is None else system.devices
    if flat.get("tpot.p50"):
        yield "tps_per_user", 1 / flat["tpot.p50"]
    if not figures.output_tps:
        return
    if devices:
        yield "output_tps_per_device", figures.output_tps / devices
    if figures.energy_j is not None:
        yield "energy_per_token_j", figures.energy_j / (figures.output_tps * figures.window_s)
    if system.price_per_hour is not None:
        yield "cost_per_million_tokens", 1e6 * system.price_per_hour / _HOUR_S / figures.output_tps


def system_figures(records: Sequence[CellRecord], system: ComparedSystem) -> SystemFigures:
    """Return what one system did at one workload and load.

    Args:
        records: Its runs, one or several a block. A block with a run that ended early counts for nothing.
        system: What was measured.
    """
    blocks: dict[str, list[CellRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda each: (each.wave, each.block, each.repeat)):
        blocks[block_of(record)].append(record)
    lost = {name: reason for name, runs in blocks.items() if (reason := _why_lost(runs)) is not None}
    runs_of = {name: runs for name, runs in blocks.items() if name not in lost}
    per_block: dict[str, dict[str, float]] = defaultdict(dict)
    for name, runs in runs_of.items():
        for figure, value in _mean([flat_figures(figures, system) for figures in _measured(runs)]).items():
            per_block[figure][name] = value
    measured = [run for runs in runs_of.values() for run in runs]
    figures_of = list(_measured(measured))
    disturbed = {
        name: check.wording
        for name, runs in runs_of.items()
        for run in runs
        for check in run.refused
        if check.name in CLIENT_CHECKS
    }
    # Of most blocks it is no accident of one.
    excused = CLIENT_CHECKS if 2 * len(disturbed) <= len(runs_of) else ()
    counted = {
        figure: [value for block, value in values.items() if not excused or block not in disturbed]
        for figure, values in per_block.items()
    }
    return SystemFigures(
        figures={figure: mean_of(values) for figure, values in counted.items() if values},
        per_block=dict(per_block),
        steady=all(figures.steady for figures in figures_of),
        overloaded=any(figures.overloaded for figures in figures_of),
        refused=tuple(
            check.model_copy(update={"run": _run_name(run)})
            for run in measured
            for check in run.refused
            if check.name not in excused
        ),
        disturbed=disturbed,
        lost=lost,
    )


def _why_lost(runs: Sequence[CellRecord]) -> str | None:
    ended = [run for run in runs if run.figures is None]
    return (ended[0].load.aborted or "the run ended early") if ended else None


def _measured(runs: Sequence[CellRecord]) -> Iterator[CellFigures]:
    return (run.figures for run in runs if run.figures is not None)


def _run_name(run: CellRecord) -> str:
    return f"block {run.block}" + (f", run {run.repeat}" if run.repeat > 1 else "")


def _mean(repeats: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure that all repeats have."""
    shared = [name for name in repeats[0] if all(name in each for each in repeats)]
    means = {name: sum(each[name] for each in repeats) / len(repeats) for name in shared}
    return {name: value for name, value in means.items() if math.isfinite(value)}
