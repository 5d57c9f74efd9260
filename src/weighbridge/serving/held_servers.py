"""Servers for a use of them: started under a guard; afterwards stopped, or left to it for the next use."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence

from weighbridge.core.owner import owners
from weighbridge.records.server_life import LIFE_RECORD
from weighbridge.serving import guard
from weighbridge.serving.guard_process import StartedGuard, guard_command
from weighbridge.serving.guard_watch import HASTE_S
from weighbridge.serving.json_lines import JsonLines
from weighbridge.serving.keeping import Keeping
from weighbridge.serving.launch import Launch
from weighbridge.serving.leftovers import children, inheriting
from weighbridge.serving.life_start import LifeStart
from weighbridge.serving.server_process import ServerGroup, ServerProcess

_LOG_MODE = 0o600  # a server may print the requests, and what it was started with


@contextlib.contextmanager
def guarded(
    launches: Sequence[Launch], stop_timeout_s: float, life: LifeStart | None = None
) -> Iterator[tuple[ServerProcess, ...]]:
    """Start servers for the duration of a with block, each with its output in its log.

    A guard does it, which also ends them when this process or the Snakemake above it has ended. Should the
    guard be killed, this process, which then inherits what the servers started, ends that.

    Args:
        launches: What to start.
        stop_timeout_s: From SIGTERM to SIGKILL when stopping.
        life: How their life is recorded, and whether they may be kept; default: neither.

    Raises:
        OSError: a log cannot be written.
        SetupError: a server's program cannot be run.
    """
    with inheriting():
        group = _start(launches, stop_timeout_s, life)
        with until_release(group, stop_timeout_s, life.keeping if life else None):
            group.await_start()
            yield group.servers


@contextlib.contextmanager
def until_release(group: ServerGroup, stop_timeout_s: float, keeping: Keeping | None) -> Iterator[None]:
    """Release servers after a with block, or stop them: after an exception, and where nothing wants them."""
    try:
        yield
        if keeping is not None and group.keeps and keeping.wanted_later() and group.release(keeping.keep_s):
            return
    except BaseException:
        group.stop(stop_timeout_s, "its use ended with an error")
        raise
    ended = next((server.how_it_ended() for server in group.servers if server.dead), None)
    reason = "its use was over" if ended is None else f"a server {ended} during its use"
    group.stop(stop_timeout_s, reason)


def _start(launches: Sequence[Launch], stop_timeout_s: float, life: LifeStart | None) -> ServerGroup:
    control, theirs = socket.socketpair()
    others = children()
    logs = [_open_log(launch) for launch in launches]
    kept = [guard.KEPT] if life is not None and life.name is not None else []
    try:
        # In a session of its own: what ends this command's group or terminal does not end the guard.
        process = subprocess.Popen(
            [*guard_command(), str(theirs.fileno()), str(os.getpid()), *kept],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=logs[0],
            pass_fds=[theirs.fileno(), *logs],
            start_new_session=True,
        )
    finally:
        for descriptor in logs:
            os.close(descriptor)
        theirs.close()
    group = ServerGroup(launches, JsonLines(control), StartedGuard(process, others))
    job = {
        "owners": [owner.pid for owner in owners()],
        "haste_s": min(stop_timeout_s, HASTE_S),
        "servers": [_described(launch, number) for launch, number in zip(launches, logs, strict=True)],
        **_life(life, stop_timeout_s),
    }
    # By the socket: a command line would show the environment, and with it the key, to everyone.
    group.order(job)
    return group


def _life(life: LifeStart | None, stop_timeout_s: float) -> dict[str, object]:
    if life is None:
        return {"life": None, "use": None, "keep": None}
    keep = {"name": life.name, "top": life.top, "fingerprint": life.fingerprint, "stop_s": stop_timeout_s}
    return {
        "life": {"file": str((life.folder / LIFE_RECORD).absolute()), "gpus": life.gpus},
        "use": life.keeping.use,
        "keep": keep if life.name is not None else None,
    }


def _described(launch: Launch, log_descriptor: int) -> dict[str, object]:
    """Return a launch as the guard reads it."""
    return {
        "command": [*launch.launcher, *launch.command],
        "environment": launch.environment,
        "log": log_descriptor,
        "cpus": sorted(launch.cpus),
        # srun ends what it started on other nodes on SIGTERM; by SIGKILL it would leave that.
        "death_signal": signal.SIGTERM if launch.launcher[:1] == ("srun",) else signal.SIGKILL,
        # What the next command that holds the server is told of it.
        "about": {"command": launch.command, "log": str(launch.log), "endpoint": launch.endpoint},
    }


def _open_log(launch: Launch) -> int:
    descriptor = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _LOG_MODE)
    os.fchmod(descriptor, _LOG_MODE)  # one of an earlier run may be readable by others
    return descriptor
