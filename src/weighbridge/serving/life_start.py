"""The beginning of a life of servers: its folder, the GPUs that they hold, and who may have them later."""

import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.config.server_settings import ServerSettings
from weighbridge.serving.keeping import Keeping
from weighbridge.serving.kept_servers import Snakemake
from weighbridge.serving.launch import Launch
from weighbridge.system.gpus import visible_devices


@dataclass(frozen=True)
class LifeStart:
    """The life that begins with a start of servers.

    Attributes:
        keeping: The first use.
        folder: Folder of the life.
        gpus: How many GPUs the servers hold.
        name: Beginning of the names at which later uses find the servers; None: there are none.
        top: The process of the Snakemake, with which a kept server ends; 0 without one.
        fingerprint: Of the servers; only who wants the same may have them.
    """

    keeping: Keeping
    folder: Path
    gpus: int
    name: str | None
    top: int
    fingerprint: str


def new_life(lives: Path) -> Path:
    """Return the folder of a new life, made in the folder of lives; its name says when the life began.

    Raises:
        OSError: the folder cannot be made.
    """
    lives.mkdir(parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}"
    for number in itertools.count(1):
        folder = lives / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()  # another host's process of the same number may have made it in the same second
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def begin_life(
    keeping: Keeping,
    launches: Sequence[Launch],
    settings: ServerSettings,
    snakemake: Snakemake | None,
    fingerprint: str,
) -> tuple[tuple[Launch, ...], LifeStart]:
    """Return what to start with the logs in the folder of a new life, and that life.

    Raises:
        OSError: the folder cannot be made.
    """
    folder = new_life(keeping.lives)
    moved = tuple(replace(launch, log=folder / launch.log.name) for launch in launches)
    name, top = (snakemake.name, snakemake.process.pid) if snakemake else (None, 0)
    return moved, LifeStart(keeping, folder, held_gpus(launches, settings), name, top, fingerprint)


def held_gpus(launches: Sequence[Launch], settings: ServerSettings) -> int:
    """Return how many GPUs servers hold, over all nodes: those that the settings count, or shard over."""
    if settings.gpus:
        nodes = {launch.node.name for launch in launches if launch.node is not None}
        return settings.gpus * max(1, len(nodes))
    if not visible_devices():
        return 0
    return settings.shards * sum(launch.endpoint is not None for launch in launches)
