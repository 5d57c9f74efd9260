"""One run of a driver and its workers, from the checks before it to the report after it.

Every issuer that sends through our own workers ends here.
"""

import os
import resource
import secrets
from pathlib import Path

from weighbridge.client import request_log
from weighbridge.client.client_record import client_record
from weighbridge.client.conservation import contradiction
from weighbridge.client.frames import Driver, WorkerJob
from weighbridge.client.issuer import Target
from weighbridge.client.process_group import ProcessGroup
from weighbridge.client.sample_counts import Observe, Stop
from weighbridge.config.client_settings import ClientSettings
from weighbridge.core.errors import InputError
from weighbridge.records.run_record import CLIENT_FILES, REQUESTS_BINARY, REQUESTS_TABLE, LoadReport
from weighbridge.requests.sent_requests import SentRequests


def check_load(store: SentRequests, client: ClientSettings, samples: int) -> None:
    """Check all that a run needs of the client and that can be seen before a server starts.

    Args:
        store: The opened store of request bodies.
        client: Workers, connections, name of the key's variable.
        samples: How many requests the store must hold.

    Raises:
        InputError: the store holds another number of requests, the key is not set, or the system does not
            allow as many connections as the settings ask for.
    """
    if len(store) != samples:
        raise InputError(
            f"{store.path}: holds {len(store)} requests, the round needs {samples}; build it again."
        )
    check_client(client)


def check_client(client: ClientSettings) -> None:
    """Check that the settings of the client can be met here.

    Raises:
        InputError: the key is not set, or the system does not allow as many connections as are asked for.
    """
    if client.api_key_env is not None and not os.environ.get(client.api_key_env):
        raise InputError(f"client.api_key_env names {client.api_key_env}, which is not set; export it.")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and client.descriptors_of_worker > most:
        raise InputError(
            f"client.connections is {client.connections} for {client.workers} workers, and a process may "
            f"open {most} files here; raise that limit (ulimit -Hn), raise client.workers, or lower this."
        )


def clear(out: Path, *patterns: str) -> None:
    """Make a run's folder, and remove the files of an earlier run, which must not be taken for this run's.

    Args:
        out: The folder.
        patterns: Globs of the issuer's own files.

    Raises:
        InputError: it is not a folder that can be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for pattern in (*CLIENT_FILES, *patterns):
            for file in out.glob(pattern):
                file.unlink()
    except OSError as error:
        raise InputError(f"{out}: not a folder that can be written ({error.strerror}).") from None


def run_processes(driver: Driver, target: Target, observe: Observe | None, stop: Stop | None) -> ProcessGroup:
    """Run a driver and the workers that the settings ask for, to the end; no process is left.

    Raises:
        SetupError: the driver refuses its settings, or the disk or the machine fails it.
    """
    client, requests, form = target.client, target.requests, target.requests.form
    nonce = secrets.token_hex(8)  # the ids of no two runs' requests are alike
    group = ProcessGroup(
        driver,
        [
            WorkerJob(
                number=number,
                store=str(requests.path.resolve()),
                endpoints=list(target.endpoints),
                api=requests.api,
                model=requests.model_name,
                nonce=nonce,
                api_key_env=client.api_key_env,
                connections=client.connections_of_worker,
                connect_timeout_s=client.connect_timeout_s,
                request_timeout_s=client.request_timeout_s,
                stream=form.stream,
                answers=requests.answers,
                before=form.before.decode(),
                after=form.after.decode(),
                cut_start=form.cut_start,
                cut_end=form.cut_end,
                first_tokens=driver.job.first_tokens,
                early_connections=min(
                    client.connections_of_worker, -(-driver.job.in_flight // client.workers)
                ),
            )
            for number in range(client.workers)
        ],
        client.stall_limit_s,
    )
    group.run(observe, stop)
    return group


def load_report(group: ProcessGroup, requests: SentRequests, out: Path, *, target_qps: float) -> LoadReport:
    """Turn the request log into its table, and report on the run.

    A log that lost records, or that contradicts the driver's counts, makes it a run that ended early: the
    report's `aborted` says so, and the log stays beside the table.

    Args:
        group: The finished processes.
        requests: The store whose bodies were sent.
        out: The run's folder.
        target_qps: The rate that was asked for.
    """
    records = request_log.read_records(out / REQUESTS_BINARY, len(requests))
    request_log.write_parquet(records, out / REQUESTS_TABLE)
    altered = contradiction(group, records, out)
    if altered is None:
        (out / REQUESTS_BINARY).unlink(missing_ok=True)
    failed = request_log.failures(records)
    cpu_s = sum(group.cost.cpu_s.values())
    return LoadReport(
        issued=group.issued,
        completed=len(records) - sum(failed.values()),
        failed=failed,
        empty=failed.get("empty", 0),
        aborted=group.aborted or altered,
        requested_qps=target_qps,
        achieved_qps=request_log.achieved_qps(records),
        schedule_delay=request_log.schedule_delay(records),
        client_cpu_s=cpu_s,
        client_cpu_us_per_request=cpu_s / max(len(records), 1) * 1e6,
        client=client_record(group, records),
        peak_rss_bytes=group.cost.peak_rss_bytes,
        in_flight=request_log.in_flight(records),
        sent_bytes=int(requests.sent_sizes()[records["sample"][records["sent_ns"] > 0]].sum()),
        received_bytes=int(records["received_bytes"].sum(dtype="int64")),
        started=group.started.isoformat(timespec="milliseconds"),
        ended=group.ended.isoformat(timespec="milliseconds"),
        loadgen_version=group.version,
        settings=group.settings,
        cut_off=group.cut_off,
        not_issued=group.not_issued,
    )
