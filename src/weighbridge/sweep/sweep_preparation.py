"""Prepare a sweep: look at its systems, plan what is missing, and build what will be sent."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM
from weighbridge.records.store_manifest import MANIFEST_FILE
from weighbridge.records.sweep_plan import CellPlan, SweepPlan, Wave
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.run.replaced import set_aside
from weighbridge.sweep.cell_key import identities_of
from weighbridge.sweep.first_look import FirstLook
from weighbridge.sweep.load_sizes import MOST_AT_ONCE, auto_levels, saturated_loads
from weighbridge.sweep.planning import (
    Identities,
    NeededWave,
    WantedCell,
    known_rates,
    needed_waves,
    planned_before,
    with_wave,
    without_outdated,
)
from weighbridge.sweep.run_counts import CellSizes
from weighbridge.sweep.sizing import open_sizing_store
from weighbridge.sweep.sweep_folder import SweepFolder, runs_of
from weighbridge.sweep.sweep_session import Sweep, missing_runs
from weighbridge.sweep.systems import OpenSystem

OpenNamed = Callable[[str], AbstractContextManager[OpenSystem]]
"""Provides a system by its name, warm, for the duration of a with block."""


def prepared(sweep: Sweep, open_system: OpenNamed, like: SweepPlan | None = None) -> SweepPlan:
    """Plan what a sweep lacks, write plan.json, and build the stores of what is not finished.

    Args:
        sweep: The sweep.
        open_system: Opens the systems that must be looked at.
        like: Plan of another sweep, whose loads and counts are taken where it has them.

    Returns:
        The plan, which lacks nothing.

    Raises:
        InputError, SetupError, InvalidRunError: the settings, a system or a source cannot be used.
    """
    settings, folder = sweep.settings, sweep.folder
    before = folder.read_plan(settings.name)
    identities = identities_of(settings, sweep.model)
    plan = _with_loads_like(without_outdated(before, identities), like)
    set_outdated_aside(folder, before, plan)
    if _lacks(sweep, plan, identities):
        plan = _extended(sweep, plan, identities, open_system, like)
    folder.write_settings(settings)
    folder.write_plan(plan)
    plan = _with_stores(sweep, plan)
    sweep.observer.planned(plan)
    return plan


def _with_loads_like(plan: SweepPlan, like: SweepPlan | None) -> SweepPlan:
    """Return a plan without waves with the loads of another one."""
    if like is None or plan.waves:
        return plan
    return plan.model_copy(update={"auto": like.auto, "skipped": like.skipped})


def set_outdated_aside(folder: SweepFolder, before: SweepPlan, plan: SweepPlan) -> None:
    """Set the runs aside that a plan has no more, and delete the stores of the waves that it has no more."""
    kept = {
        folder.run(key, cell, repeat)
        for wave in plan.waves
        for key in wave.sessions()
        for cell, repeat in runs_of(wave)
    }
    for wave in before.waves:
        for key in wave.sessions():
            for cell, repeat in runs_of(wave):
                run = folder.run(key, cell, repeat)
                if run not in kept and run.exists():
                    name = run.relative_to(folder.path).as_posix().replace("/", "-")
                    set_aside(folder.replaced, name, run)
        if wave.number not in {each.number for each in plan.waves}:
            shutil.rmtree(folder.path / "requests" / f"w{wave.number}", ignore_errors=True)


def wanted_cells(sweep: Sweep, plan: SweepPlan) -> tuple[WantedCell, ...]:
    """Return all cells of a sweep that are not skipped, workload by workload in the order of measuring."""
    cells = (
        WantedCell(workload.name, level)
        for workload in sweep.settings.workloads
        for level in dict.fromkeys((*sweep.settings.levels.all, *plan.auto.get(workload.name, ())))
    )
    return tuple(cell for cell in cells if cell.name not in plan.skipped)


def _unknown_auto(sweep: Sweep, plan: SweepPlan) -> list[str]:
    """Return the workloads of which it is not known what 'auto' stands for."""
    if not sweep.settings.levels.auto:
        return []
    return [workload.name for workload in sweep.settings.workloads if workload.name not in plan.auto]


def _lacks(sweep: Sweep, plan: SweepPlan, identities: Identities) -> bool:
    wanted = wanted_cells(sweep, plan)
    return bool(_unknown_auto(sweep, plan) or needed_waves(sweep.settings, plan, wanted, identities))


def _extended(
    sweep: Sweep,
    plan: SweepPlan,
    identities: Identities,
    open_system: OpenNamed,
    like: SweepPlan | None,
) -> SweepPlan:
    """Return the plan with the waves that it lacks."""
    settings = sweep.settings
    auto = _unknown_auto(sweep, plan)
    at_once = MOST_AT_ONCE if auto else sweep.most_at_once
    stores = {
        workload.name: open_sizing_store(workload, at_once, sweep.folder.sizing / workload.name, sweep.model)
        for workload in settings.workloads
    }
    look = FirstLook(sweep, stores)
    look.know(plan)
    needed = needed_waves(settings, plan, wanted_cells(sweep, plan), identities)
    _look(look, plan, needed, identities, open_system, auto=auto, like=like)
    look.copy_baseline()
    plan = _with_findings(sweep, plan, look, auto)
    for need in needed_waves(settings, plan, wanted_cells(sweep, plan), identities):
        cells = _sized(look, plan, need, identities, like)
        plan = with_wave(settings, plan, need, cells, identities)
    used = {name: store.store.manifest.used for name, store in stores.items()}
    return plan.model_copy(update={"used": used | plan.used})


def _look(
    look: FirstLook,
    plan: SweepPlan,
    needed: tuple[NeededWave, ...],
    identities: Identities,
    open_system: OpenNamed,
    *,
    auto: list[str],
    like: SweepPlan | None,
) -> None:
    """Look at each system of which something is not known that the plan needs."""
    settings = look.sweep.settings
    for name in settings.systems:
        wanted: dict[str, list[LoadLevel]] = {workload: [] for workload in auto}
        for need in needed:
            for cell in need.cells:
                rates = look.rates_of(cell.workload, name)
                known = known_rates(plan, cell, identities).get(name)
                if cell.level.closed is not None and known is not None:
                    rates.rates[cell.level.closed] = known
                elif name in need.systems:
                    levels = wanted.setdefault(cell.workload, [])
                    if _planned_like(like, cell) is None:
                        levels.append(cell.level)
        if wanted:
            with open_system(name) as system:
                look.look_at(system, wanted, auto=bool(auto))


def _with_findings(sweep: Sweep, plan: SweepPlan, look: FirstLook, auto: list[str]) -> SweepPlan:
    """Return the plan with what was seen of the systems, and the loads that follow from it."""
    settings = sweep.settings
    found, skipped = dict(plan.auto), dict(plan.skipped)
    for workload in settings.workloads:
        rates = {
            name: each
            for name, each in look.rates.get(workload.name, {}).items()
            if each.rates and name != NOISE_FLOOR_SYSTEM
        }
        if workload.name in auto:
            found[workload.name] = auto_levels(rates, look.stores[workload.name].turns)
        if set(rates) == set(settings.systems):
            saturated = saturated_loads(rates, settings.levels.all, settings.stop)
            skipped |= {f"{workload.name}/{level}": reason for level, reason in saturated.items()}
    return plan.model_copy(
        update={
            "auto": found,
            "skipped": skipped,
            "probed": look.probed,
            "common_tokens": look.common_tokens,
        }
    )


def _sized(
    look: FirstLook,
    plan: SweepPlan,
    need: NeededWave,
    identities: Identities,
    like: SweepPlan | None,
) -> list[CellPlan]:
    """Return the cells of a wave with their counts."""
    settings = look.sweep.settings
    sizes = CellSizes(settings, need.blocks * settings.runs_per_session)
    for cell in need.cells:
        store = look.stores[cell.workload]
        same = planned_before(plan, cell, need.systems, identities) or _planned_like(like, cell)
        known = known_rates(plan, cell, identities)
        rates = {
            name: known.get(name) or look.rates_of(cell.workload, name).at(cell.level.closed or 0)
            for name in need.systems
            if name != NOISE_FLOOR_SYSTEM and cell.level.closed is not None and same is None
        }
        sizes.add(cell, rates, store.turns, store.conversation_bytes, same)
    return sizes.cells()


def _planned_like(like: SweepPlan | None, cell: WantedCell) -> CellPlan | None:
    """Return another sweep's cell of the same name; None: it has none."""
    waves = like.waves if like is not None else ()
    return next((each for wave in waves for each in wave.cells if each.name == cell.name), None)


