"""Search each system's highest load that meets the objectives, by runs that are cells of a sweep of its own.

A search has its plan, its stores and its runs below slo/SYSTEM/WORKLOAD of the sweep's folder. Each load that
is tried is one wave of one block, so what is finished is not measured again, and a search goes on where it
ended.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

from weighbridge.config.load_level import Levels
from weighbridge.config.settings import SearchSettings
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.records.slo_capacity import SLO_CAPACITY, SloCapacities, SloCapacity, SloTrial
from weighbridge.records.sweep_plan import PLAN, CellPlan, SessionKey, SweepPlan
from weighbridge.records.sweep_run import CELL_RECORD, CellRecord
from weighbridge.run.folder_lock import locked
from weighbridge.sweep.slo_search import STEPS, LoadTrial, Measure, search_slo_capacity
from weighbridge.sweep.sweep_folder import SweepFolder, read_cells
from weighbridge.sweep.sweep_observer import SweepObserver
from weighbridge.sweep.sweep_preparation import prepared
from weighbridge.sweep.sweep_session import Sweep, hold, missing_runs
from weighbridge.sweep.systems import OpenSystem

Kind = Literal["probe", "confirmation"]

_FOLDER = "slo"
_COMMAND = "weighbridge bench --slo"
_REQUESTS = {"probe": 300, "confirmation": 1000}
# A shorter run at a load that is a little too high ends before requests have piled up to the limit.
_LIMITS = {"probe": 20, "confirmation": 40}
_LONGEST_RUN_S = 600.0  # of a system that takes long for so many requests
_JUDGED = ("failed requests", "run ended early")


def search_slo(
    settings: SweepSettings,
    folder: Path,
    *,
    model: Path | None,
    observer: SweepObserver,
    tried: Callable[[SloTrial], None] = lambda _: None,
    steps: SearchSettings = STEPS,
) -> tuple[SloCapacity, ...]:
    """Search every system and workload of a finished sweep that has objectives, and write slo_capacity.json.

    Args:
        settings: The sweep's.
        folder: Its folder, with runs, from whose rates a search starts.
        model: Folder of the model that started servers serve; None: none is started.
        observer: Receives what is done.
        tried: Told of each load that was tried.
        steps: Budgets and tolerance.

    Raises:
        InputError: no workload has objectives, or the sweep measured none of them.
        Interruption, SetupError, InvalidRunError: as `conduct`; the same call goes on later.
    """
    workloads = [workload for workload in settings.workloads if workload.slo.given]
    if not workloads:
        raise InputError(f"{folder}: no workload has objectives; give its 'slo'.")
    starts = _rates(folder)
    found = []
    for name in settings.systems:
        for workload in workloads:
            start = starts.get((name, workload.name))
            if start is None:
                raise InputError(
                    f"{folder}: has no run of {name} at {workload.name}; measure the sweep first."
                )
            place = folder / _FOLDER / name / workload.name
            search = _Search(settings, name, workload, place, model, observer, start)
            found.append(search.run(tried, steps))
    text = SloCapacities(capacities=tuple(found)).model_dump_json(indent=2)
    write_atomic(folder / SLO_CAPACITY, text + "\n")
    return tuple(found)


def _rates(folder: Path) -> dict[tuple[str, str], float]:
    """Return the most conversations/s that each system completed of each workload."""
    rates: dict[tuple[str, str], float] = {}
    plan = folder / PLAN
    for cell in read_cells(folder, SweepPlan.read(plan)) if plan.exists() else ():
        if cell.figures is not None and cell.figures.conversations_per_s > 0:
            key = (cell.system, cell.workload)
            rates[key] = max(rates.get(key, 0.0), cell.figures.conversations_per_s)
    return rates


class _Search:
    """The search of one system with one workload."""

    def __init__(
        self,
        settings: SweepSettings,
        system: str,
        workload: Workload,
        folder: Path,
        model: Path | None,
        observer: SweepObserver,
        start: float,
    ) -> None:
        self._settings, self._system, self._workload = settings, system, workload
        self._folder, self._model, self._observer = folder, model, observer
        self._start = start
        self._rates: dict[Kind, list[float]] = {"probe": [], "confirmation": []}

    def run(self, tried: Callable[[SloTrial], None], steps: SearchSettings) -> SloCapacity:
        """Search, with the system open all the time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder, _COMMAND):
            sweep = self._sweep("probe", [self._start])
            with sweep.open(self._system, self._folder) as system:
                return search_slo_capacity(
                    self._system,
                    self._workload.name,
                    self._workload.slo,
                    self._measure_with(system),
                    capacity=self._start,
                    steps=steps,
                    tried=tried,
                )

    def _measure_with(self, system: OpenSystem) -> Measure:
        def measure(rate: float, kind: Kind) -> LoadTrial:
            self._rates[kind].append(rate)
            sweep = self._sweep(kind, self._rates[kind])
            # What a system is was seen by the sweep's own runs.
            plan = prepared(sweep, lambda _: nullcontext(system))
            # A run of an earlier load that ended early was its trial: it is not measured again.
            key, cell = next(_runs_at(rate, plan))
            if missing_runs(sweep, plan, key):
                hold(sweep, plan, key, system, key.wave, len(plan.waves))
            run = sweep.folder.run(key, cell, 1)
            place = run.relative_to(self._folder.parents[2]).as_posix()
            return self._trial(CellRecord.read(run / CELL_RECORD), place)

        return measure

    def _trial(self, record: CellRecord, place: str) -> LoadTrial:
        # Failed requests count as not good. What else is wrong with a run is said of its load.
        refused = tuple(check.wording for check in record.refused if check.name not in _JUDGED)
        return LoadTrial(record.figures, place, record.load.aborted, refused)

    def _sweep(self, kind: Kind, rates: Sequence[float]) -> Sweep:
        """Return the sweep of all probes, or of all confirmations, so far."""
        own = self._settings
        duration_s = max(own.duration_s, _LIMITS[kind] * _longest_s(self._workload))
        settings = own.model_copy(
            update={
                "name": f"{own.name}-{kind}",
                "systems": {self._system: own.systems[self._system]},
                "baseline": self._system,
                "workloads": (self._workload,),
                "levels": Levels(poisson=tuple(rates)),
                "blocks": 1,
                "runs_per_session": 1,
                "aa": False,
                "duration_s": duration_s,
                "max_duration_s": max(own.max_duration_s, duration_s, _LONGEST_RUN_S),
                "min_requests": max(_REQUESTS[kind], own.min_requests or 0),
            }
        )
        folder = self._folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        return Sweep(settings, SweepFolder(folder), self._model, self._observer)


def _longest_s(workload: Workload) -> float:
    """Return how long a request may take by the objectives, as far as they say it."""
    slo = workload.slo
    return max(limit or 0.0 for limit in (slo.ttft_ms, slo.e2e_ms, slo.tpot_ms)) / 1000


def _runs_at(rate: float, plan: SweepPlan) -> Iterator[tuple[SessionKey, CellPlan]]:
    """Yield the session and the cell of a load."""
    for wave in plan.waves:
        for key in wave.sessions():
            yield from ((key, cell) for cell in wave.cells if cell.level.poisson == rate)
