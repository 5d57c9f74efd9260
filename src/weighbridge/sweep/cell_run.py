"""One run of a sweep: caches emptied, one slice sent at one load, its record written last."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from weighbridge import __version__
from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.issuer import Target
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.core.errors import SetupError
from weighbridge.core.files import disk_needed, sha256_of, write_atomic
from weighbridge.records.run_record import (
    REQUESTS_TABLE,
    TELEMETRY_FILE,
    LoadReport,
    ServerRecord,
    TelemetryBrief,
)
from weighbridge.records.sweep_plan import CellPlan, SessionKey, SweepPlan
from weighbridge.records.sweep_run import CELL_RECORD, CellFigures, CellRecord
from weighbridge.requests.bodies import BODIES_FILE
from weighbridge.requests.turns import Turns
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.run.measuring import issue_once
from weighbridge.sweep.cache_reset import reset_caches
from weighbridge.sweep.cell_checks import RunFacts, cell_checks
from weighbridge.sweep.cell_figures import figures_of
from weighbridge.sweep.interrupted import refuse_interrupted
from weighbridge.sweep.reuse import CacheFacts
from weighbridge.sweep.run_telemetry import RunTelemetry
from weighbridge.sweep.systems import OpenSystem
from weighbridge.system.identity import sweep_code_sha256, this_host


@dataclass
class SentBodies:
    """The file that a workload's bodies are sent from, hashed again where it has been touched."""

    store: WorkloadStore
    _seen: dict[tuple[int, ...], str] = field(default_factory=dict)

    def sha256(self) -> str:
        """Return the sha256 of the file as it is now, or why there is none."""
        path = self.store.path / BODIES_FILE
        try:
            found = path.stat()
            identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if identity not in self._seen:
                self._seen[identity] = sha256_of(path)
        except OSError as error:
            return f"unreadable after the run ({error.strerror})"
        return self._seen[identity]


@dataclass(frozen=True)
class CellRun:
    """What one run is of.

    Attributes:
        settings: The sweep's.
        plan: Its plan.
        session: The session.
        cell: The cell.
        repeat: Number of the run in its session, from 1.
        key: Of the run.
        workload: What is sent.
        bodies: The store that it is sent from.
        server: What is recorded of the system.
    """

    settings: SweepSettings
    plan: SweepPlan
    session: SessionKey
    cell: CellPlan
    repeat: int
    key: str
    workload: Workload
    bodies: SentBodies
    server: ServerRecord

    def measure(self, system: OpenSystem, out: Path, show: Callable[[SampleCounts], None]) -> CellRecord:
        """Measure once, and write the record, also of a run that ended early.

        Args:
            system: The system, open.
            out: Folder of the run's files; what an unfinished run left in it goes.
            show: Receives the counts of the run.

        Raises:
            Interruption: a signal ended the run, of which no record is written.
            InputError: the store does not have the requests.
            SetupError: the system has ended or does not answer any more, or the disk takes no more files.
        """
        with disk_needed(out):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            return self._measure(system, out, show)

    def _measure(self, system: OpenSystem, out: Path, show: Callable[[SampleCounts], None]) -> CellRecord:
        store, level = self.bodies.store, self.cell.level
        turns = store.slice(self.session.block, level.name, self.repeat)
        issuer = ConversationIssuer(
            f"{system.name} {level.name}", level, turns, error_abort=self.settings.stop.error_abort
        )
        requests = store.sent_as(system.model_name)
        self.bodies.sha256()  # now, and not between the last answer and the next reset
        reset = reset_caches(system)
        version = system.version()
        target = Target(system.running.endpoints, requests, system.client)
        report, telemetry = issue_once(system.running, issuer, target, out, show)
        refuse_interrupted(report)
        lost = system.lost()
        if lost is not None:
            raise SetupError(
                f"system {system.name} was lost in block {self.session.block}: {lost.rstrip('.')}; start it "
                "again, and run the same command to go on."
            )
        figures = None if report.aborted is not None else self._figures(out, turns, report, system)
        facts = RunFacts(
            alive=True,
            same_process=None if not system.running.processes else system.running.trouble() is None,
            version_before=version,
            version_after=system.version(),
            store_sha256=store.manifest.bodies_sha256,
            sent_sha256=self.bodies.sha256(),
            probed=self.plan.probed.get(system.name),
        )
        record = self._record(report, telemetry, figures, facts, reset)
        write_atomic(out / CELL_RECORD, record.model_dump_json(indent=2) + "\n", private=True)
        return record

    def _figures(self, out: Path, turns: Turns, report: LoadReport, system: OpenSystem) -> CellFigures | None:
        return figures_of(
            pq.read_table(out / REQUESTS_TABLE),
            turns,
            self.cell.level,
            self.workload,
            report,
            CacheFacts(
                caching=self.server.prefix_caching,
                common_tokens=self.plan.common_tokens.get(system.name, 0),
            ),
            RunTelemetry.read(out / TELEMETRY_FILE),
        )

    def _record(
        self,
        report: LoadReport,
        telemetry: TelemetryBrief | None,
        figures: CellFigures | None,
        facts: RunFacts,
        reset: str,
    ) -> CellRecord:
        return CellRecord(
            sweep=self.settings.name,
            key=self.key,
            wave=self.session.wave,
            block=self.session.block,
            slot=self.session.slot,
            repeat=self.repeat,
            system=self.session.system,
            workload=self.workload.name,
            level=self.cell.level,
            counts=self.cell.counts,
            store_sha256=self.bodies.store.manifest.digest,
            sent_sha256=facts.sent_sha256,
            code_sha256=sweep_code_sha256(),
            weighbridge_version=__version__,
            host=this_host(),
            server=self.server.model_copy(update={"version": facts.version_before}),
            reset=reset,
            load=report,
            telemetry=telemetry,
            figures=figures,
            checks=cell_checks(figures, report, self.workload, self.cell.level, self.settings, facts),
        )


def now_text() -> str:
    """Return the time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
