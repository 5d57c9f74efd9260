"""One session of a sweep: a system is opened, warm, and measured in each cell that is not finished."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.files import write_atomic
from weighbridge.records.session_record import SESSION_RECORD, SessionRecord
from weighbridge.records.sweep_plan import CellPlan, SessionKey, SweepPlan, repeat_folder
from weighbridge.records.sweep_run import CELL_RECORD, CellRecord
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.sweep.cell_key import cell_key
from weighbridge.sweep.cell_run import CellRun, SentBodies, now_text
from weighbridge.sweep.planning import is_wanted
from weighbridge.sweep.sizing import Sizer, open_sizing_store
from weighbridge.sweep.sweep_folder import SweepFolder, runs_of
from weighbridge.sweep.sweep_observer import SweepObserver
from weighbridge.sweep.systems import OpenSystem, opened
from weighbridge.system.identity import sweep_code_sha256, this_host

log = logging.getLogger(__name__)

_FEWEST_AT_ONCE = 8  # of a warm-up where all loads are open


@dataclass
class Sweep:
    """A sweep that is being measured.

    Attributes:
        settings: Its settings.
        folder: Its folder.
        model: Folder of the model that started servers serve.
        observer: Receives what is done.
    """

    settings: SweepSettings
    folder: SweepFolder
    model: Path | None
    observer: SweepObserver
    _bodies: dict[Path, SentBodies] = field(default_factory=dict)

    @contextmanager
    def open(self, name: str, folder: Path) -> Iterator[OpenSystem]:
        """Provide a system, warm if it has just been started, for the duration of a with block.

        Args:
            name: Its name.
            folder: For what a started server prints.

        Raises:
            InputError, SetupError: it cannot be opened.
            InvalidRunError: it fails the warm-up.
        """
        system, client = self.settings.system(name), self.settings.client

        def starting(stage: str) -> None:
            self.observer.system(name, stage)

        with opened(name, system, client, self.model, folder, starting) as ready:
            if not system.attached:
                self._warm_up(ready)
            yield ready

    def _warm_up(self, system: OpenSystem) -> None:
        seconds = self.settings.start_warmup_s
        if not seconds:
            return
        self.observer.system(system.name, f"warm-up after the start, {seconds:g} s")
        sizer = Sizer(self.settings, system, self.folder.path, self.observer.measuring)
        share = seconds / len(self.settings.workloads)
        for workload in self.settings.workloads:
            store = open_sizing_store(
                workload, self.most_at_once, self.folder.sizing / workload.name, self.model
            )
            sizer.warm_up(store, self.most_at_once, share)

    @property
    def most_at_once(self) -> int:
        """Largest number of conversations at once of the closed loops."""
        return max((level.closed or 1 for level in self.settings.levels.all), default=_FEWEST_AT_ONCE)

    def bodies(self, wave: int, workload: str) -> SentBodies:
        """Return the store of a wave's workload, open.

        Raises:
            InputError: it is missing, or is not as it was built.
        """
        path = self.folder.store(wave, workload)
        if path not in self._bodies:
            self._bodies[path] = SentBodies(WorkloadStore.open(path))
        return self._bodies[path]


def wanted_runs(sweep: Sweep, plan: SweepPlan, key: SessionKey) -> list[tuple[CellPlan, int]]:
    """Return the runs of a session that are asked for, finished or not: the cell and the repeat of each."""
    wave = plan.wave(key.wave)
    return [(cell, repeat) for cell, repeat in runs_of(wave) if is_wanted(sweep.settings, plan, key, cell)]


def missing_runs(sweep: Sweep, plan: SweepPlan, key: SessionKey) -> dict[tuple[str, int], str]:
    """Return the keys of a session's runs that are not finished, by name of the cell and repeat.

    Raises:
        InputError: a record cannot be read.
    """
    wave = plan.wave(key.wave)
    missing = {}
    for cell, repeat in wanted_runs(sweep, plan, key):
        wanted = cell_key(sweep.settings, wave, key, cell, repeat)
        if not _finished(sweep.folder.run(key, cell, repeat), wanted):
            missing[cell.name, repeat] = wanted
    return missing


def _finished(folder: Path, key: str) -> bool:
    """Return whether a folder has the run of a key; one that ended early does not count in a later call."""
    path = folder / CELL_RECORD
    if not path.exists():
        return False
    record = CellRecord.read(path)
    return record.key == key and record.load.aborted is None


def hold(sweep: Sweep, plan: SweepPlan, key: SessionKey, system: OpenSystem, number: int, of: int) -> None:
    """Measure what a session lacks.

    Args:
        sweep: The sweep.
        plan: Its plan.
        key: The session.
        system: Its system, open.
        number: Number of the session's first run among all of the sweep, from 1.
        of: How many runs the sweep has.

    Raises:
        Interruption: a signal ended a run; what was finished before stays.
        InputError, SetupError: as `CellRun.measure`.
    """
    sweep_code_sha256()  # now, and not when the first record is written: sources may be edited meanwhile
    missing = missing_runs(sweep, plan, key)
    started, server = now_text(), system.record()
    workloads = {workload.name: workload for workload in sweep.settings.workloads}
    sweep.observer.session(key)
    for place, (cell, repeat) in enumerate(wanted_runs(sweep, plan, key)):
        wanted = missing.get((cell.name, repeat))
        if wanted is None:
            continue
        out = sweep.folder.run(key, cell, repeat)
        if (out / CELL_RECORD).exists():
            sweep.folder.set_aside(out)
        sweep.observer.cell(key, cell, number + place, of)
        run = CellRun(
            settings=sweep.settings,
            plan=plan,
            session=key,
            cell=cell,
            repeat=repeat,
            key=wanted,
            workload=workloads[cell.workload],
            bodies=sweep.bodies(key.wave, cell.workload),
            server=server,
        )
        sweep.observer.measured(run.measure(system, out, sweep.observer.measuring))
    record = SessionRecord(
        sweep=sweep.settings.name,
        wave=key.wave,
        block=key.block,
        slot=key.slot,
        system=key.system,
        started=started,
        ended=now_text(),
        host=this_host(),
        server=server,
        version_at_end=system.version(),
        runs=tuple(repeat_folder(cell, repeat) for cell, repeat in missing),
    )
    write_atomic(
        sweep.folder.session(key) / SESSION_RECORD, record.model_dump_json(indent=2) + "\n", private=True
    )
