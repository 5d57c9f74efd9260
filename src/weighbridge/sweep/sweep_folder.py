"""The folder of a sweep: where its plan, stores, sessions and runs lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.fingerprint import canonical
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.files import write_atomic
from weighbridge.records.run_record import REPLACED_FOLDER
from weighbridge.records.sweep_plan import PLAN, CellPlan, SessionKey, SweepPlan, Wave, repeat_folder
from weighbridge.records.sweep_run import CELL_RECORD, CellRecord
from weighbridge.run.replaced import set_aside

SETTINGS_FILE = "settings.json"
_REQUESTS = "requests"


@dataclass(frozen=True)
class SweepFolder:
    """Paths below a sweep's folder."""

    path: Path

    @property
    def sizing(self) -> Path:
        """Folder of the stores that sizing sends."""
        return self.path / _REQUESTS / "sizing"

    def stores(self, wave: int) -> Path:
        """Folder of the stores of a wave."""
        return self.path / _REQUESTS / f"w{wave}"

    def store(self, wave: int, workload: str) -> Path:
        """Folder of the store of a wave's workload."""
        return self.stores(wave) / workload

    def session(self, key: SessionKey) -> Path:
        """Folder of a session."""
        return self.path / key.folder

    def run(self, key: SessionKey, cell: CellPlan, repeat: int) -> Path:
        """Folder of a run."""
        return self.session(key) / repeat_folder(cell.name, repeat)

    def server(self, system: str) -> Path:
        """Folder of what a server prints that lives for the whole sweep."""
        return self.path / "servers" / system

    def read_plan(self, name: str) -> SweepPlan:
        """Read the plan; one without waves where there is none yet.

        Raises:
            InputError: it cannot be read.
        """
        path = self.path / PLAN
        return SweepPlan.read(path) if path.exists() else SweepPlan(sweep=name)

    def write_plan(self, plan: SweepPlan) -> None:
        """Write the plan."""
        write_atomic(self.path / PLAN, plan.model_dump_json(indent=2) + "\n")

    def set_aside(self, run: Path) -> None:
        """Move a run's folder to the results that were measured anew."""
        name = run.relative_to(self.path).as_posix().replace("/", "-")
        set_aside(self.path / REPLACED_FOLDER, name, run)

    def write_settings(self, settings: SweepSettings) -> None:
        """Write the settings, without their defaults."""
        write_atomic(self.path / SETTINGS_FILE, canonical(settings) + "\n", private=True)


def runs_of(wave: Wave) -> Iterator[tuple[CellPlan, int]]:
    """Yield the runs of each session of a wave in their order: the cell, and the number of the repeat."""
    for cell in wave.cells:
        for repeat in range(1, wave.repeats + 1):
            yield cell, repeat


def read_cells(folder: Path, plan: SweepPlan) -> tuple[CellRecord, ...]:
    """Read all finished runs that a plan wants, in the order of the plan.

    Raises:
        InputError: a record cannot be read.
    """
    there = SweepFolder(folder)
    paths = (
        there.run(key, cell, repeat) / CELL_RECORD
        for wave in plan.waves
        for key in wave.sessions()
        for cell, repeat in runs_of(wave)
    )
    return tuple(CellRecord.read(path) for path in paths if path.exists())
