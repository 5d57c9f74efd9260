"""A server that answers as it must, ready to be measured once or many times."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from weighbridge import __version__
from weighbridge.artifacts.proof import Proof
from weighbridge.client.process_group import Progress
from weighbridge.config.round import Mode, Round, ScenarioRules
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import ClientSettings
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.loadgen.issuer import drive
from weighbridge.monitor.reporter import Reporter, reporting
from weighbridge.monitor.run_progress import MeasurementPlan
from weighbridge.records.progress_record import Phase
from weighbridge.records.run_record import (
    ANSWERS,
    DETAIL,
    RUN_RECORD,
    SUMMARY,
    TELEMETRY_FILE,
    LoadReport,
    RunRecord,
    ServerRecord,
    TelemetryBrief,
)
from weighbridge.requests.store import RequestStore
from weighbridge.run.preflight import check_accelerators, check_loadgen
from weighbridge.serving.probing import Golden, at_once, check_golden, warm_up
from weighbridge.serving.running_server import RunningServer, end_on_sigterm, running_server
from weighbridge.system.detection import detect
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
    """

    round_: Round
    server: ServerSettings
    client: ClientSettings
    model: Proof
    store: Path


@dataclass(frozen=True)
class Session:
    """A running server, checked and warm.

    Attributes:
        setup: What is measured.
        running: The server.
        prepared: What is recorded of it.
        requests: The opened store.
        code: sha256 over the package as the session began with it.
        revision: Of the checkout, likewise.
        reporter: Told what the session does.
    """

    setup: Setup
    running: RunningServer
    prepared: ServerRecord
    requests: RequestStore
    code: str
    revision: str | None
    reporter: Reporter

    def measure(
        self,
        scenario: ScenarioRules,
        mode: Mode,
        target_qps: float,
        out: Path,
        *,
        round_: Round | None = None,
        watch: Callable[[Progress], str | None] | None = None,
        label: str | None = None,
    ) -> RunRecord:
        """Drive one LoadGen run and write its run.json, whether or not it came to its end.

        Args:
            scenario: Which scenario of the round.
            mode: Performance or accuracy.
            target_qps: Samples/s expected (Offline) or queries/s to issue (Server).
            out: Folder for LoadGen's logs, run.json, errors.jsonl and telemetry.parquet.
            round_: Other rules than the session's, for a short run that only probes.
            watch: Told how far the run is; what it returns ends the run, as its reason.
            label: What the progress calls the run; default: scenario and mode.

        Raises:
            InputError: the store does not fit the round, or `out` cannot be used.
            SetupError: LoadGen does not take the settings.
        """
        setup, rules = self.setup, round_ or self.setup.round_
        plan = MeasurementPlan.of(label or f"{scenario} {mode}", rules, scenario, mode, target_qps)
        run_progress, watched = self.reporter.measure(plan, out), Watched(watch)

        def progress(state: Progress) -> None:
            run_progress(state)
            watched(state)

        servers = tuple(server.process.pid for server in self.running.processes)
        endpoints, key = self.running.endpoints, _api_key(setup.client)
        names = self.running.metric_names
        with recording(endpoints, key, servers, out / TELEMETRY_FILE, names) as telemetry:
            report = drive(
                round_=rules,
                scenario=scenario,
                mode=mode,
                target_qps=target_qps,
                store=setup.store,
                endpoints=endpoints,
                client=setup.client,
                out=out,
                progress=progress,
                alarm=lambda: self.running.trouble() or watched.reason,
            )
        self.reporter.measured(report)
        record = self._record(rules, scenario, mode, report, telemetry.brief, out)
        write_atomic(out / RUN_RECORD, record.model_dump_json(indent=2) + "\n")
        _say(scenario, mode, report)
        return record

    def settle(self) -> None:
        """Wait until the server has done what an ended run left it: one answer more, from each endpoint.

        Raises:
            SetupError: a server fails the request.
        """
        client = self.setup.client
        bodies, key = _spread(self.requests, 1), _api_key(client)
        endpoints = self.running.endpoints
        at_once(lambda to: warm_up(to, bodies, key, client.request_timeout_s), endpoints, len(endpoints))

    def _record(
        self,
        round_: Round,
        scenario: ScenarioRules,
        mode: Mode,
        report: LoadReport,
        telemetry: TelemetryBrief | None,
        out: Path,
    ) -> RunRecord:
        manifest = self.requests.manifest
        return RunRecord(
            round=round_.name,
            submittable=round_.submittable,
            not_submittable_because=round_.not_submittable_because,
            scenario=scenario.name,
            mode=mode,
            weighbridge_version=__version__,
            git_revision=self.revision,
            code_sha256=self.code,
            pins={
                "model": self.setup.model.manifest_digest,
                "dataset": manifest.dataset_digest,
                "prompt": manifest.prompt_sha256,
            },
            store_sha256=manifest.bodies_sha256,
            host=this_host(),
            # Servers that the user runs may be anywhere; only the user can describe their machines.
            system={} if self.setup.server.endpoints else detect(),
            logs={
                name: sha256_of(out / name) for name in (DETAIL, SUMMARY, ANSWERS) if (out / name).is_file()
            },
            server=self.prepared,
            load=report,
            telemetry=telemetry,
        )


