"""The folder an artifact is fetched into, and what lies there that is no part of it."""

import logging
from collections.abc import Set as AbstractSet
from pathlib import Path

from weighbridge.artifacts.manifest import files_of
from weighbridge.core.errors import SetupError

logger = logging.getLogger(__name__)


def workshop(folder: Path) -> Path:
    """Where the tool keeps what it needs beside a fetched artifact's files."""
    return folder / ".cache" / "weighbridge"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        SetupError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder}: cannot be made ({error.strerror}); choose a folder that can.") from None


def set_aside(folder: Path, belonging: AbstractSet[str]) -> None:
    """Move all files but those belonging to the artifact into the workshop; they may be someone's."""
    for path in files_of(folder):
        if path not in belonging:
            target = workshop(folder) / "set-aside" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / path).replace(target)
            logger.warning("%s: not part of the artifact, moved to %s", folder / path, target)
