"""The proof that an artifact lies on disk, whole and unchanged: what later stages take as their input."""

from pathlib import Path

from pydantic import Field

from weighbridge.artifacts.kinds import Kind, check_contents
from weighbridge.artifacts.manifest import FileEntry, Manifest, Sha256, read_lock
from weighbridge.artifacts.verify import verify
from weighbridge.config import Artifact
from weighbridge.errors import InputError
from weighbridge.files import write_atomic
from weighbridge.models import Model


class Proof(Model):
    """Where an artifact lies and what it consists of; written only after every byte was compared."""

    kind: Kind
    folder: Path = Field(description="Absolute.")
    repo: str | None = Field(description="Where it was fetched from; null for a folder the user gave.")
    revision: str | None
    digest: Sha256 = Field(description="Of the manifest: one hash for the whole artifact.")
    files: tuple[FileEntry, ...]


def obtain(artifact: Artifact, kind: Kind, into: Path, proof: Path) -> Proof:
    """Bring an artifact to disk if it is not there, prove it, and write its proof.

    Raises:
        InputError: the settings name no lock for a folder given by path, or the lock cannot be read.
        SetupError: the artifact cannot be had, or is not what its pin says.
    """
    if artifact.path is None:
        raise InputError(f"artifacts.{kind}: fetching into {into} is not possible yet; give its path.")
    folder = artifact.path.resolve()
    manifest = _prove_in_place(artifact, kind, folder)
    result = Proof(
        kind=kind,
        folder=folder,
        repo=artifact.repo,
        revision=artifact.revision,
        digest=manifest.digest,
        files=manifest.files,
    )
    write_atomic(proof, result.model_dump_json(indent=1) + "\n")
    return result


def _prove_in_place(artifact: Artifact, kind: Kind, folder: Path) -> Manifest:
    if artifact.manifest is None:
        raise InputError(
            f"artifacts.{kind}.path is {folder} without a manifest to verify it against; write one with "
            f"'weighbridge lock {folder} --out FILE' where the folder is known to be good, and name it in "
            f"artifacts.{kind}.manifest."
        )
    lock = read_lock(artifact.manifest)
    check_contents(kind, folder)
    return verify(folder, lock)
