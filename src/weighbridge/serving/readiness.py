"""Wait until started servers answer with the asked model, and see how long each stage of their start took."""

import logging
import time
from collections.abc import Callable, Sequence

from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.core.terminal import RECURRING
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.probing import served_models
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
) -> dict[str, float]:
    """Wait until all endpoints serve the asked model, watching the processes meanwhile.

    Args:
        endpoints: Base URLs.
        settings: The server's settings.
        api_key: Key of the clients.
        servers: The processes that were started for them; none where the user runs them.
        starting: Called with the stage of a server that is not ready yet.

    Returns:
        Seconds of each stage of the start.

    Raises:
        SetupError: a process ends, an endpoint does not answer in time, or it serves another model.
    """
    adapter = adapter_of(settings)
    started = reported = time.monotonic()
    waiting = list(endpoints)
    logs = {server.launch.endpoint: server.launch.log for server in servers}
    startup = StartupProgress(endpoints, logs, adapter.log_stages)
    while True:
        waiting = [endpoint for endpoint in waiting if not _answers(endpoint, settings, api_key)]
        if not waiting:
            startup.account("ready")
            return startup.spent_s
        for server in servers:
            if server.dead:
                raise SetupError(server.exit_message(adapter))
        stage, now = startup.stage(waiting), time.monotonic()
        if starting is not None:
            starting(stage)
        if now - started > settings.startup_timeout_s:
            late = " ".join(str(path) for endpoint, path in logs.items() if endpoint in waiting)
            raise SetupError(
                f"the server at {waiting[0]} did not answer within server.startup_timeout_s "
                f"({settings.startup_timeout_s:g} s); see its log{f' {late}' if late else ''}."
            )
        if now - reported > _REPORT_EVERY_S:
            reported = now
            log.info("waiting for the server, %.0f s: %s", now - started, stage, extra=RECURRING)
        time.sleep(_POLL_S)


def _answers(endpoint: str, settings: ServerSettings, api_key: str | None) -> bool:
    models = served_models(endpoint, api_key)
    if models is None:
        return False
    if settings.model_name not in models:
        raise SetupError(
            f"the server at {endpoint} serves {', '.join(models) or 'no model'}, not "
            f"'{settings.model_name}'; set server.model_name to the name it serves."
        )
    return True
