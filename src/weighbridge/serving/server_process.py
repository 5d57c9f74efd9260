"""Start a server process in its own session, and stop it together with everything it started."""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from weighbridge.serving.adapter import ServerAdapter
from weighbridge.serving.launch import Launch
from weighbridge.serving.program import missing_library

log = logging.getLogger(__name__)

_TAIL_LINES = 15


@dataclass(frozen=True)
class ServerProcess:
    """A launch and its process."""

    launch: Launch
    process: subprocess.Popen[bytes]

    @property
    def dead(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    def how_it_ended(self) -> str:
        """Return the signal or exit code with which it ended, for a sentence."""
        code = self.process.returncode
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def exit_message(self, adapter: ServerAdapter) -> str:
        """Return how it ended while starting: a missing library, or else the end of its log."""
        output = self.launch.log.read_text(errors="replace")
        if sentence := missing_library(output, adapter):
            return sentence
        end = "\n".join(output.splitlines()[-_TAIL_LINES:])
        return (
            f"the server {self.how_it_ended()} while starting; the end of its log {self.launch.log}:\n{end}"
        )


def start(launch: Launch) -> ServerProcess:
    """Start a process on the CPUs near its GPUs, with its output in its log."""
    log.info("starting the server: %s", " ".join((*launch.launcher, *launch.command)))
    with launch.log.open("wb") as output, _pinned_to(launch.cpus):
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
def _pinned_to(cpus: frozenset[int]) -> Iterator[None]:
    """Restrict this thread, and with it what it starts, to some CPUs for the with block; empty: no change."""
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
    """Stop servers and all they started, together: SIGTERM, and after `timeout_s` SIGKILL."""
    descendants = [member for server in servers for member in _descendants(server.process)]
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
        for member in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for server in servers:
            server.process.wait()
        _await_end(descendants, timeout_s)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _signal_group(server: ServerProcess, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, number)


def _await_end(descendants: list[psutil.Process], timeout_s: float) -> None:
    """Wait until killed processes are gone; a zombie counts as gone, since it holds no resources."""
    deadline = time.monotonic() + timeout_s
    while any(_is_alive(member) for member in descendants) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return all descendants of a process; psutil compares start times, so a reused number does no harm."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
