"""A session: servers started, checked and warm, on which any issuer measures, once or many times."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from weighbridge import __version__
from weighbridge.artifacts.proof import Proof
from weighbridge.client.issuer import IssuePlan, Issuer, Target
from weighbridge.client.load_run import check_load
from weighbridge.client.process_group import Observe
from weighbridge.config.closed_rules import TaskPart
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import ClientSettings
from weighbridge.core.errors import InputError
from weighbridge.core.files import disk_needed, sha256_of, write_atomic
from weighbridge.core.secrets import MaskingFormatter
from weighbridge.records.progress_record import Phase
from weighbridge.records.run_record import (
    RUN_RECORD,
    TELEMETRY_FILE,
    LoadReport,
    RunRecord,
    ServerRecord,
    TelemetryBrief,
)
from weighbridge.requests.store import RequestStore
from weighbridge.requests.store_check import StoreCheck, checking
from weighbridge.run.observer import Observer, Observing, unobserved
from weighbridge.run.stopped_servers import StoppedServers
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.probing import Golden, at_once, check_golden, warm_up
from weighbridge.serving.running_server import RunningServer, running_server
from weighbridge.serving.server_environment import inherited_variables, without_secrets
from weighbridge.serving.server_report import reported_by
from weighbridge.system.detection import detect
from weighbridge.system.gpus import check_accelerators
from weighbridge.system.identity import code_sha256, git_revision, this_host
from weighbridge.system.telemetry import recording

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
    """

    round_: Round
    server: ServerSettings
    client: ClientSettings
    model: Proof
    store: Path
    must_not_change: tuple[TaskPart, ...] = ()
    settings_sha256: str | None = None


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
    """

    setup: Setup
    running: RunningServer
    prepared: ServerRecord
    requests: RequestStore
    store_check: StoreCheck
    code: str
    revision: str | None
    observer: Observer

    def measure(self, issuer: Issuer, out: Path, watch: Observe | None = None) -> RunRecord:
        """Let an issuer measure once, and write run.json, whether or not the run came to its end.

        Args:
            issuer: What issues the requests.
            out: Folder for the issuer's logs, run.json, errors.jsonl and telemetry.parquet.
            watch: Receives the counts of the run; a returned text ends the run, as its reason.

        Raises:
            InputError: the store does not fit the issuer, or `out` cannot be used.
            SetupError: the issuer's library refuses its settings, or the disk takes no more files.
        """
        with disk_needed(out):
            return self._measure(issuer, out, watch)

    def _measure(self, issuer: Issuer, out: Path, watch: Observe | None) -> RunRecord:
        servers = tuple(server.pid for server in self.running.processes)
        show = self.observer.measure(issuer.plan, out, self.setup.client.connections)
        observe = StoppedServers(servers).beside(show, watch)
        endpoints, client = self.running.endpoints, self.setup.client
        names = self.running.metric_names
        with recording(endpoints, _api_key(client), servers, out / TELEMETRY_FILE, names) as telemetry:
            report = issuer.issue(
                Target(endpoints, self.requests, client), out, observe, self.running.trouble
            )
        if report.aborted is None and (stranger := self.running.stranger()) is not None:
            report = report.model_copy(update={"aborted": stranger})
        self.observer.measured(report)
        record = self._record(issuer, report, telemetry.brief, out)
        write_atomic(out / RUN_RECORD, record.model_dump_json(indent=2) + "\n", private=True)
        _log_report(issuer.plan, report)
        return record

    def settle(self) -> None:
        """Wait until the servers have finished what an ended run left them: one further answer from each.

        Raises:
            SetupError: a server fails the request.
        """
        client = self.setup.client
        bodies, key = _spread(self.requests, 1), _api_key(client)
        endpoints, api = self.running.endpoints, self.requests.manifest.api
        at_once(lambda to: warm_up(to, api, bodies, key, client.request_timeout_s), endpoints, len(endpoints))

    def _record(
        self, issuer: Issuer, report: LoadReport, telemetry: TelemetryBrief | None, out: Path
    ) -> RunRecord:
        round_ = self.setup.round_
        manifest = self.requests.manifest
        return RunRecord(
            round=round_.name,
            submittable=round_.submittable,
            not_submittable_because=round_.not_submittable_because,
            scenario=issuer.plan.scenario,
            mode=issuer.plan.mode,
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
            requests=manifest.settings,
            envelope=(manifest.prefix, manifest.suffix),
            host=this_host(),
            # Servers that the user runs may be anywhere; only the user can describe their machines.
            system={} if self.setup.server.endpoints else detect(),
            logs={name: sha256_of(out / name) for name in issuer.evidence if (out / name).is_file()},
            server=self.prepared,
            load=report,
            telemetry=telemetry,
        )


@contextmanager
def session(
    setup: Setup, server_log: Path, label: str, observing: Observing = unobserved
) -> Iterator[Session]:
    """Start the server, check and warm it, and stop it after the with block.

    Args:
        setup: What is measured.
        server_log: File for what the server prints; its folder is made, and has progress.json too.
        label: What observers call the session until it measures.
        observing: Makes the observer of the session.

    Raises:
        InputError: the store is not as it was built or not the round's, the key's variable cannot be used, or
            the system does not allow as many connections as the settings ask for.
        SetupError: the server does not start, or answers wrongly.
    """
    # Now, and not when the record is written: sources may be edited during a run of hours.
    code, revision = code_sha256(), git_revision()
    requests = RequestStore.open(setup.store)
    check_load(requests, setup.client, setup.round_.samples)
    if not setup.server.endpoints:
        check_accelerators(setup.server.gpus)
    api_key = _api_key(setup.client)
    server_log.parent.mkdir(parents=True, exist_ok=True)
    with observing(server_log.parent, label) as observer, checking(requests) as store_check:

        def starting(stage: str) -> None:
            store_check.refuse()  # no server needs to come up for it
            observer.starting(stage)

        with running_server(
            setup.server,
            setup.model.folder,
            server_log,
            api_key,
            starting,
            forbidden=setup.round_.server_must_not,
            must_not_change=setup.must_not_change,
        ) as running:
            observer.enter(Phase.WARMING)
            store_check.finish()
            prepared = _prepare(running, setup.server, setup.client, requests, api_key)
            yield Session(setup, running, prepared, requests, store_check, code, revision, observer)


def _api_key(client: ClientSettings) -> str | None:
    if client.api_key_env is None:
        return None
    key = os.environ.get(client.api_key_env)
    if not key:
        raise InputError(
            f"client.api_key_env names {client.api_key_env}, which is not set in the environment; "
            f"export {client.api_key_env}, or remove the setting for a server without a key."
        )
    MaskingFormatter.hide(key)
    return key


def _prepare(
    running: RunningServer,
    settings: ServerSettings,
    client: ClientSettings,
    requests: RequestStore,
    api_key: str | None,
) -> ServerRecord:
    """Check and warm every endpoint outside the clock."""
    started = time.monotonic()
    bodies, api = _spread(requests, settings.warmup_requests), requests.manifest.api

    def prepare(endpoint: str) -> None:
        if settings.golden is not None:
            body = bytes(requests.body(Golden.read(settings.golden).sample))
            check_golden(endpoint, settings.golden, api, body, api_key, client.request_timeout_s)
        warm_up(endpoint, api, bodies, api_key, client.request_timeout_s)

    at_once(prepare, running.endpoints, len(running.endpoints))
    warmup_s = time.monotonic() - started
    reported = reported_by(
        running.kind, (server.launch for server in running.processes), settings.logs, api_key
    )
    log.info("the server answers as it must; warmed up in %.1f s", warmup_s)
    return ServerRecord(
        kind=running.kind,
        command=running.command,
        launcher=running.launcher,
        devices=running.devices,
        environment=without_secrets(settings.env),
        # Servers that the user runs have an environment that cannot be seen from here.
        inherited={}
        if settings.endpoints
        else inherited_variables(adapter_of(settings), os.environ, settings.env),
        proven=running.proven,
        reported_arguments=reported,
        endpoints=running.endpoints,
        model_name=settings.model_name,
        version=running.version,
        ready_s=running.ready_s,
        golden="as recorded" if settings.golden else "not recorded for this model",
        prefix_caching=running.prefix_caching,
        warmup_requests=settings.warmup_requests * len(running.endpoints),
        warmup_s=warmup_s,
    )


def _spread(requests: RequestStore, count: int) -> Sequence[bytes]:
    """Return requests spread evenly over the whole store, so that the warm-up covers all lengths."""
    step = max(1, len(requests) // max(1, count))
    return [bytes(requests.body(index)) for index in range(0, len(requests), step)[:count]]


def _log_report(plan: IssuePlan, report: LoadReport) -> None:
    for warning in report.warnings:
        log.warning("%s", warning)
    if report.failures and report.aborted is None:  # an aborted run is reported with its reason
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.failed.items() if count)
        log.error("%d requests failed (%s); see errors.jsonl", report.failures, kinds)
    log.info(
        "%s %s: %d of %d samples answered at %.2f a second",
        plan.scenario,
        plan.mode,
        report.completed,
        report.issued,
        report.achieved_qps,
    )
