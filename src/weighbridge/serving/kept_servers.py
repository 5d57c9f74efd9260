"""Kept servers of the jobs of one Snakemake: find the wanted one, and end those that stand in its way."""

import contextlib
import hashlib
import logging
import os
import select
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weighbridge.core.errors import WeighbridgeError
from weighbridge.core.owner import owners, place_of_processes, top_snakemake
from weighbridge.core.proc import ProcessId
from weighbridge.core.process_end import open_process_end
from weighbridge.records.server_life import LifeBrief
from weighbridge.serving.guard_process import FoundGuard, guard_command
from weighbridge.serving.json_lines import JsonLines
from weighbridge.serving.keeping import Keeping
from weighbridge.serving.kept_socket import doors, not_ours, peer_of
from weighbridge.serving.launch import Launch
from weighbridge.serving.log_parts import LogPart
from weighbridge.serving.server_process import ServerGroup

log = logging.getLogger(__name__)

_ANSWER_S = 10.0  # a guard has little to do; one that is stopped goes on after a second
_GONE_S = 30.0  # beyond the time from SIGTERM to SIGKILL, for a server that is ended to be gone


@dataclass(frozen=True)
class Snakemake:
    """Whose jobs may share servers: the top Snakemake above this command.

    Attributes:
        process: Its process.
        name: Beginning of the names at which its kept servers are found.
    """

    process: ProcessId
    name: str

    @classmethod
    def above(cls) -> "Snakemake | None":
        """Return the one above this command; None: there is none, and nothing is kept."""
        process = top_snakemake()
        if process is None:
            return None
        # Abstract names are short, and a host's name may be long.
        where = hashlib.sha256(place_of_processes().encode()).hexdigest()[:16]
        name = f"weighbridge-{os.getuid()}-{process.pid}.{process.started_ticks}-{where}"
        return cls(process, name)


@dataclass(frozen=True)
class KeptServer:
    """Kept servers that this command holds now.

    Attributes:
        group: The servers.
        life: Their life, with this use.
        log_parts: What each printed for this use.
    """

    group: ServerGroup
    life: LifeBrief
    log_parts: tuple[LogPart, ...]


def take_kept(
    snakemake: Snakemake,
    fingerprint: str,
    launches: Sequence[Launch],
    keeping: Keeping,
    stop_timeout_s: float,
) -> KeptServer | None:
    """Return the kept servers that are wanted, held by this command from now on; None: none are free.

    Kept servers that nothing uses and that are others end first, because they hold the GPUs.

    Args:
        snakemake: Whose kept servers.
        fingerprint: Of the wanted servers.
        launches: How they would be started.
        keeping: The use that wants them.
        stop_timeout_s: From SIGTERM to SIGKILL when others are stopped.
    """
    others: list[_Door] = []
    taken = None
    for door in _proven(snakemake):
        if taken is not None:
            door.close()
            continue
        answer = door.ask(want=fingerprint, owners=_owners(), use=keeping.use) or {"event": "none"}
        if answer["event"] == "leased":
            taken = _held(door, answer, launches)
        if answer["event"] in ("others", "ending"):
            others.append(door)
        elif taken is None:
            door.close()
        if answer.get("untold"):
            log.warning("the kept server is gone (%s); starting anew", answer["reason"])
    for door in others:
        if taken is None:
            door.end_server(stop_timeout_s + _GONE_S)
        door.close()
    return taken


def _owners() -> list[int]:
    return [owner.pid for owner in owners()]


def _proven(snakemake: Snakemake) -> Iterator["_Door"]:
    """Yield the guards of kept servers; what else uses their names is told, and left alone."""
    for connection in doors(snakemake.name):
        stranger = not_ours(connection, snakemake.process, guard_command())
        if stranger is None:
            with contextlib.suppress(OSError):  # it has ended
                yield _Door(connection)
                continue
        else:
            log.warning("%s uses the name of a kept server; it is left alone, and not used", stranger)
        connection.close()


class _Door:
    """A connection to the guard of kept servers."""

    def __init__(self, connection: socket.socket) -> None:
        """Talk with a guard.

        Raises:
            OSError: it has ended.
        """
        self.guard = ProcessId.of(peer_of(connection)[0])
        self.lines = JsonLines(connection)

    def ask(self, **message: object) -> dict[str, Any] | None:
        """Return the answer to a question; None, with a warning: there is none that can be understood."""
        answers: list[dict[str, Any]] = []
        try:
            self.lines.socket.settimeout(_ANSWER_S)
            self.lines.send(**message)
            while not answers:
                answers = self.lines.receive()
            if not isinstance(answers[0].get("event"), str):
                raise ValueError("no event")
        except (OSError, EOFError, ValueError):
            if self.guard.lives:  # else it ended in the meantime, as it may
                log.warning(
                    "the guard of a kept server (process %d) does not answer; it is left alone, and a server "
                    "is started",
                    self.guard.pid,
                )
            return None
        return answers[0]

    def end_server(self, timeout_s: float) -> None:
        """End servers that nothing uses, and wait until they are gone."""
        try:
            ended = open_process_end(self.guard.pid)
        except ProcessLookupError:
            return
        log.info("ending a kept server that is not the wanted one (its guard: process %d)", self.guard.pid)
        answer = self.ask(replace=True)
        self.close()
        if answer is not None and answer["event"] == "held":  # another command was sooner, and wanted it
            os.close(ended)
            return
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        if self.guard.lives and not poll.poll(timeout_s * 1000):
            log.warning("the kept server of the guard %d has not ended", self.guard.pid)
        os.close(ended)

    def close(self) -> None:
        """Close the connection."""
        self.lines.close()


def _held(door: _Door, answer: dict[str, Any], launches: Sequence[Launch]) -> KeptServer | None:
    """Return servers as their guard describes them; None, with a warning: not as such a guard does."""
    try:
        told = [
            replace(
                launch,
                command=tuple(server["about"]["command"]),
                log=Path(server["about"]["log"]),
                endpoint=server["about"]["endpoint"],
            )
            for launch, server in zip(launches, answer["servers"], strict=True)
        ]
        parts = [
            LogPart(launch.log, start_bytes, launch.log.stat().st_size)
            for launch, start_bytes in zip(told, answer["logs"], strict=True)
        ]
        life = LifeBrief.parse(answer["life"], "the guard")
        group = ServerGroup(told, door.lines, FoundGuard(door.guard))
        group.adopt([server["pid"] for server in answer["servers"]])
    except (KeyError, TypeError, ValueError, OSError, WeighbridgeError) as error:
        log.warning(
            "process %d answers as no guard of a kept server does (%s); a server is started",
            door.guard.pid,
            error,
        )
        return None
    return KeptServer(group, life, tuple(parts))
