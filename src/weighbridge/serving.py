"""A model server for the length of one run: started, watched, and stopped without a trace."""

import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from weighbridge.config import ServerSettings
from weighbridge.errors import SetupError
from weighbridge.probing import served_models

log = logging.getLogger(__name__)

# The rules allow nothing to be kept from one query to the next: no prefix cache, no picture cache.
_RULES_ARGUMENTS = ("--no-enable-prefix-caching", "--mm-processor-cache-gb=0")
_POLL_S = 0.25
_REPORT_EVERY_S = 10
_TAIL_LINES = 15


@dataclass(frozen=True)
class RunningServer:
    """Endpoints that answer, and how they came to be."""

    endpoints: tuple[str, ...]
    command: tuple[str, ...]
    ready_s: float


def end_on_sigterm() -> None:
    """Make SIGTERM unwind the stack as Ctrl-C does, so that with blocks stop what they started."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def find_executable(settings: ServerSettings) -> Path:
    """Find the server's program.

    Raises:
        SetupError: it is not there, or cannot be run.
    """
    found = shutil.which(settings.executable)
    if found is None:
        raise SetupError(
            f"the model server '{settings.executable}' is not an executable file here; install it "
            "(make setup builds the demo's), or set server.executable, or server.endpoints for a running one."
        )
    return Path(found)


def check_port(port: int) -> None:
    """Make sure that nothing listens on a fixed port.

    Raises:
        SetupError: naming the port, and who holds it where the system tells.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SetupError(
                f"port {port} (server.port) is in use{_holder(port)}; stop that program, or remove "
                "server.port so that a free port is taken."
            ) from None


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve_command(settings: ServerSettings, model: Path, port: int) -> tuple[str, ...]:
    """Write the command line of one server."""
    return (
        str(find_executable(settings)),
        "serve",
        str(model),
        f"--served-model-name={settings.model_name}",
        "--host=127.0.0.1",
        f"--port={port}",
        *_RULES_ARGUMENTS,
        *settings.args,
    )


@contextlib.contextmanager
def running_server(
    settings: ServerSettings, model: Path, log_path: Path, api_key: str | None = None
) -> Iterator[RunningServer]:
    """Have a server that answers, for the length of a with block.

    Starts one in a session of its own and stops its whole process group afterwards, whatever ends the
    block; or attaches to `server.endpoints` and leaves them alone.

    Args:
        settings: The server's settings.
        model: Folder of the model.
        log_path: File that receives what the server prints.
        api_key: Key that clients will send; reaches the server by its environment.

    Raises:
        SetupError: it does not start, dies while it starts (with the end of its log), or is not
            ready in time.
    """
    if settings.endpoints:
        started = time.monotonic()
        for endpoint in settings.endpoints:
            _await_answer(endpoint, settings, api_key)
        yield RunningServer(settings.endpoints, (), time.monotonic() - started)
        return
    if settings.port is not None:
        check_port(settings.port)
    port = settings.port or _free_port()
    command = serve_command(settings, model, port)
    environment = {**os.environ, **settings.env} | ({"VLLM_API_KEY": api_key} if api_key else {})
    log.info("starting the server: %s", " ".join(command))
    started = time.monotonic()
    with log_path.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _await_answer(endpoint, settings, api_key, process, log_path)
        ready_s = time.monotonic() - started
        log.info("the server is ready after %.1f s", ready_s)
        yield RunningServer((endpoint,), command, ready_s)
    finally:
        _stop(process, settings.stop_timeout_s)


def _await_answer(
    endpoint: str,
    settings: ServerSettings,
    api_key: str | None,
    process: subprocess.Popen[bytes] | None = None,
    log_path: Path | None = None,
) -> None:
    """Wait until an endpoint serves the asked model, watching the process meanwhile."""
    started = reported = time.monotonic()
    while True:
        models = served_models(endpoint, api_key)
        if models is not None:
            break
        if process is not None and log_path is not None and process.poll() is not None:
            raise SetupError(_death_notice(process.returncode, log_path))
        now = time.monotonic()
        if now - started > settings.startup_timeout_s:
            raise SetupError(
                f"the server at {endpoint} did not answer within server.startup_timeout_s "
                f"({settings.startup_timeout_s:g} s); see its log{f' {log_path}' if log_path else ''}."
            )
        if now - reported > _REPORT_EVERY_S:
            reported = now
            last = _tail(log_path, 1) if log_path else ""
            log.info("waiting for the server, %.0f s: %s", now - started, last)
        time.sleep(_POLL_S)
    if settings.model_name not in models:
        raise SetupError(
            f"the server at {endpoint} serves {', '.join(models) or 'no model'}, not "
            f"'{settings.model_name}'; set server.model_name to the name it serves."
        )


def _death_notice(code: int, log_path: Path) -> str:
    text = log_path.read_text(errors="replace")
    # A missing system library is the commonest reason on a new machine, and hard to see in a traceback.
    library = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file", text)
    if library:
        return missing_library(library[1])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"the server {how} while starting; the end of its log {log_path}:\n{_tail(log_path, _TAIL_LINES)}"


def missing_library(name: str) -> str:
    """Say that the server lacks a system library, and what to install."""
    package = {"libnuma.so.1": "libnuma1"}.get(name)
    remedy = f"apt-get install {package}" if package else "install the package that has it"
    return f"the model server needs the system library {name}, which is not on this machine; {remedy}."


def _tail(path: Path, lines: int) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """End the server and all it started: SIGTERM, then SIGKILL for what is left."""
    family = _family(process)
    # A second Ctrl-C must not leave a server behind that holds the accelerators.
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, signal.SIG_IGN)
    try:
        log.info("stopping the server")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
        _await_end(family, timeout_s)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _await_end(family: list[psutil.Process], timeout_s: float) -> None:
    """Wait until killed processes are gone; one that its new parent has not reaped holds nothing more."""
    deadline = time.monotonic() + timeout_s
    while any(_lives(member) for member in family) and time.monotonic() < deadline:
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All processes below one; psutil compares start times, so a reused number is no member."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
