"""One measurement of running servers by any issuer, with telemetry beside it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from weighbridge.client.issuer import Issuer, Target
from weighbridge.client.sample_counts import Observe, SampleCounts
from weighbridge.records.run_record import TELEMETRY_FILE, LoadReport, TelemetryBrief
from weighbridge.run.recorded_server import api_key_of
from weighbridge.run.stopped_servers import StoppedServers
from weighbridge.serving.running_server import RunningServer
from weighbridge.system.telemetry import recording


def issue_once(
    running: RunningServer,
    issuer: Issuer,
    target: Target,
    out: Path,
    show: Callable[[SampleCounts], None],
    *,
    watch: Observe | None = None,
    around: AbstractContextManager[None] | None = None,
) -> tuple[LoadReport, TelemetryBrief | None]:
    """Let an issuer measure once, while the servers are watched and their telemetry is recorded.

    Args:
        running: The servers.
        issuer: What issues the requests.
        target: What to send to, and how.
        out: Folder for the issuer's logs and telemetry.parquet.
        show: Receives the counts of the run.
        watch: Receives them too; a returned text ends the run, as its reason.
        around: Lasts from before the run until after it, however it ends.

    Returns:
        The report, whose `aborted` says whether a server ended, stopped or was another one; and what was
        recorded beside.

    Raises:
        InputError, SetupError: as `Issuer.issue`.
    """
    servers = tuple(server.pid for server in running.processes)
    observe = StoppedServers(servers).beside(show, watch)
    key, names = api_key_of(target.client), running.metric_names
    with (
        around or nullcontext(),
        recording(target.endpoints, key, servers, out / TELEMETRY_FILE, names) as telemetry,
    ):
        report = issuer.issue(target, out, observe, running.trouble)
    if report.aborted is None and (stranger := running.stranger()) is not None:
        report = report.model_copy(update={"aborted": stranger})
    return report, telemetry.brief
