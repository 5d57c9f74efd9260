"""Wait until servers answer with the asked model, and see how long each stage of their start took."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.core.terminal import RECURRING
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.probing import at_once
from weighbridge.serving.served_models import NoAnswerError, models_at
from weighbridge.serving.server_process import ServerProcess
from weighbridge.serving.startup_progress import StartupProgress

log = logging.getLogger(__name__)

_POLL_S = 0.25
_REPORT_EVERY_S = 10


def await_answers(
    endpoints: Sequence[str],
    settings: ServerSettings,
    api_key: str | None,
    servers: Sequence[ServerProcess],
    starting: Callable[[str], None] | None,
    faults_of: Callable[[str], Sequence[SetupError]] = lambda _: (),
) -> dict[str, float]:
    """Wait until all endpoints serve the asked model, watching the processes meanwhile.

    Args:
        endpoints: Base URLs.
        settings: The server's settings.
        api_key: Key of the clients.
        servers: The processes that were started for them; none where the user runs them.
        starting: Called with the stage of a server that is not ready yet.
        faults_of: Returns what is wrong with an endpoint that is ready; called where another is refused, so
            that all is told at once.

    Returns:
        Seconds of each stage of the start.

    Raises:
        NoAnswerError: an endpoint that the user runs does not answer in time, and nothing else is wrong.
        SetupError: a process ends, a started server does not answer in time, or an endpoint serves another
            model or refuses the key. Of several endpoints, each has its sentence.
    """
    adapter = adapter_of(settings)
    started = reported = time.monotonic()
    waiting = list(endpoints)
    limit_s = settings.startup_timeout_s if servers else settings.endpoints_timeout_s
    logs = {server.launch.endpoint: server.launch.log for server in servers}
    startup = StartupProgress(endpoints, logs, adapter.log_stages)
    while True:
        faults = _looked_at(waiting, settings, api_key)
        waiting = [endpoint for endpoint in waiting if endpoint in faults]
        if not waiting:
            startup.account("ready")
            return startup.spent_s
        late = time.monotonic() - started > limit_s
        hopeless = not all(isinstance(fault, NoAnswerError) for fault in faults.values())
        if hopeless or (late and not servers):
            raise together(
                {
                    endpoint: [_told(faults[endpoint], endpoint, servers, limit_s if late else 0)]
                    if endpoint in faults
                    else faults_of(endpoint)
                    for endpoint in endpoints
                }
            )
        for server in servers:
            if server.dead:
                raise SetupError(server.exit_message(adapter))
        stage, now = startup.stage(waiting), time.monotonic()
        if starting is not None:
            starting(stage)
        if late:
            its_log = " ".join(str(path) for endpoint, path in logs.items() if endpoint in waiting)
            raise SetupError(
                f"the server at {waiting[0]} did not answer within server.startup_timeout_s "
                f"({limit_s:g} s); see its log {its_log}."
            )
        if now - reported > _REPORT_EVERY_S:
            reported = now
            log.info("waiting for the server, %.0f s: %s", now - started, stage, extra=RECURRING)
        time.sleep(_POLL_S)


def together(faults: Mapping[str, Sequence[SetupError]]) -> SetupError:
    """Return one error for what is wrong with endpoints, with the sentences on each."""
    found = [fault for each in faults.values() for fault in each]
    if len(found) == 1:
        return found[0]
    kind = NoAnswerError if all(isinstance(fault, NoAnswerError) for fault in found) else SetupError
    refused = sum(bool(each) for each in faults.values())
    several = f"{refused} of the endpoints cannot be measured: " if refused > 1 else ""
    first, *others = map(str, found)
    return kind(several + " ".join((first, *(each[:1].upper() + each[1:] for each in others))))


def _looked_at(
    endpoints: Sequence[str], settings: ServerSettings, api_key: str | None
) -> dict[str, SetupError]:
    """Ask all endpoints at once for their models; return what is wrong with those that are not ready."""
    faults: dict[str, SetupError] = {}

    def look(endpoint: str) -> None:
        try:
            models = models_at(endpoint, api_key)
        except SetupError as error:
            faults[endpoint] = error
            return
        if settings.model_name not in models:
            faults[endpoint] = SetupError(
                f"the server at {endpoint} serves {', '.join(models) or 'no model'}, not "
                f"'{settings.model_name}'; set server.model_name to the name it serves."
            )

    at_once(look, endpoints, len(endpoints))
    return faults


def _told(fault: SetupError, endpoint: str, servers: Sequence[ServerProcess], waited_s: float) -> SetupError:
    """Return an endpoint's fault as a sentence of its own; silence has only a reason until here."""
    if not isinstance(fault, NoAnswerError):
        return fault
    if servers:
        return NoAnswerError(f"the server at {endpoint} does not answer yet ({fault}).")
    tls = "; if it serves TLS, write https://" if "disconnected" in str(fault) else ""
    within = f"did not answer within server.endpoints_timeout_s ({waited_s:g} s)"
    return NoAnswerError(
        f"the server at {endpoint} {within if waited_s else 'does not answer'}: {fault}{tls}; start it, or "
        "correct server.endpoints."
    )
