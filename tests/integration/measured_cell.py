"""Measure one run of a sweep against running servers, without a sweep around it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.issuer import Target
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.records.run_record import REQUESTS_TABLE, LoadReport
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.sweep_run import CellFigures
from weighbridge.records.verdict import Check
from weighbridge.requests.slice_draws import SliceSpec
from weighbridge.requests.workload_store import WorkloadStore, build_workload_store
from weighbridge.sweep.cell_checks import RunFacts, cell_checks
from weighbridge.sweep.cell_figures import figures_of
from weighbridge.sweep.reuse import NOTHING_KNOWN, CacheFacts

MODEL = "simulated"
_UNCHANGED = RunFacts(
    alive=True,
    same_process=None,
    version_before=None,
    version_after=None,
    store_sha256="0",
    sent_sha256="0",
)


@dataclass
class Bench:
    """One workload at one load, with its requests; the same slice for every run.

    Attributes:
        folder: Where the store and the runs are.
        workload: What is sent.
        level: How much of it at once.
        counts: How many conversations.
    """

    folder: Path
    workload: Workload
    level: LoadLevel
    counts: PhaseCounts

    def __post_init__(self) -> None:
        build_workload_store(
            self.workload, [SliceSpec(1, 1, self.level, self.counts)], self.folder / "requests"
        )
        self._runs = 0

    def run(
        self, url: str, *, cache: CacheFacts = NOTHING_KNOWN, **settings: Any
    ) -> tuple[CellFigures | None, LoadReport, dict[str, Check]]:
        """Return what a run measured, what its client did, and its checks by name."""
        self._runs += 1
        out = self.folder / f"run{self._runs}"
        store = WorkloadStore.open(self.folder / "requests")
        turns = store.slice(1, self.level.name)
        client = ClientSettings(workers=1, connections=256, request_timeout_s=60, stall_limit_s=60)
        target = Target((url,), store.sent_as(MODEL), client)
        load = ConversationIssuer("a run", self.level, turns).issue(target, out)
        figures = None
        if load.aborted is None:
            table = pq.read_table(out / REQUESTS_TABLE)
            figures = figures_of(table, turns, self.level, self.workload, load, cache)
        sweep = SweepSettings.model_validate(
            {
                "name": "one",
                "systems": {"A": {"server": {"endpoints": [url], "model_name": MODEL}}},
                "workloads": [self.workload],
                "levels": {"closed": [1]},
                **settings,
            }
        )
        checks = cell_checks(figures, load, self.workload, self.level, sweep, _UNCHANGED)
        return figures, load, {check.name: check for check in checks}
