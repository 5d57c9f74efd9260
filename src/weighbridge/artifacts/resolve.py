"""Bring an artifact to disk, whatever its origin, and prove it."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from weighbridge.artifacts.checked_out import CheckedOut, proven_checkout
from weighbridge.artifacts.fetch import fetch
from weighbridge.artifacts.folder import WITHOUT_WEIGHTS, ArtifactKind, check_contents
from weighbridge.artifacts.git_fetch import checkout
from weighbridge.artifacts.manifest import FileEntry, Manifest, read_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe, verify
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import sha256_of

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
        artifact: Its pin; with a `path`, the folder is proven in place and nothing is fetched: a client as a
            git checkout, others by a lock. A `synthetic` one is generated.
        kind: What it is for.
        into: The folder to fetch into.
        proof: The file to write, after everything else has succeeded.
        synthesise: Generates an artifact in an empty folder; needed for a synthetic one.
        check: Reads the folder, and raises InputError if it is not what the artifact is for.
        without_weights: Leave the weights of a model where they are; one that is generated has them anyway.

    Raises:
        InputError: the settings name no lock for a folder given by path, or the lock cannot be read; the
            folder of a client is no checkout of its commit; or the check fails.
        SetupError: the artifact cannot be fetched, or is not what its pin says.
    """
    lock = read_lock(artifact.manifest) if artifact.manifest else None
    folder = (artifact.path or into).resolve()
    without_weights = without_weights and kind is ArtifactKind.MODEL and artifact.synthetic is None
    part = WITHOUT_WEIGHTS if without_weights else ("*",)
    checked_out: CheckedOut | None = None
    if artifact.path is not None and kind is ArtifactKind.CLIENT:
        checked_out = _unmodified(kind, artifact, folder)
        manifest = _manifest_of(checked_out, lock)
    elif artifact.path is not None:
        manifest = _prove_in_place(kind, folder, lock, part, without_weights=without_weights)
    elif artifact.synthetic is not None:
        # A separate folder: generating deletes what is there, which must never be a fetched model.
        folder = folder.with_name(f"{folder.name}-synthetic")
        shutil.rmtree(folder, ignore_errors=True)
        assert synthesise is not None
        synthesise(kind, artifact.synthetic, folder)
        manifest = describe(folder)
    elif kind.from_git:
        manifest = checkout(artifact, kind, folder, lock)
        if kind is ArtifactKind.CLIENT:
            checked_out = _unmodified(kind, artifact, folder)
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
        tree=checked_out.tree if checked_out else None,
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


def _unmodified(kind: ArtifactKind, artifact: Artifact, folder: Path) -> CheckedOut:
    """Prove a checkout of the artifact's commit in which nothing differs from it."""
    assert artifact.revision is not None
    checked_out = proven_checkout(folder, artifact.revision)
    if checked_out.modified:
        first, *more = checked_out.changed
        raise SetupError(
            f"{folder}: the {kind} is not as in commit {artifact.revision}: {first}"
            f"{f' (and {len(more)} more)' if more else ''}; see 'git status --ignored' there and undo it, or "
            "name a fresh checkout."
        )
    return checked_out


def _manifest_of(checked_out: CheckedOut, lock: Manifest | None) -> Manifest:
    """Describe the files of a commit alone: a checkout may have others beside them, such as environments."""
    files = ((path, checked_out.folder / path) for path in checked_out.files)
    manifest = Manifest(
        files=tuple(
            FileEntry(path=path, size=file.stat().st_size, sha256=sha256_of(file))
            for path, file in files
            if file.is_file()
        )
    )
    if lock is not None and lock != manifest:
        raise SetupError(
            f"{checked_out.folder} is commit {checked_out.commit}, but not as its manifest says; write a new "
            "one, or remove artifacts.client.manifest, which a git checkout does not need."
        )
    return manifest
