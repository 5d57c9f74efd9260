"""The proof that an artifact lies on disk, whole and unchanged: what later stages take as their input."""

from pathlib import Path

from pydantic import Field

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry, Sha256
from weighbridge.core.models import Model


class Proof(Model):
    """Where an artifact lies and what it consists of; written only after every byte was compared."""

    kind: ArtifactKind
    folder: Path = Field(description="Absolute.")
    repo: str | None = Field(description="Where it was fetched from; null where it was not.")
    revision: str | None
    manifest_digest: Sha256 = Field(description="One hash for the whole artifact.")
    files: tuple[FileEntry, ...]
