"""Which waves a sweep still needs: pure, from its settings and from what was measured before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.sweep_plan import CellPlan, SessionKey, SweepPlan, Wave
from weighbridge.sweep.orders import orders


@dataclass(frozen=True)
class WantedCell:
    """One workload at one load, which all systems shall be measured with."""

    workload: str
    level: LoadLevel

    @property
    def name(self) -> str:
        """As CellPlan names it."""
        return f"{self.workload}/{self.level.name}"


@dataclass(frozen=True)
class Identities:
    """sha256 of what each system and each workload is now, by name."""

    systems: Mapping[str, str]
    workloads: Mapping[str, str]


@dataclass(frozen=True)
class NeededWave:
    """What must be measured together.

    Attributes:
        systems: The baseline first.
        cells: The cells.
        blocks: How many blocks.
    """

    systems: tuple[str, ...]
    cells: tuple[WantedCell, ...]
    blocks: int


def wanted_cells(settings: SweepSettings, plan: SweepPlan) -> tuple[WantedCell, ...]:
    """Return all cells of a sweep that are not skipped, workload by workload in the order of measuring."""
    cells = (
        WantedCell(workload.name, level)
        for workload in settings.workloads
        for level in dict.fromkeys((*settings.levels.all, *plan.auto.get(workload.name, ())))
    )
    return tuple(cell for cell in cells if cell.name not in plan.skipped)


def needed_waves(
    settings: SweepSettings,
    plan: SweepPlan,
    wanted: Iterable[WantedCell],
    identities: Identities,
) -> tuple[NeededWave, ...]:
    """Return what the plan lacks, so that each system has all blocks of each cell beside the baseline.

    A new load or workload is measured on all systems; a new system together with the baseline; more blocks
    likewise. What was planned before stays as it is.

    Args:
        settings: The sweep's.
        plan: Its plan so far.
        wanted: The cells in the order of measuring.
        identities: What each system and workload is now.
    """
    baseline = settings.reference
    others = tuple(name for name in settings.measured if name != baseline)
    groups: dict[tuple[tuple[str, ...], int], list[WantedCell]] = {}
    for cell in wanted:
        missing = {
            name: settings.blocks - _blocks_of(plan, cell, (baseline, name), identities)
            for name in others or (baseline,)
        }
        for blocks in sorted({number for number in missing.values() if number > 0}, reverse=True):
            lacking = tuple(name for name in others if missing[name] == blocks)
            groups.setdefault(((baseline, *lacking), blocks), []).append(cell)
    return tuple(NeededWave(systems, tuple(cells), blocks) for (systems, blocks), cells in groups.items())


def _blocks_of(plan: SweepPlan, cell: WantedCell, systems: Sequence[str], identities: Identities) -> int:
    """Return in how many blocks systems are measured beside each other in a cell, as they are now."""
    return sum(
        wave.blocks
        for wave in plan.waves
        if set(systems) <= set(wave.systems)
        and any(planned.name == cell.name for planned in wave.cells)
        and wave.workloads.get(cell.workload) == identities.workloads[cell.workload]
        and all(wave.identities.get(name) == identities.systems[name] for name in systems)
    )


def is_wanted(settings: SweepSettings, plan: SweepPlan, key: SessionKey, cell: CellPlan) -> bool:
    """Return whether a planned run is still asked for: systems, workloads, loads and blocks may be fewer now.

    Args:
        settings: The sweep's.
        plan: Its plan.
        key: The run's session.
        cell: The run's cell.
    """
    levels = settings.levels
    wave = plan.wave(key.wave)
    earlier = sum(
        each.blocks
        for each in plan.waves
        if each.number < wave.number
        and set(wave.systems) <= set(each.systems)
        and any(planned.name == cell.name for planned in each.cells)
    )
    return (
        key.system in settings.measured
        and any(cell.workload == workload.name for workload in settings.workloads)
        and (levels.auto or cell.level in levels.all)
        and earlier + key.block <= settings.blocks
    )


def asked_runs(settings: SweepSettings, plan: SweepPlan) -> frozenset[tuple[int, int, str, str]]:
    """Return wave, block, system and cell's name of all planned runs that are still asked for."""
    return frozenset(
        (key.wave, key.block, key.system, cell.name)
        for wave in plan.waves
        for key in wave.sessions()
        for cell in wave.cells
        if is_wanted(settings, plan, key, cell)
    )


def with_wave(
    settings: SweepSettings,
    plan: SweepPlan,
    needed: NeededWave,
    cells: Sequence[CellPlan],
    identities: Identities,
) -> SweepPlan:
    """Return the plan with the wave that measures what is needed.

    Args:
        settings: The sweep's.
        plan: The plan so far.
        needed: What is needed.
        cells: Its cells, with their counts.
        identities: What each system and workload is now.
    """
    number = plan.last_wave + 1
    workloads = list(dict.fromkeys(cell.workload for cell in cells))
    seed = crc32(f"{settings.name} {number}".encode())
    wave = Wave(
        number=number,
        systems=needed.systems,
        cells=tuple(cells),
        blocks=needed.blocks,
        orders=orders(needed.systems, needed.blocks, settings.order, seed),
        repeats=settings.runs_per_session,
        identities={name: identities.systems[name] for name in needed.systems},
        workloads={name: identities.workloads[name] for name in workloads},
        sequential=settings.order == "sequential",
    )
    return plan.model_copy(update={"waves": (*plan.waves, wave), "last_wave": number})


def planned_before(
    plan: SweepPlan, cell: WantedCell, systems: Sequence[str], identities: Identities
) -> CellPlan | None:
    """Return the cell as a wave has it that measures these systems, as they are now; None: there is none."""
    for wave in plan.waves:
        alone = plan.model_copy(update={"waves": (wave,)})
        if _blocks_of(alone, cell, systems, identities):
            return next(planned for planned in wave.cells if planned.name == cell.name)
    return None


def known_rates(plan: SweepPlan, cell: WantedCell, identities: Identities) -> dict[str, float]:
    """Return the rates that earlier sizing found of a cell, in requests/s by system as it is now."""
    found: dict[str, float] = {}
    for wave in plan.waves:
        for planned in wave.cells:
            same = wave.workloads.get(cell.workload) == identities.workloads[cell.workload]
            if planned.name == cell.name and same:
                found |= {
                    name: rate
                    for name, rate in planned.sized_by.items()
                    if wave.identities.get(name) == identities.systems.get(name)
                }
    return found


def without_outdated(plan: SweepPlan, identities: Identities) -> SweepPlan:
    """Return the plan without what was another system or workload when it was measured.

    Systems and workloads that the sweep has no more stay. A wave without its baseline, or without any other
    system, goes.
    """

    def lasts(now: Mapping[str, str], then: Mapping[str, str], name: str) -> bool:
        return now.get(name, then.get(name)) == then.get(name)

    kept = []
    for wave in plan.waves:
        cells = tuple(
            cell for cell in wave.cells if lasts(identities.workloads, wave.workloads, cell.workload)
        )
        systems = tuple(name for name in wave.systems if lasts(identities.systems, wave.identities, name))
        if not cells or wave.systems[0] not in systems or (len(systems) == 1 and len(wave.systems) > 1):
            continue
        orders_left = tuple(tuple(name for name in order if name in systems) for order in wave.orders)
        kept.append(wave.model_copy(update={"cells": cells, "systems": systems, "orders": orders_left}))
    return plan.model_copy(update={"waves": tuple(kept)})