def _with_stores(sweep: Sweep, plan: SweepPlan) -> SweepPlan:
    """Build the stores of waves that are not finished, and return the plan with what all stores use."""
    for wave in plan.waves:
        if not any(missing_runs(sweep, wave, key) for key in wave.sessions()):
            continue
        for workload in dict.fromkeys(cell.workload for cell in wave.cells):
            plan = _with_store(sweep, plan, wave.number, workload)
    return plan


def _with_store(sweep: Sweep, plan: SweepPlan, number: int, name: str) -> SweepPlan:
    wave = next(each for each in plan.waves if each.number == number)
    workload = next((each for each in sweep.settings.workloads if each.name == name), None)
    path = sweep.folder.store(number, name)
    if workload is None:
        return plan
    slices = [
        SliceSpec(block, repeat, cell.level, cell.counts)
        for block in range(1, wave.blocks + 1)
        for repeat in range(1, wave.repeats + 1)
        for cell in wave.cells
        if cell.workload == name
    ]
    skip = wave.skip.get(name) or plan.used[name]
    if (path / MANIFEST_FILE).exists():
        manifest = WorkloadStore.open(path).manifest
        there = [SliceSpec(each.block, each.repeat, each.level, each.counts) for each in manifest.slices]
        if name in wave.skip and manifest.workload == workload and there == slices:
            return plan
    sweep.observer.system(name, "building its requests")
    manifest = build_workload_store(workload, slices, path, skip=skip, model=sweep.model)
    built = wave.model_copy(update={"skip": {**wave.skip, name: skip}})
    waves = tuple(built if each.number == number else each for each in plan.waves)
    # A store that is built again, after its deletion, uses nothing new.
    used = plan.used if name in wave.skip else {**plan.used, name: manifest.used}
    plan = plan.model_copy(update={"waves": waves, "used": used})
    sweep.folder.write_plan(plan)
    return plan


def planned_waves(sweep: Sweep, plan: SweepPlan) -> tuple[Wave, ...]:
    """Return the waves that a sweep will have, without a look at any system: pure.

    Loads that will turn out to be saturated are among them, and those of 'auto' are not.
    """
    identities = identities_of(sweep.settings, sweep.model)
    plan = without_outdated(plan, identities)
    wanted = wanted_cells(sweep, plan)
    for need in needed_waves(sweep.settings, plan, wanted, identities):
        plan = with_wave(sweep.settings, plan, need, (), identities)
    return plan.waves
