"""The cheap checks that come before anything expensive: downloads, encoding, GPU hours."""

import logging
import os
import tempfile
from pathlib import Path

from pydantic import Field

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.closed_settings import Division
from weighbridge.config.fingerprint import project_root
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.endpoints.client_packages import check_client_packages
from weighbridge.loadgen.loadgen_settings import check_loadgen
from weighbridge.records.notice import reason_of
from weighbridge.run.closed_division import server_deviations, told, unproven_servers
from weighbridge.run.recorded_server import api_key_of
from weighbridge.serving.arguments import check_arguments
from weighbridge.serving.ports import check_port
from weighbridge.serving.running_server import attached
from weighbridge.serving.served_models import NoAnswerError
from weighbridge.serving.server_report import check_logs
from weighbridge.system.gpus import check_accelerators

log = logging.getLogger(__name__)

_USUAL_WAIT_S: float = ServerSettings.model_fields["endpoints_timeout_s"].default


class Preflight(Model):
    """What the checks found."""

    loadgen_version: str | None = Field(description="Null: LoadGen takes no part in the round.")
    official_client: str | None = Field(
        default=None,
        description="Python and packages of the official endpoints client; null: it takes no part.",
    )
    accelerators: tuple[str, ...]
    not_submittable_because: str | None = Field(
        default=None, description="Why results of the round may not be submitted, if not as a demonstration."
    )


def check(
    round_: Round,
    settings: ServerSettings,
    results: Path,
    division: Division = "closed",
    client: ClientSettings | None = None,
) -> Preflight:
    """Check everything a run needs that can be checked in seconds.

    Args:
        round_: The round that the runs are for.
        settings: The server's settings.
        results: The folder that the runs will write to.
        division: In the open one, a server that does another task is reported and not refused.
        client: Names the key's variable, for servers that the user runs.

    Raises:
        InputError: `results` cannot be written, a log in the settings cannot be read, the server's arguments
            are not the user's to set, in the closed division one or a variable changes the task, or the
            variable with the key is not set.
        SetupError: the first thing that is missing, and its remedy; of endpoints, what is wrong with each.
    """
    if round_.not_submittable_because:
        log.warning("round %s: %s", round_.name, reason_of(round_))
    check_arguments(settings, round_.server_must_not, os.environ)
    for sentence in told(server_deviations(settings, round_, os.environ), round_, division):
        log.warning("%s", sentence)
    if unproven := unproven_servers(settings, round_, division):
        log.warning("%s", unproven)
    check_logs(settings)
    check_writable(results)
    if settings.endpoints and (answers := check_endpoints(settings, client or ClientSettings(), round_)):
        log.info("%s", answers)
    loadgen_version = check_loadgen(round_) if round_.loadgen is not None else None
    official_client = (
        check_client_packages(round_, project_root()) if round_.evidence == "endpoints" else None
    )
    if settings.port is not None and not settings.endpoints:
        check_port(settings.port)
    return Preflight(
        loadgen_version=loadgen_version,
        official_client=official_client,
        accelerators=() if settings.endpoints else check_accelerators(settings.gpus),
        not_submittable_because=round_.not_submittable_because,
    )


def check_endpoints(settings: ServerSettings, client: ClientSettings, round_: Round) -> str | None:
    """Check that the user's servers can be measured; return who answers, None where nobody does so far.

    A wait that was raised above its default is for servers that are started meanwhile: then silence is told
    at once, and the downloads begin.

    Raises:
        InputError: the key's variable is not set.
        SetupError: one cannot be measured, or does not answer within the wait's default.
    """
    api_key, wait_s = api_key_of(client), settings.endpoints_timeout_s
    patient = wait_s > _USUAL_WAIT_S
    try:
        soon = settings.model_copy(update={"endpoints_timeout_s": 0.0 if patient else wait_s})
        running = attached(soon, api_key, round_.server_must_not)
    except NoAnswerError as error:
        if not patient:
            raise
        log.warning("%s The runs will wait up to %g s for it.", error, wait_s)
        return None
    kind = " ".join(filter(None, (running.kind or "a server of unknown kind", running.version)))
    return f"{', '.join(running.endpoints)}: {kind} answers as {settings.model_name}"


def check_writable(folder: Path) -> None:
    """Check that a folder can be written, by writing to it.

    Raises:
        InputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
    except OSError as error:
        raise InputError(
            f"{folder.resolve()}: cannot be written ({error.strerror}); make room or give permission, or "
            "choose another run directory (snakemake --directory)."
        ) from None