class Watched:
    """Keeps what a watcher said last, for the alarm that ends a run."""

    def __init__(self, watch: Callable[[Progress], str | None] | None) -> None:
        self.reason: str | None = None
        self._watch = watch

    def __call__(self, state: Progress) -> None:
        """Pass the state on."""
        if self._watch is not None and self.reason is None:
            self.reason = self._watch(state)


@contextmanager
def session(setup: Setup, server_log: Path, label: str) -> Iterator[Session]:
    """Start the server, check and warm it, and have it for the length of a with block.

    Args:
        setup: What is measured.
        server_log: File for what the server prints; its folder is made, and has progress.json too.
        label: What the progress calls the session until it measures.

    Raises:
        InputError: the store or the key's variable cannot be used.
        SetupError: LoadGen is not the round's, or the server does not start, or answers wrongly.
    """
    end_on_sigterm()
    # Now, and not when the record is written: sources may be edited during a run of hours.
    code, revision = code_sha256(), git_revision()
    check_loadgen(setup.round_)
    requests = RequestStore.open(setup.store)
    if not setup.server.endpoints:
        check_accelerators(setup.server.gpus)
    api_key = _api_key(setup.client)
    server_log.parent.mkdir(parents=True, exist_ok=True)
    with (
        reporting(server_log.parent, label) as reporter,
        running_server(
            setup.server,
            setup.model.folder,
            server_log,
            api_key,
            reporter.starting,
            forbidden=setup.round_.server_must_not,
        ) as running,
    ):
        reporter.enter(Phase.WARMING)
        prepared = _prepare(running, setup.server, setup.client, requests, api_key)
        yield Session(setup, running, prepared, requests, code, revision, reporter)


def _api_key(client: ClientSettings) -> str | None:
    if client.api_key_env is None:
        return None
    key = os.environ.get(client.api_key_env)
    if not key:
        raise InputError(
            f"client.api_key_env names {client.api_key_env}, which is not set in the environment; "
            f"export {client.api_key_env}, or remove the setting for a server without a key."
        )
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
    bodies = _spread(requests, settings.warmup_requests)

    def prepare(endpoint: str) -> None:
        if settings.golden is not None:
            body = bytes(requests.body(Golden.read(settings.golden).sample))
            check_golden(endpoint, settings.golden, body, api_key, client.request_timeout_s)
        warm_up(endpoint, bodies, api_key, client.request_timeout_s)

    at_once(prepare, running.endpoints, len(running.endpoints))
    warmup_s = time.monotonic() - started
    log.info("the server answers as it must; warmed up in %.1f s", warmup_s)
    return ServerRecord(
        kind=running.kind,
        command=running.command,
        launcher=running.launcher,
        devices=running.devices,
        environment=settings.env,
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
    """Take requests evenly from the whole store, so that the warm-up sees lengths of every kind."""
    step = max(1, len(requests) // max(1, count))
    return [bytes(requests.body(index)) for index in range(0, len(requests), step)[:count]]


def _say(scenario: ScenarioRules, mode: Mode, report: LoadReport) -> None:
    for warning in report.warnings:
        log.warning("%s", warning)
    if report.failures and report.aborted is None:  # else whoever ended the run says why
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.failed.items() if count)
        log.error("%d requests failed (%s); see errors.jsonl", report.failures, kinds)
    log.info(
        "%s %s: %d of %d samples answered at %.2f a second",
        scenario.name,
        mode,
        report.completed,
        report.issued,
        report.achieved_qps,
    )
