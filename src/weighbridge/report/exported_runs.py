"""The runs of a sweep with their requests, for exports to other tools' forms."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.records.comparison import COMPARISON, SweepComparison
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.sweep_plan import PLAN, SweepPlan
from weighbridge.records.sweep_run import CELL_RECORD, CellFigures, CellRecord
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.sweep.latency_figures import Latencies
from weighbridge.sweep.run_rows import Floats, Numbers, RunRows
from weighbridge.sweep.sweep_folder import SweepFolder, runs_of


@dataclass(frozen=True)
class ExportedRun:
    """One run of a sweep; arrays are over its measured requests, in the order of their start.

    Attributes:
        record: Its run.json.
        figures: What it measured.
        workload: What was sent.
        comparison: The sweep's, which describes systems.
        start_s: When each request began, from the first one's start.
        latencies: Of each request; NaN where it failed, or is not streamed.
        rows: What the client recorded.
        measured: Places of the measured requests in `rows`, in the order of their start.
    """

    record: CellRecord
    figures: CellFigures
    workload: Workload
    comparison: SweepComparison
    start_s: Floats
    latencies: Latencies
    rows: RunRows
    measured: Numbers

    @property
    def folder(self) -> str:
        """Folder of the cell in an export: system, workload and load."""
        return f"{self.record.system}/{self.record.workload}/{self.record.level.name}"

    @property
    def name(self) -> str:
        """Name of the run in its cell."""
        repeat = f"-run{self.record.repeat}" if self.record.repeat > 1 else ""
        return f"w{self.record.wave}-b{self.record.block}{repeat}"

    @property
    def devices(self) -> int | None:
        """Number of accelerators; None: not known."""
        described = self.comparison.systems.get(self.record.system)
        return described.devices if described else None


def exported_runs(sweep: Path) -> Iterator[ExportedRun]:
    """Read the finished runs of a sweep's folder, in the order of its plan.

    Runs that ended early have no figures, and are left out.

    Raises:
        InputError: it is no folder of a sweep, or a file is missing or damaged.
    """
    if not (sweep / PLAN).is_file() or not (sweep / COMPARISON).is_file():
        raise InputError(f"{sweep}: holds no {PLAN} and {COMPARISON}; pass the folder of a finished sweep.")
    comparison = SweepComparison.read(sweep / COMPARISON)
    there = SweepFolder(sweep)
    for wave in SweepPlan.read(sweep / PLAN).waves:
        stores = {
            name: WorkloadStore.open(there.store(wave.number, name))
            for name in dict.fromkeys(cell.workload for cell in wave.cells)
        }
        for key in wave.sessions():
            for cell, repeat in runs_of(wave):
                folder = there.run(key, cell, repeat)
                if (folder / CELL_RECORD).is_file():
                    yield from _read(folder, stores[cell.workload], comparison)


def _read(folder: Path, store: WorkloadStore, comparison: SweepComparison) -> Iterator[ExportedRun]:
    record = CellRecord.read(folder / CELL_RECORD)
    if record.figures is None:
        return
    table = folder / REQUESTS_TABLE
    if not table.is_file():
        raise InputError(f"{table}: is missing; restore it, or measure the run again.")
    turns = store.slice(record.block, record.level.name, record.repeat)
    rows = RunRows.of(pq.read_table(table), turns)
    workload = store.manifest.workload
    begun = rows.start_ns(open_loop=record.level.open)
    measured = np.flatnonzero(rows.measured)
    measured = measured[np.argsort(begun[measured], kind="stable")]
    yield ExportedRun(
        record=record,
        figures=record.figures,
        workload=workload,
        comparison=comparison,
        start_s=(begun[measured] - begun[measured].min(initial=begun.max(initial=0))) / 1e9,
        latencies=Latencies.of(rows, open_loop=record.level.open, streamed=workload.stream),
        rows=rows,
        measured=measured,
    )
