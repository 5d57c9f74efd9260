"""A session: servers started, checked and warm, on which any issuer measures, once or many times."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from weighbridge import __version__
from weighbridge.artifacts.proof import Proof
from weighbridge.client.issuer import IssuePlan, Issuer, Target
from weighbridge.client.load_run import check_load
from weighbridge.client.sample_counts import Observe, first_reason
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.closed_rules import TaskPart
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.files import disk_needed, sha256_of, write_atomic
from weighbridge.records.progress_record import Phase
from weighbridge.records.run_record import (
    RUN_RECORD,
    SERVER_LOG,
    LoadReport,
    RunRecord,
    ServerRecord,
    TelemetryBrief,
)
from weighbridge.requests.store import RequestStore
from weighbridge.requests.store_check import StoreCheck, checking
from weighbridge.run.measuring import issue_once
from weighbridge.run.observer import LossWatch, Observer, Observing, unobserved
from weighbridge.run.preparation import prepare_server, spread
from weighbridge.run.recorded_server import api_key_of
from weighbridge.run.server_use import SessionUse
from weighbridge.serving.probing import at_once, warm_up
from weighbridge.serving.running_server import RunningServer, running_server
from weighbridge.system.detection import detect
from weighbridge.system.gpus import check_accelerators
from weighbridge.system.identity import code_sha256, git_revision, this_host

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """What is measured, and with what.

    Attributes:
        round_: What the round fixes.
        server: The server's settings.
        client: The load client's settings.
        model: Proof of the verified model.
        store: Folder of the request store.
        must_not_change: Parts of the task that no argument or variable of the server may change.
        settings_sha256: Of the settings that the runs of a scenario share; None: not known.
        target_from: What the target rate is a share of, in words; None: it was given.
        streamed: Whether what is measured needs streamed answers.
        golden_store: Folder of the requests of which one has a golden answer; None: `store`.
    """

    round_: Round
    server: ServerSettings
    client: ClientSettings
    model: Proof
    store: Path
    must_not_change: tuple[TaskPart, ...] = ()
    settings_sha256: str | None = None
    target_from: str | None = None
    streamed: bool = False
    golden_store: Path | None = None


@dataclass(frozen=True)
class Session:
    """A running server, checked and warm.

    Attributes:
        setup: What is measured.
        running: The server.
        prepared: What is recorded of it.
        requests: The opened store.
        store_check: Its check, which is passed.
        code: sha256 over the measuring code as the session began with it.
        revision: Of the checkout, likewise.
        observer: Receives what the session does.
        use: How the use of the server is recorded, and what of it; None: it is not.
    """

    setup: Setup
    running: RunningServer
    prepared: ServerRecord
    requests: RequestStore
    store_check: StoreCheck
    code: str
    revision: str | None
    observer: Observer
    use: SessionUse | None = None

    def measure(
        self, issuer: Issuer, out: Path, watch: Observe | None = None, loss: LossWatch | None = None
    ) -> RunRecord:
        """Let an issuer measure once, and write run.json, whether or not the run came to its end.

        Args:
            issuer: What issues the requests.
            out: Folder for the issuer's logs, run.json, errors.jsonl and telemetry.parquet.
            watch: Receives the counts of the run; a returned text ends the run, as its reason.
            loss: Likewise; what it finds is recorded, whether or not it ends the run.

        Raises:
            InputError: the store does not fit the issuer, or `out` cannot be used.
            SetupError: the issuer's library refuses its settings, or the disk takes no more files.
        """
        with disk_needed(out):
            return self._measure(issuer, out, watch, loss)

    def _measure(self, issuer: Issuer, out: Path, watch: Observe | None, loss: LossWatch | None) -> RunRecord:
        if self.use is not None:
            self.use.begin()
        client = self.setup.client
        with closing(loss) if loss is not None else nullcontext():
            report, telemetry = issue_once(
                self.running,
                issuer,
                Target(self.running.endpoints, self.requests, client),
                out,
                self.observer.measure(issuer.plan, out, client.connections),
                watch=watch if loss is None else first_reason(loss, watch),
                around=self._server_log(out),
            )
        if loss is not None and loss.lost is not None:
            report = report.model_copy(update={"lost": loss.lost})
        self.observer.measured(report)
        record = self._record(issuer, report, telemetry, out)
        if self.use is not None:
            self.use.end(issuer.plan.label, report)
        write_atomic(out / RUN_RECORD, record.model_dump_json(indent=2) + "\n", private=True)
        _log_report(issuer.plan, report)
        return record

    @contextmanager
    def _server_log(self, out: Path) -> Iterator[None]:
        """Copy what the server printed for this use into the run's folder, however the with block ends."""
        try:
            yield
        finally:
            if self.use is not None and out.is_dir():
                self.running.copy_logs(out / SERVER_LOG)

    def settle(self) -> None:
        """Wait until the servers have finished what an ended run left them: one further answer from each.

        Raises:
            SetupError: a server fails the request.
        """
        client = self.setup.client
        bodies, key = spread(self.requests, 1), api_key_of(client)
        endpoints, api = self.running.endpoints, self.requests.manifest.api
        at_once(lambda to: warm_up(to, api, bodies, key, client.request_timeout_s), endpoints, len(endpoints))
        if self.use is not None:
            self.use.settled()

    def _record(
        self, issuer: Issuer, report: LoadReport, telemetry: TelemetryBrief | None, out: Path
    ) -> RunRecord:
        round_ = self.setup.round_
        manifest, form = self.requests.manifest, self.requests.form
        return RunRecord(
            round=round_.name,
            benchmark=round_.benchmark,
            category=round_.category,
            submittable=round_.submittable,
            not_submittable_because=round_.not_submittable_because,
            scenario=issuer.plan.scenario,
            mode=issuer.plan.mode,
            compliance_test=issuer.plan.compliance_test,
            weighbridge_version=__version__,
            git_revision=self.revision,
            code_sha256=self.code,
            pins={
                "model": self.setup.model.manifest_digest,
                "dataset": manifest.dataset_digest,
                **({"prompt": manifest.prompt_sha256} if manifest.prompt_sha256 else {}),
            },
            store_sha256=manifest.bodies_sha256,
            sent_sha256=self.store_check.sent_sha256(),
            settings_sha256=self.setup.settings_sha256,
            target_from=self.setup.target_from,
            requests=manifest.settings.model_copy(update={"stream": form.stream}),
            envelope=form.envelope,
            host=this_host(),
            # Servers that the user runs may be anywhere; only the user can describe their machines.
            system={} if self.setup.server.endpoints else detect(),
            logs={name: sha256_of(out / name) for name in issuer.evidence if (out / name).is_file()},
            server=self._prepared(),
            load=report,
            telemetry=telemetry,
            client=issuer.official_client,
        )

    def _prepared(self) -> ServerRecord:
        if self.use is None:
            return self.prepared
        return self.prepared.model_copy(update={"life": self.use.brief(self.prepared.life)})


