"""The stores of a sweep's waves: built once for all systems, from what no store before has used."""

from weighbridge.records.store_manifest import MANIFEST_FILE
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.sweep.sweep_session import Sweep, missing_runs


def with_stores(sweep: Sweep, plan: SweepPlan) -> SweepPlan:
    """Build the stores of waves that are not finished, and return the plan with what all stores use.

    Raises:
        InputError: a source cannot be read, or has too little for what is still to be sent.
    """
    for wave in plan.waves:
        if not any(missing_runs(sweep, plan, key) for key in wave.sessions()):
            continue
        for workload in dict.fromkeys(cell.workload for cell in wave.cells):
            plan = _with_store(sweep, plan, wave.number, workload)
    return plan


def _with_store(sweep: Sweep, plan: SweepPlan, number: int, name: str) -> SweepPlan:
    wave = plan.wave(number)
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
