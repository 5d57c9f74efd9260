"""One run of the load client: starts LoadGen's process and the workers, watches them, and reports."""

import logging
import os
import resource
from collections.abc import Callable
from pathlib import Path

from weighbridge.client import request_log
from weighbridge.client.jobs import LoadGenJob, WorkerJob
from weighbridge.client.process_group import Crew, Progress
from weighbridge.config.round import Mode, Round, ScenarioRules
from weighbridge.config.settings import ClientSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import write_atomic
from weighbridge.loadgen.user_conf import user_conf
from weighbridge.records.run_record import (
    ERRORS_FILE,
    REQUESTS_BINARY,
    REQUESTS_TABLE,
    TELEMETRY_FILE,
    USER_CONF,
    LoadReport,
)
from weighbridge.requests.store import RequestStore

log = logging.getLogger(__name__)

# Files a worker has open beside its connections: modules, the store, epoll, its socket, the standard streams.
_SPARE_DESCRIPTORS = 64
# Above these the client, not the server, may be what a run measured.
BUSY_SHARE = 0.9
DELAY_BOUND_S = 0.010


def drive(
    *,
    round_: Round,
    scenario: ScenarioRules,
    mode: Mode,
    target_qps: float,
    store: Path,
    endpoints: tuple[str, ...],
    client: ClientSettings,
    out: Path,
    progress: Callable[[Progress], None] | None = None,
    alarm: Callable[[], str | None] | None = None,
) -> LoadReport:
    """Drive one LoadGen run against running servers.

    Ctrl-C and SIGTERM end the run within seconds; like a server that is gone or a worker that died, they do
    not raise: the report says `aborted`, and why.

    Args:
        round_: What the round fixes.
        scenario: How LoadGen issues the work.
        mode: Performance or accuracy.
        target_qps: Samples/s expected (Offline) or queries/s to issue (Server).
        store: Folder of the request store.
        endpoints: Base URLs of the servers.
        client: Workers, connections, timeouts, key.
        out: Folder for LoadGen's logs, user.conf, errors.jsonl and requests.parquet; made if missing.
        progress: Told how far the run is, twice a second.
        alarm: Asked every second whether there is a reason to end the run, such as a dead server.

    Raises:
        InputError: the store does not fit the round, the key is not set, an audit.config lies around, or the
        system does not allow
            as many connections as the settings ask for.
        SetupError: LoadGen does not take the settings, or wrote no logs.
    """
    requests = RequestStore.open(store)
    if len(requests) != round_.samples:
        raise InputError(
            f"{store}: holds {len(requests)} requests, round {round_.name} wants {round_.samples}; "
            "build it again."
        )
    if client.api_key_env is not None and not os.environ.get(client.api_key_env):
        raise InputError(f"client.api_key_env names {client.api_key_env}, which is not set; export it.")
    connections = -(-client.connections // client.workers)
    _check_descriptors(connections, client)
    _clear(out)
    write_atomic(out / USER_CONF, user_conf(round_, scenario, target_qps))
    crew = Crew(
        LoadGenJob(
            model=scenario.loadgen_model or "",
            scenario=str(scenario.loadgen_scenario),
            accuracy=mode is Mode.ACCURACY,
            seeds=round_.loadgen_rules.seeds.model_dump(),
            samples=round_.samples,
            store=str(store.resolve()),
            out=str(out.resolve()),
            endpoints=list(endpoints),
        ),
        [
            WorkerJob(
                number=number,
                store=str(store.resolve()),
                endpoints=list(endpoints),
                api_key_env=client.api_key_env,
                connections=connections,
                connect_timeout_s=client.connect_timeout_s,
                request_timeout_s=client.request_timeout_s,
                stream=requests.manifest.settings.stream,
            )
            for number in range(client.workers)
        ],
    )
    crew.run(progress, alarm)
    if crew.aborted is None and not (out / "mlperf_log_summary.txt").is_file():
        raise SetupError(f"{out}: LoadGen wrote no logs there; make the folder writable.")
    return _report(crew, requests, scenario, target_qps, out)


def _check_descriptors(connections: int, client: ClientSettings) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and connections + _SPARE_DESCRIPTORS > most:
        raise InputError(
            f"client.connections is {client.connections} for {client.workers} workers, and a process may "
            f"open {most} files here; raise that limit (ulimit -Hn), raise client.workers, or lower this."
        )


def _clear(out: Path) -> None:
    """Make the folder, and remove what an earlier run left: its files must not be taken for this run's."""
    for place in (Path.cwd(), out):
        if (place / "audit.config").exists():
            raise InputError(f"{place / 'audit.config'}: LoadGen would follow it; move it away.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (REQUESTS_BINARY, ERRORS_FILE, REQUESTS_TABLE, TELEMETRY_FILE):
            (out / name).unlink(missing_ok=True)
        for file in out.glob("mlperf_log_*"):
            file.unlink()
    except OSError as error:
        raise InputError(f"{out}: not a folder that can be written ({error.strerror}).") from None


def _report(
    crew: Crew, requests: RequestStore, scenario: ScenarioRules, target_qps: float, out: Path
) -> LoadReport:
    records = request_log.read_records(out / REQUESTS_BINARY)
    request_log.write_parquet(records, out / REQUESTS_TABLE)
    (out / REQUESTS_BINARY).unlink(missing_ok=True)
    failed = request_log.failures(records)
    cpu_s = sum(crew.meter.cpu_s.values())
    delay = request_log.schedule_delay(records)
    return LoadReport(
        issued=crew.issued,
        completed=len(records) - sum(failed.values()),
        failed=failed,
        empty=failed.get("empty", 0),
        aborted=crew.aborted,
        requested_qps=target_qps,
        achieved_qps=request_log.achieved_qps(records),
        schedule_delay=delay,
        client_cpu_s=cpu_s,
        client_cpu_us_per_request=cpu_s / max(len(records), 1) * 1e6,
        peak_rss_bytes=crew.meter.peak_rss_bytes,
        in_flight=request_log.in_flight(records),
        sent_bytes=int(requests.sizes()[records["sample"][records["sent_ns"] > 0]].sum()),
        received_bytes=int(records["received_bytes"].sum(dtype="int64")),
        started=crew.started.isoformat(timespec="milliseconds"),
        ended=crew.ended.isoformat(timespec="milliseconds"),
        loadgen_version=crew.loadgen_version,
        settings=crew.settings,
        warnings=tuple(_warnings(crew, scenario, delay.p99_s)),
    )


def _warnings(crew: Crew, scenario: ScenarioRules, delay_p99_s: float) -> list[str]:
    """Say where the client itself may have been the bottleneck, so that nobody blames the server for it."""
    elapsed_s = max((crew.ended - crew.started).total_seconds(), 1e-3)
    found = [
        f"the client's process '{name}' kept a core {cpu_s / elapsed_s:.0%} busy: it may have been the "
        "bottleneck; raise client.workers, or give it more cores"
        for name, cpu_s in crew.meter.cpu_s.items()
        if cpu_s / elapsed_s > BUSY_SHARE
    ]
    if scenario.has_schedule and delay_p99_s > DELAY_BOUND_S:
        found.append(
            f"1 % of the requests left more than {delay_p99_s * 1e3:.1f} ms after LoadGen issued them "
            f"(bound: {DELAY_BOUND_S * 1e3:.0f} ms): the latencies hold the client's own delay; raise "
            "client.workers or client.connections, or give it more cores"
        )
    return found
