"""Compare the runs of a sweep: pair them by block, and say for each row what the pairs allow to say.

Pure: it reads no file. Only runs of the same wave and block are paired. Definitions: docs/comparing.md.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from weighbridge import __version__
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM, SweepSettings
from weighbridge.records.comparison import (
    ComparedCell,
    ComparisonResult,
    ComparisonRow,
    SweepComparison,
    SystemFigures,
    lower_is_better,
)
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.records.sweep_run import CellRecord
from weighbridge.sweep.block_figures import LATENCIES, block_of, system_figures
from weighbridge.sweep.capacities import capacities_of
from weighbridge.sweep.descriptions import describe_systems, describe_workloads, phase_plan
from weighbridge.sweep.pair_checks import pair_checks, unequal_work
from weighbridge.sweep.planning import asked_runs
from weighbridge.sweep.refusals import refusals_of
from weighbridge.sweep.statistics import FEWEST_BLOCKS, PairedRatio, blocks_needed, holm, result_of

RATES = (
    "qps",
    "conversations_per_s",
    "output_tps",
    "goodput",
    "output_tps_per_device",
    "tps_per_user",
    "energy_per_token_j",
    "cost_per_million_tokens",
)
"""Figures that are compared beside the latencies."""
_PARTS = ("mean", "p50", "p90", "p99", "p999")
METRICS = (*RATES, *(f"{name}.{part}" for name in LATENCIES for part in _PARTS))


@dataclass(frozen=True)
class _Pairs:
    """One system beside the baseline at one workload and load, before Holm."""

    row: ComparisonRow
    paired: Mapping[str, PairedRatio]

    @property
    def primary(self) -> PairedRatio | None:
        return self.paired.get(self.row.metric)


def compare_cells(settings: SweepSettings, plan: SweepPlan, cells: Sequence[CellRecord]) -> SweepComparison:
    """Return the comparison of all that has been measured.

    Args:
        settings: The sweep.
        plan: What was to be measured.
        cells: The runs there are, in any order; of a sweep that goes on, those so far.

    Raises:
        ValueError: there is no cell.
    """
    if not cells:
        raise ValueError("a comparison needs one run at least")
    grouped = _grouped(settings, cells)
    tables = {
        key: {name: system_figures(runs, settings.system(name)) for name, runs in systems.items()}
        for key, systems in grouped.items()
    }
    levels = {(cell.workload, cell.level.name): cell.level for cell in cells}
    pairs = [
        _pairs(settings, levels[key], key, name, grouped[key], tables[key])
        for key in grouped
        for name in _others(settings, levels[key], tables[key])
    ]
    rows = tuple(_rows(pairs, settings.equivalence))
    return SweepComparison(
        sweep=settings.name,
        weighbridge_version=__version__,
        started=min(cell.load.started for cell in cells),
        ended=max(cell.load.ended for cell in cells),
        hosts=tuple(sorted({cell.host.name for cell in cells})),
        baseline=settings.reference,
        equivalence=settings.equivalence,
        blocks=settings.blocks,
        phase_plan=phase_plan(plan),
        systems=describe_systems(settings, plan, cells),
        workloads=describe_workloads(settings, cells),
        cells=tuple(
            ComparedCell(workload=key[0], level=key[1], open=levels[key].open, systems=systems)
            for key, systems in tables.items()
        ),
        rows=rows,
        capacities=tuple(capacities_of(settings, tables, levels, rows)),
        warnings=tuple(_warnings(settings, plan, cells)),
    )


Key = tuple[str, str]
"""Workload and name of the load."""


def _grouped(settings: SweepSettings, cells: Sequence[CellRecord]) -> dict[Key, dict[str, list[CellRecord]]]:
    """Return the runs by workload and load in the order of the settings and of rising loads, by system."""
    workloads = [workload.name for workload in settings.workloads]
    systems = [*settings.systems, NOISE_FLOOR_SYSTEM]

    def place(cell: CellRecord) -> tuple[object, ...]:
        level = cell.level
        size = level.closed if level.closed is not None else level.rate or 0.0
        return workloads.index(cell.workload), level.open, level.kind, size, level.name

    grouped: dict[Key, dict[str, list[CellRecord]]] = defaultdict(dict)
    known = [cell for cell in cells if cell.system in systems and cell.workload in workloads]
    for cell in sorted(known, key=lambda cell: (place(cell), systems.index(cell.system))):
        grouped[cell.workload, cell.level.name].setdefault(cell.system, []).append(cell)
    return dict(grouped)


def _others(settings: SweepSettings, level: LoadLevel, systems: Mapping[str, object]) -> Iterator[str]:
    """Yield what is compared with the baseline; a ramp shows where one system bends, and compares none."""
    if settings.reference in systems and level.ramp is None:
        yield from (name for name in systems if name != settings.reference)


def _pairs(
    settings: SweepSettings,
    level: LoadLevel,
    key: Key,
    name: str,
    records: Mapping[str, Sequence[CellRecord]],
    systems: Mapping[str, SystemFigures],
) -> _Pairs:
    baseline, other = systems[settings.reference], systems[name]
    finished = other.usable("qps")
    blocks = tuple(block for block in baseline.usable("qps") if block in finished)
    tried = {block_of(run) for run in records[settings.reference]} & {block_of(run) for run in records[name]}
    slo = next(each.slo for each in settings.workloads if each.name == key[0])
    metric = _metric(level, slo.given, baseline, other, blocks)
    used = [[run for run in records[each] if block_of(run) in blocks] for each in (settings.reference, name)]
    reasons = refusals_of(settings, name, metric, systems, blocks, len(tried)) or [
        *pair_checks(used[0], used[1], settings)
    ]
    unequal = unequal_work(used[0], used[1]) if settings.allow_unequal_work and blocks else ()
    paired = {} if reasons else _paired(baseline, other, blocks)
    row = ComparisonRow(
        workload=key[0],
        level=key[1],
        system=name,
        metric=metric,
        blocks=blocks,
        ratios={},
        result=ComparisonResult.NOT_COMPARABLE,
        reasons=tuple(reasons),
        notes=(*_notes(settings.reference, name, systems), *unequal),
        noise_floor=name == NOISE_FLOOR_SYSTEM,
    )
    return _Pairs(row, paired)


def _metric(
    level: LoadLevel, slo: bool, baseline: SystemFigures, other: SystemFigures, blocks: Sequence[str]
) -> str:
    """Return what the verdict is by. A closed loop's throughput is its own; an open one's is the offered."""
    if not level.open:
        return "qps"
    if slo:
        return "goodput"
    full = all(block in each.per_block.get("e2e.p99", {}) for each in (baseline, other) for block in blocks)
    return "e2e.p99" if full else "e2e.p90"


def _paired(baseline: SystemFigures, other: SystemFigures, blocks: Sequence[str]) -> dict[str, PairedRatio]:
    """Return the ratio of each figure that both have, above 0, in every pair."""
    found = {}
    for metric in METRICS:
        sides = [each.per_block.get(metric, {}) for each in (baseline, other)]
        if blocks and all(side.get(block, 0) > 0 for side in sides for block in blocks):
            found[metric] = PairedRatio.of(*([side[block] for block in blocks] for side in sides))
    return found


def _rows(pairs: Sequence[_Pairs], margin: float) -> Iterator[ComparisonRow]:
    """Yield the rows with their verdicts. All rows share one error rate, and the noise floors another."""
    families = {floor: _adjusted(pairs, noise_floor=floor) for floor in (False, True)}
    for index, each in enumerate(pairs):
        primary = each.primary
        if primary is None:
            yield each.row
            continue
        family = families[each.row.noise_floor]
        p = family.get(index)
        result = result_of(primary, p, margin, lower_is_better=lower_is_better(each.row.metric))
        ratios = {
            metric: paired.record(p if metric == each.row.metric else None)
            for metric, paired in each.paired.items()
        }
        undecided = result is ComparisonResult.INCONCLUSIVE
        needed = blocks_needed(primary, margin, max(1, len(family))) if undecided else None
        few = () if primary.decides else (_FEW.format(primary.blocks),)
        yield each.row.model_copy(
            update={
                "ratios": ratios,
                "result": result,
                # An even number, in which a drift cancels.
                "blocks_needed": None if needed is None else needed + needed % 2,
                "notes": (*each.row.notes, *few),
            }
        )


def _adjusted(pairs: Sequence[_Pairs], *, noise_floor: bool) -> dict[int, float]:
    """Return the p values after Holm of the rows of one family, by their place."""
    tested = [
        (index, each.primary.p)
        for index, each in enumerate(pairs)
        if each.primary is not None and each.primary.p is not None and each.row.noise_floor == noise_floor
    ]
    return dict(zip((index for index, _ in tested), holm([p for _, p in tested]), strict=True))


_FEW = f"an interval needs {FEWEST_BLOCKS} blocks, there are {{}}"


def _notes(reference: str, name: str, systems: Mapping[str, SystemFigures]) -> Iterator[str]:
    for each in (reference, name):
        if not systems[each].steady:
            yield f"{each} was not steady in a run: measure longer, or warm up longer"
        for block, reason in systems[each].lost.items():
            yield f"block {block} is left out, because the run of {each} ended early: {reason}"
        for block, reason in systems[each].disturbed.items():
            yield f"block {block} is left out, because the client disturbed the run of {each}: {reason}"


def _warnings(settings: SweepSettings, plan: SweepPlan, cells: Sequence[CellRecord]) -> Iterator[str]:
    if settings.order == "sequential":
        yield "Each block has the same order of systems, so that a drift reads as a difference."
    elif settings.blocks % 2 and len(settings.measured) > 1:
        yield f"{settings.blocks} blocks are an odd number: a drift cancels only in an even one."
    asked = asked_runs(settings, plan)
    done = asked & {cell.place for cell in cells}
    if len(done) < len(asked):
        yield f"The sweep is not finished: {len(done)} of {len(asked)} runs. Repeat the command to go on."
    yield from (f"{cell} was not measured: {reason}." for cell, reason in plan.skipped.items())
    names = {name for *_, name in asked}
    yield from dict.fromkeys(
        f"The runs of {cell.name} are shorter than asked for: {cell.shortened}."
        for wave in plan.waves
        for cell in wave.cells
        if cell.shortened and cell.name in names
    )
