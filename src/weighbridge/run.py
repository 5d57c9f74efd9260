"""One run: a server that answers, LoadGen that asks, and run.json that tells what happened."""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from weighbridge import __version__
from weighbridge.artifacts.proof import Proof
from weighbridge.config import ClientSettings, ServerSettings
from weighbridge.detection import detect
from weighbridge.errors import InputError, InvalidRunError
from weighbridge.files import sha256_of, write_atomic
from weighbridge.load.drive import drive
from weighbridge.logs import ANSWERS, DETAIL, SUMMARY
from weighbridge.preflight import check_accelerators, check_loadgen
from weighbridge.probing import Golden, at_once, check_golden, server_version, warm_up
from weighbridge.progress import RunProgress
from weighbridge.provenance import code_sha256, git_revision, this_host
from weighbridge.record import LoadReport, RunRecord, ServerRecord
from weighbridge.requests import RequestStore
from weighbridge.rounds import Round
from weighbridge.serving import RunningServer, end_on_sigterm, running_server
from weighbridge.terms import Mode, Scenario

log = logging.getLogger(__name__)


def execute(
    *,
    round_: Round,
    scenario: Scenario,
    mode: Mode,
    target_qps: float,
    server: ServerSettings,
    client: ClientSettings,
    model: Proof,
    store: Path,
    out: Path,
) -> RunRecord:
    """Serve, check, warm up, measure, and stop.

    Args:
        round_: What the round fixes.
        scenario: How LoadGen issues the work.
        mode: Performance or accuracy.
        target_qps: Samples/s expected (Offline) or queries/s to issue (Server).
        server: The server's settings.
        client: The load client's settings.
        model: Proof of the verified model.
        store: Folder of the request store.
        out: Folder of the run; LoadGen's logs, run.json, errors.jsonl and server.log go here.

    Raises:
        InputError: the store, the key's variable or the folder cannot be used.
        SetupError: the server does not start, or does not answer as it must.
        InvalidRunError: the run ended early; what there is stands in `out`/aborted.
    """
    end_on_sigterm()
    # Now, and not when the record is written: sources may be edited during a run of hours.
    code, revision = code_sha256(), git_revision()
    check_loadgen(round_)
    requests = RequestStore.open(store)
    if not server.endpoints:
        check_accelerators(server.gpus)
    api_key = _api_key(client)
    out.mkdir(parents=True, exist_ok=True)
    with running_server(server, model.folder, out / "server.log", api_key) as running:
        prepared = _prepare(running, server, client, requests, api_key)
        report = drive(
            round_=round_,
            scenario=scenario,
            mode=mode,
            target_qps=target_qps,
            store=store,
            endpoints=running.endpoints,
            client=client,
            out=out,
            progress=RunProgress(f"{scenario} {mode}"),
            alarm=running.trouble,
        )
    record = RunRecord(
        round=round_.name,
        submittable=round_.submittable,
        scenario=scenario,
        mode=mode,
        weighbridge_version=__version__,
        git_revision=revision,
        code_sha256=code,
        pins={
            "model": model.manifest_digest,
            "dataset": requests.manifest.dataset_digest,
            "prompt": requests.manifest.prompt_sha256,
        },
        store_sha256=requests.manifest.bodies_sha256,
        host=this_host(),
        # Servers that the user runs may be anywhere; only the user can describe their machines.
        system={} if server.endpoints else detect(),
        logs={name: sha256_of(out / name) for name in (DETAIL, SUMMARY, ANSWERS) if (out / name).is_file()},
        server=prepared,
        load=report,
    )
    write_atomic(out / "run.json", record.model_dump_json(indent=2) + "\n")
    _say(scenario, mode, report)
    if report.aborted:
        kept = _set_aside(out)
        raise InvalidRunError(f"the run ended early: {report.aborted}; its logs are in {kept}.")
    return record


def _set_aside(out: Path) -> Path:
    """Move the files of a run that does not count to where the workflow will not delete them."""
    aside = out / "aborted"
    aside.mkdir(exist_ok=True)
    for path in out.iterdir():
        if path.is_file():
            path.replace(aside / path.name)
    return aside


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
        command=running.command,
        launcher=running.launcher,
        devices=running.devices,
        environment=settings.env,
        endpoints=running.endpoints,
        model_name=settings.model_name,
        version=server_version(running.endpoints[0], api_key),
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


def _say(scenario: Scenario, mode: Mode, report: LoadReport) -> None:
    for warning in report.warnings:
        log.warning("%s", warning)
    if report.failures:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.failed.items() if count)
        log.error("%d requests failed (%s): the run is INVALID; see errors.jsonl", report.failures, kinds)
    log.info(
        "%s %s: %d of %d samples answered at %.2f a second",
        scenario,
        mode,
        report.completed,
        report.issued,
        report.achieved_qps,
    )
