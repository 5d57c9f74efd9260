"""One server process: started in a session of its own, watched, and ended with all that it started."""

import contextlib
import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from weighbridge.serving.launch import Launch

log = logging.getLogger(__name__)

_TAIL_LINES = 15


@dataclass(frozen=True)
class ServerProcess:
    """A launch that has happened."""

    launch: Launch
    process: subprocess.Popen[bytes]

    @property
    def dead(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def tail(self, lines: int) -> str:
        """Return the end of its log."""
        return "\n".join(self.launch.log.read_text(errors="replace").splitlines()[-lines:])

    def how_it_ended(self) -> str:
        """Say by which signal, or with which exit code."""
        code = self.process.returncode
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def obituary(self) -> str:
        """Say how it ended while it started, with the end of its log."""
        # A missing system library is the commonest reason on a new machine, and hard to see in a traceback.
        library = re.search(
            r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
            self.launch.log.read_text(errors="replace"),
        )
        if library:
            return missing_library(library[1])
        end = f"the end of its log {self.launch.log}:\n{self.tail(_TAIL_LINES)}"
        return f"the server {self.how_it_ended()} while starting; {end}"


def missing_library(name: str) -> str:
    """Say that the server lacks a system library, and what to install."""
    package = {"libnuma.so.1": "libnuma1"}.get(name)
    remedy = f"apt-get install {package}" if package else "install the package that has it"
    return f"the model server needs the system library {name}, which is not on this machine; {remedy}."


def start(launch: Launch) -> ServerProcess:
    """Start a process near its GPUs, its output in its log."""
    log.info("starting the server: %s", " ".join((*launch.launcher, *launch.command)))
    with launch.log.open("wb") as output, _near(launch.cpus):
        process = subprocess.Popen(
            (*launch.launcher, *launch.command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=launch.environment,
            start_new_session=True,
        )
    return ServerProcess(launch, process)


@contextlib.contextmanager
def _near(cpus: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and so what it starts, on some CPUs for a moment."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def stop(servers: Sequence[ServerProcess], timeout_s: float) -> None:
    """End servers and all they started, together: SIGTERM, then SIGKILL for what is left."""
    family = [member for server in servers for member in _family(server.process)]
    # A second Ctrl-C must not leave a server behind that holds the accelerators.
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, signal.SIG_IGN)
    try:
        if servers:
            log.info("stopping the server")
        deadline = time.monotonic() + timeout_s
        for server in servers:
            _signal_group(server, signal.SIGTERM)
        for server in servers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(max(0.0, deadline - time.monotonic()))
        for server in servers:
            _signal_group(server, signal.SIGKILL)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for server in servers:
            server.process.wait()
        _await_end(family, timeout_s)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _signal_group(server: ServerProcess, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, number)


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