@contextmanager
def session(
    setup: Setup,
    folder: Path,
    label: str,
    observing: Observing = unobserved,
    use: SessionUse | None = None,
) -> Iterator[Session]:
    """Start or take over the server, check and warm it; stop or release it after the with block.

    A with block that ends with an exception stops it, because nobody knows its state then.

    Args:
        setup: What is measured.
        folder: For progress.json and what the server prints; it is made.
        label: What observers call the session until it measures.
        observing: Makes the observer of the session.
        use: How the use of the server is recorded; what it prints goes to its life's folder, and a copy to
            that of each measurement. None: it is not, and the server ends with the with block.

    Raises:
        InputError: the store is not as it was built or not the round's, the key's variable cannot be used, or
            the system does not allow as many connections as the settings ask for.
        SetupError: the server does not start, or answers wrongly.
    """
    # Now, and not when the record is written: sources may be edited during a run of hours.
    code, revision = code_sha256(), git_revision()
    requests = RequestStore.open(setup.store, streamed=setup.streamed)
    check_load(requests, setup.client, setup.round_.samples)
    of_golden = RequestStore.open(setup.golden_store) if setup.golden_store is not None else None
    model = setup.model.folder
    if not setup.server.endpoints:
        model = setup.model.folder_with_weights()
        check_accelerators(setup.server.gpus)
    api_key = api_key_of(setup.client)
    folder.mkdir(parents=True, exist_ok=True)
    digest = setup.model.manifest_digest
    keeping = use.keeping(setup.round_, setup.server, digest) if use is not None else None
    with observing(folder, label) as observer, checking(requests) as store_check:

        def starting(stage: str) -> None:
            store_check.refuse()  # no server needs to come up for it
            observer.starting(stage)

        with running_server(
            setup.server,
            model,
            keeping or folder / SERVER_LOG,
            api_key,
            starting,
            forbidden=setup.round_.server_must_not,
            must_not_change=setup.must_not_change,
        ) as running:
            observer.enter(Phase.WARMING)
            store_check.finish()
            prepared = prepare_server(running, setup.server, setup.client, requests, api_key, of_golden)
            yield Session(setup, running, prepared, requests, store_check, code, revision, observer, use)


def _log_report(plan: IssuePlan, report: LoadReport) -> None:
    for warning in report.warnings:
        log.warning("%s", warning)
    if report.failures and report.aborted is None:  # an aborted run is reported with its reason
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.failed.items() if count)
        log.error("%d requests failed (%s); see errors.jsonl", report.failures, kinds)
    log.info(
        "%s %s: %d of %d samples answered at %.2f a second",
        plan.scenario,
        plan.kind,
        report.completed,
        report.issued,
        report.achieved_qps,
    )
