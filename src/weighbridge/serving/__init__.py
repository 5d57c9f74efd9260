"""Model servers for the length of one run: started together, watched, and stopped without a trace."""

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from weighbridge.config.settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.core.terminal import RECURRING
from weighbridge.serving.launch import find_executable, plan, program
from weighbridge.serving.ports import check_port
from weighbridge.serving.probing import keeps_prefixes, served_models
from weighbridge.serving.process import ServerProcess, missing_library, start, stop
from weighbridge.serving.vllm_startup import Startup

__all__ = [
    "RunningServer",
    "check_port",
    "end_on_sigterm",
    "find_executable",
    "missing_library",
    "program",
    "running_server",
]

log = logging.getLogger(__name__)

_POLL_S = 0.25
_REPORT_EVERY_S = 10


@dataclass(frozen=True)
class RunningServer:
    """Endpoints that answer, and how they came to be.

    Attributes:
        endpoints: Base URLs, one a replica.
        command: Command line of the first server; empty when the servers are the user's.
        ready_s: Seconds from the start until all answered.
        launcher: What stood before the command: srun, a container.
        devices: CUDA_VISIBLE_DEVICES of each replica, where they were divided.
        prefix_caching: "off", or "unknown" where a server does not tell.
        processes: What was started.
    """

    endpoints: tuple[str, ...]
    command: tuple[str, ...]
    ready_s: float
    launcher: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    prefix_caching: str = "unknown"
    processes: tuple[ServerProcess, ...] = ()

    def trouble(self) -> str | None:
        """Say which server has ended, if one has: without it, what is measured is another system."""
        for server in self.processes:
            if server.dead:
                return f"the server {server.how_it_ended()} during the run; its log is {server.launch.log}"
        return None


def end_on_sigterm() -> None:
    """Make SIGTERM unwind the stack as Ctrl-C does, so that with blocks stop what they started."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)


@contextlib.contextmanager
def running_server(
    settings: ServerSettings,
    model: Path,
    log_path: Path,
    api_key: str | None = None,
    starting: Callable[[str], None] | None = None,
) -> Iterator[RunningServer]:
    """Have servers that answer, for the length of a with block.

    Starts them, each in a session of its own, and stops their whole process groups afterwards, whatever
    ends the block; or attaches to `server.endpoints` and leaves them alone.

    Args:
        settings: The server's settings.
        model: Folder of the model.
        log_path: File that receives what the server prints; several servers get one each.
        api_key: Key that clients will send; reaches the server by its environment.
        starting: Told in words what a server that is not ready yet is busy with.

    Raises:
        SetupError: one does not start, dies while it starts (with the end of its log), is not ready in
            time, serves another model, or keeps prefixes from one query to the next.
    """
    started = time.monotonic()
    if settings.endpoints:
        _await_answers(settings.endpoints, settings, api_key, (), starting)
        caching = _prefix_caching(settings.endpoints, api_key)
        yield RunningServer(settings.endpoints, (), time.monotonic() - started, prefix_caching=caching)
        return
    servers: list[ServerProcess] = []
    try:
        launches = plan(settings, model, log_path, api_key)
        # What was started before one fails to start is in the list, and is stopped below.
        servers.extend(start(launch) for launch in launches)
        endpoints = tuple(launch.endpoint for launch in launches if launch.endpoint)
        _await_answers(endpoints, settings, api_key, servers, starting)
        ready_s = time.monotonic() - started
        log.info("%s ready after %.1f s", _counted(len(endpoints)), ready_s)
        yield RunningServer(
            endpoints,
            launches[0].command,
            ready_s,
            launches[0].launcher,
            tuple(",".join(launch.devices) for launch in launches if launch.devices),
            _prefix_caching(endpoints, api_key),
            tuple(servers),
        )
    finally:
        stop(servers, settings.stop_timeout_s)


def _counted(servers: int) -> str:
    return "the server is" if servers == 1 else f"{servers} servers are"


def _await_answers(
    endpoints: Sequence[str],
    settings: ServerSettings,
    api_key: str | None,
    servers: Sequence[ServerProcess],
    starting: Callable[[str], None] | None,
) -> None:
    """Wait until all endpoints serve the asked model, watching the processes meanwhile."""
    started = reported = time.monotonic()
    waiting = list(endpoints)
    startup = Startup(endpoints, {server.launch.endpoint: server.launch.log for server in servers})
    while True:
        waiting = [endpoint for endpoint in waiting if not _answers(endpoint, settings, api_key)]
        if not waiting:
            return
        for server in servers:
            if server.dead:
                raise SetupError(server.obituary())
        stage, now = startup.stage(waiting), time.monotonic()
        if starting is not None:
            starting(stage)
        if now - started > settings.startup_timeout_s:
            logs = " ".join(str(server.launch.log) for server in servers if server.launch.endpoint in waiting)
            raise SetupError(
                f"the server at {waiting[0]} did not answer within server.startup_timeout_s "
                f"({settings.startup_timeout_s:g} s); see its log{f' {logs}' if logs else ''}."
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


def _prefix_caching(endpoints: Sequence[str], api_key: str | None) -> str:
    """Make sure that no server keeps prefixes, which the rules forbid, as far as they tell."""
    told = [keeps_prefixes(endpoint, api_key) for endpoint in endpoints]
    for endpoint, keeps in zip(endpoints, told, strict=True):
        if keeps:
            raise SetupError(
                f"the server at {endpoint} has prefix caching on, which the rules forbid; start it with "
                "--no-enable-prefix-caching (vLLM) or --disable-radix-cache (SGLang)."
            )
    if None in told:
        log.warning("a server does not tell whether its prefix caching is off; the rules demand that it is")
        return "unknown"
    return "off"
