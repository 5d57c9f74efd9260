"""Prepare a sweep: look at its systems, plan what is missing, and build what will be sent."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM
from weighbridge.records.sweep_plan import CellPlan, SweepPlan
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
    wanted_cells,
    with_wave,
    without_outdated,
)
from weighbridge.sweep.run_counts import CellSizes
from weighbridge.sweep.sizing import SCRATCH, open_sizing_store
from weighbridge.sweep.sweep_folder import SweepFolder, runs_of
from weighbridge.sweep.sweep_session import Sweep
from weighbridge.sweep.systems import OpenSystem
from weighbridge.sweep.wave_stores import with_stores

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
    # By a process that was killed: its short run, and stores that it had not finished.
    for left in (*folder.path.glob(f"{SCRATCH}*"), *folder.path.glob("requests/*/.*")):
        shutil.rmtree(left)
    before = folder.read_plan(settings.name)
    identities = identities_of(settings, sweep.model)
    plan = _with_loads_like(current_plan(before, identities), like)
    set_outdated_aside(folder, before, plan)
    if _lacks(sweep, plan, identities):
        plan = _extended(sweep, plan, identities, open_system, like)
    folder.write_settings(settings)
    folder.write_plan(plan)
    plan = with_stores(sweep, plan)
    sweep.observer.planned(plan)
    return plan


def current_plan(before: SweepPlan, identities: Identities) -> SweepPlan:
    """Return the plan for the systems and workloads as they are now.

    What was seen of a workload that has changed goes, and a new system may not be saturated.
    """
    plan = without_outdated(before, identities)
    planned = {cell.workload for wave in plan.waves for cell in wave.cells}
    plan = plan.model_copy(
        update={
            "auto": {name: levels for name, levels in plan.auto.items() if name in planned},
            "skipped": {
                cell: reason for cell, reason in plan.skipped.items() if cell.partition("/")[0] in planned
            },
        }
    )
    measured = {(name, sha) for wave in plan.waves for name, sha in wave.identities.items()}
    if set(identities.systems.items()) <= measured:
        return plan
    known = {name for name, sha in identities.systems.items() if (name, sha) in measured}
    return plan.model_copy(
        update={
            "skipped": {},
            "probed": {name: each for name, each in plan.probed.items() if name in known},
            "common_tokens": {name: each for name, each in plan.common_tokens.items() if name in known},
        }
    )


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
                    folder.set_aside(run)
        if wave.number not in {each.number for each in plan.waves}:
            shutil.rmtree(folder.stores(wave.number), ignore_errors=True)


def _unknown_auto(sweep: Sweep, plan: SweepPlan) -> list[str]:
    """Return the workloads of which it is not known what 'auto' stands for."""
    if not sweep.settings.levels.auto:
        return []
    return [workload.name for workload in sweep.settings.workloads if workload.name not in plan.auto]


def _lacks(sweep: Sweep, plan: SweepPlan, identities: Identities) -> bool:
    wanted = wanted_cells(sweep.settings, plan)
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
    needed = needed_waves(settings, plan, wanted_cells(sweep.settings, plan), identities)
    _look(look, plan, needed, identities, open_system, auto, like)
    look.copy_baseline()
    plan = _with_findings(sweep, plan, look, auto)
    for need in needed_waves(settings, plan, wanted_cells(sweep.settings, plan), identities):
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
    auto: list[str],
    like: SweepPlan | None,
) -> None:
    """Look at each system of which something is not known that the plan needs."""
    settings = look.sweep.settings
    _recall_rates(look, plan, identities)
    for name in settings.systems:
        wanted: dict[str, list[LoadLevel]] = {workload: [] for workload in auto}
        for cell in (cell for need in needed if name in need.systems for cell in need.cells):
            levels = wanted.setdefault(cell.workload, [])
            if _planned_like(like, cell) is None:
                levels.append(cell.level)
        if any(_is_news(look, plan, name, workload, levels) for workload, levels in wanted.items()):
            with open_system(name) as system:
                look.look_at(system, wanted, auto=bool(auto))


def _recall_rates(look: FirstLook, plan: SweepPlan, identities: Identities) -> None:
    """Take over the rates that earlier sizing found."""
    for cell in wanted_cells(look.sweep.settings, plan):
        for name, rate in known_rates(plan, cell, identities).items():
            if cell.level.closed is not None:
                look.rates_of(cell.workload, name).rates[cell.level.closed] = rate


def _is_news(look: FirstLook, plan: SweepPlan, name: str, workload: str, levels: list[LoadLevel]) -> bool:
    """Return whether a system must be looked at for these loads, none of which are those of 'auto'."""
    known = look.rates_of(workload, name).rates
    unknown = any(level.closed is not None and level.closed not in known for level in levels)
    return unknown or name not in {*plan.probed, *plan.common_tokens} or not levels


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
