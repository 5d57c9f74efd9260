"""Bring an artifact to disk, whatever its origin, and prove it."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from weighbridge.artifacts.fetch import fetch
from weighbridge.artifacts.folder import WITHOUT_WEIGHTS, ArtifactKind, check_contents
from weighbridge.artifacts.manifest import Manifest, read_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.reference import checkout
from weighbridge.artifacts.verify import describe, verify
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError

Synthesise = Callable[[ArtifactKind, int, Path], None]


def resolve(
    artifact: Artifact,
    kind: ArtifactKind,
    into: Path,
    proof: Path,
    synthesise: Synthesise | None = None,
    check: Callable[[Path], object] | None = None,
    *,
    without_weights: bool = False,
) -> Proof:
    """Bring an artifact to disk if it is not there, prove it, and write its proof.

    Args:
        artifact: Its pin; with a `path`, the folder is proven in place and nothing is fetched; a `synthetic`
            one is generated.
        kind: What it is for.
        into: The folder to fetch into.
        proof: The file to write, after everything else has succeeded.
        synthesise: Generates an artifact in an empty folder; needed for a synthetic one.
        check: Reads the folder, and raises InputError if it is not what the artifact is for.
        without_weights: Leave the weights of a model where they are; one that is generated has them anyway.

    Raises:
        InputError: the settings name no lock for a folder given by path, or the lock cannot be read; or the
            check fails.
        SetupError: the artifact cannot be fetched, or is not what its pin says.
    """
    lock = read_lock(artifact.manifest) if artifact.manifest else None
    folder = (artifact.path or into).resolve()
    without_weights = without_weights and kind is ArtifactKind.MODEL and artifact.synthetic is None
    part = WITHOUT_WEIGHTS if without_weights else ("*",)
    if artifact.path is not None:
        manifest = _prove_in_place(kind, folder, lock, part, without_weights=without_weights)
    elif artifact.synthetic is not None:
        # A separate folder: generating deletes what is there, which must never be a fetched model.
        folder = folder.with_name(f"{folder.name}-synthetic")
        shutil.rmtree(folder, ignore_errors=True)
        assert synthesise is not None
        synthesise(kind, artifact.synthetic, folder)
        manifest = describe(folder)
    elif kind is ArtifactKind.REFERENCE:
        manifest = checkout(artifact, folder, lock)
    else:
        manifest = fetch(artifact, kind, folder, lock, only=kind.files, part=part)
    check_contents(kind, folder, without_weights=without_weights)
    if check is not None:
        check(folder)
    result = Proof(
        kind=kind,
        folder=folder,
        repo=artifact.repo,
        revision=artifact.revision,
        uri=artifact.uri,
        manifest_digest=manifest.digest,
        files=manifest.files,
        without_weights=without_weights,
    )
    result.write(proof)
    return result


def _prove_in_place(
    kind: ArtifactKind, folder: Path, lock: Manifest | None, part: Sequence[str], *, without_weights: bool
) -> Manifest:
    if lock is None:
        raise InputError(
            f"{kind.setting}: path is {folder}, without a manifest to verify it against; write one with "
            f"'weighbridge lock {folder} --out FILE' where the folder is known to be good, and give it as "
            f"{kind.setting}.manifest."
        )
    check_contents(kind, folder, without_weights=without_weights)
    wanted = lock.only(part)
    verify(folder, wanted, only=part)
    return wanted
