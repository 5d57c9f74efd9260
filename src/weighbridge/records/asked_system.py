"""asked.json: written when a system of a sweep has answered its questions; its answers lie beside it."""

from pathlib import Path, PurePosixPath

from pydantic import Field

from weighbridge.core.models import Model, Sha256

SWEEP_QUALITY = PurePosixPath("quality")
"""Of a sweep's folder; below it a folder for each system, as results/quality/mmlu is one."""
ASKED = "asked.json"


class AskedSystem(Model):
    """Contents of asked.json."""

    key: Sha256 = Field(
        description="Of the system and of what it was asked; with another one it is asked anew."
    )
    measured: Sha256 = Field(description="Of measured.json.")


def quality_folder(folder: Path, system: str) -> Path:
    """Return the folder of a system's answers."""
    return folder / SWEEP_QUALITY / system
