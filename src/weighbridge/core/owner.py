"""The process that a command works for: the top Snakemake process above it, where there is one.

A command that Snakemake started ends with it, however Snakemake ends: SIGKILL leaves Snakemake no time to end
its jobs, and a job that lives on would write into the folder that the next Snakemake's job writes into.
"""

import os
import platform
import re
import select
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from weighbridge.core.interruption import announce
from weighbridge.core.parent_death import GUARD_VARIABLE
from weighbridge.core.proc import PROC, ProcessId, command_of, parent_of
from weighbridge.core.process_end import open_process_end

_OPTIONS_WITH_VALUE = ("-W", "-X")
# Names the Snakemake to its jobs: its process id, its start in ticks, and where that id is valid.
_VARIABLE = "WEIGHBRIDGE_SNAKEMAKE"


def under_snakemake(pid: int | None = None) -> tuple[ProcessId, ...]:
    """Return the processes above one, up to the top Snakemake process, which is the last; empty without one.

    Args:
        pid: The process; default: this one.
    """
    found: list[ProcessId] = []
    top = 0
    with suppress(OSError):  # one that ended meanwhile: nothing above it can be seen
        parent = parent_of(os.getpid() if pid is None else pid)
        while parent > 1:
            found.append(ProcessId.of(parent))
            if _runs_snakemake(command_of(parent)):
                top = len(found)
            parent = parent_of(parent)
    return tuple(found[:top])


def top_snakemake() -> ProcessId | None:
    """Return the top Snakemake process above this one; None without one."""
    above = under_snakemake()
    return above[-1] if above else None


def _runs_snakemake(command: Sequence[str]) -> bool:
    """Return whether a command line is Snakemake's own, or that of a Python that runs it."""
    program, *words = command or [""]
    if Path(program).name == "snakemake":
        return True
    if not re.match(r"python[\d.]*$", Path(program).name):
        return False
    while words:
        word = words.pop(0)
        if word in ("-m", "-c"):
            return word == "-m" and words[:1] == ["snakemake"]
        if word in _OPTIONS_WITH_VALUE:
            words[:1] = []
        elif not word.startswith("-"):
            return Path(word).name == "snakemake"
    return False


def note_snakemake() -> bool:
    """Note this Snakemake in the environment of its jobs; one above it, if noted, stays.

    A job learns from it that Snakemake was killed before it could look for it among its parents.

    Returns:
        Whether it is this one that is noted.
    """
    noted = _noted()
    above, pid = set(), os.getpid()
    while pid > 1:
        above.add(pid)
        pid = parent_of(pid)
    this = ProcessId.of(os.getpid())
    if noted is None or not noted.lives or noted.pid not in above:
        os.environ[_VARIABLE] = f"{this.pid} {this.started_ticks} {place_of_processes()}"
    return _noted() == this


def place_of_processes() -> str:
    """Return where a process number of ours is valid: this host, and there our container."""
    return f"{(PROC / 'self' / 'ns' / 'pid').readlink()} {platform.node()}"


def _noted() -> ProcessId | None:
    """Return the Snakemake that is noted in the environment; None: there is none, or it runs elsewhere."""
    found = re.fullmatch(r"(\d+) (\d+) (.+)", os.environ.get(_VARIABLE, ""))
    if found is None or found[3] != place_of_processes():
        return None
    return ProcessId(int(found[1]), "snakemake", int(found[2]))


def owners() -> tuple[ProcessId, ...]:
    """Return the processes that this program ends with: those above it, and the Snakemake that is noted.

    None where a guard ends it: a model server that is a program of ours, such as the simulated one.
    """
    if GUARD_VARIABLE in os.environ:
        return ()
    above, noted = under_snakemake(), _noted()
    return above if noted is None else (*above, noted)


def end_with(owners: Sequence[ProcessId]) -> None:
    """End this program, as SIGTERM does, as soon as one of these processes has ended.

    One between Snakemake and this command counts too: without it, Snakemake takes the job for ended.
    """
    if owners:
        threading.Thread(target=_watch, args=(owners,), name="owner", daemon=True).start()


def _watch(owners: Sequence[ProcessId]) -> None:
    poll = select.poll()
    ended = None
    for owner in owners:
        try:
            poll.register(open_process_end(owner.pid), select.POLLIN)
        except ProcessLookupError:
            ended = owner
        if not owner.lives:  # its number may be another process's by now
            ended = owner
    if ended is None:
        poll.poll()
        ended = next((owner for owner in owners if not owner.lives), owners[-1])
    announce(f"process {ended.pid} ({ended.name}), which it was started for, has ended")
    # To the main thread, because only a signal that reaches it ends what it waits for.
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGTERM)
