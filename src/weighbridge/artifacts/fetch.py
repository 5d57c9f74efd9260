"""Download a repository's files, prove each of them, and download wrong ones again."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from glob import escape
from pathlib import Path

from filelock import FileLock

from weighbridge.artifacts.download import download
from weighbridge.artifacts.folder import ArtifactKind, make_folder, set_aside, state_folder
from weighbridge.artifacts.hub import Repository
from weighbridge.artifacts.manifest import FileEntry, Manifest, matches
from weighbridge.artifacts.mlcommons import Storage
from weighbridge.artifacts.remote import Remote, RemoteFile
from weighbridge.artifacts.verify import Difference, describe, differences, first_of
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import SetupError

logger = logging.getLogger(__name__)

_FETCHES = 2


def fetch(
    artifact: Artifact,
    kind: ArtifactKind,
    folder: Path,
    lock: Manifest | None,
    *,
    only: Sequence[str] = ("*",),
    part: Sequence[str] = ("*",),
) -> Manifest:
    """Make a folder hold exactly an artifact's files, from the hub at a commit or from MLCommons' storage.

    Keeps files that are right, downloads wrong and missing ones, and sets files that do not belong aside in
    the folder's .cache. Where the folder already fulfils the lock, no source is contacted.

    Args:
        artifact: Its pin.
        kind: What it is for.
        folder: The folder.
        lock: What it must hold; None: what its source lists.
        only: Patterns of which a file's path matches one; other files are left there.
        part: Of those, the files that are wanted now, by patterns that need not all match; others that are
            here already stay.

    Raises:
        SetupError: the source or the disk fails; its files are not those of the lock; or a file's content
            is wrong after two downloads.
    """
    make_folder(state_folder(folder))
    with FileLock(state_folder(folder) / "lock"):
        if lock is not None:
            set_aside(folder, lock.by_path().keys())
            wanted = lock.only(part)
            if not differences(folder, wanted, only=part):
                return wanted
        remote = _source(artifact, kind)
        files = _only(_listed(remote), only, remote)
        if lock is not None:
            files = _locked(files, lock, remote, part)
        set_aside(folder, {file.path for file in files})
        return _fetch_until_right(remote, [file for file in files if matches(file.path, part)], folder)


def listed_files(artifact: Artifact, kind: ArtifactKind, only: Sequence[str]) -> list[RemoteFile]:
    """Return the files of an artifact that are fetched, as its source lists them.

    Raises:
        InputError, SetupError: the source has no such artifact, or cannot be asked.
    """
    remote = _source(artifact, kind)
    return _only(_listed(remote), only, remote)


def is_here(folder: Path, path: str, size: int) -> bool:
    """Return whether a folder has a file of this size, whose content is proven later."""
    file = folder / path
    return file.is_file() and file.stat().st_size == size


def _source(artifact: Artifact, kind: ArtifactKind) -> Remote:
    return (Storage if artifact.source == "mlcommons" else Repository)(artifact, kind)


def _listed(remote: Remote) -> list[RemoteFile]:
    # Its client tries again by itself for half a minute before it gives up.
    logger.info("asking %s for the files of %s", remote.title, remote.place)
    return remote.files()


def _only(files: Sequence[RemoteFile], patterns: Sequence[str], remote: Remote) -> list[RemoteFile]:
    for pattern in patterns:
        if files and not any(matches(file.path, (pattern,)) for file in files):
            raise SetupError(f"{remote.place} has no file {pattern}; correct {remote.pin}.")
    return [file for file in files if matches(file.path, patterns)]


def _fetch_until_right(remote: Remote, files: Sequence[RemoteFile], folder: Path) -> Manifest:
    fetched: Counter[str] = Counter()
    wrong: set[str] = set()
    while True:
        wanted = [file for file in files if file.path in wrong or not is_here(folder, file.path, file.size)]
        download(remote, wanted, folder)
        fetched.update(file.path for file in wanted)
        manifest = describe(folder, only=[escape(file.path) for file in files])
        found = _different_content(folder, manifest, files)
        if not found:
            return manifest
        wrong = {difference.path for difference in found}
        if any(fetched[path] >= _FETCHES for path in wrong):
            raise SetupError(
                f"{folder}: wrong content after {_FETCHES} fetches: {first_of(found)}; "
                f"{remote.title}, a proxy or the disk is at fault, try {remote.other_source} or disk."
            )
        for difference in found:
            logger.warning("%s: fetching again", difference)


def _locked(
    files: Sequence[RemoteFile], lock: Manifest, remote: Remote, part: Sequence[str]
) -> list[RemoteFile]:
    """Check that the source lists the lock's files, before any download; return them with its hashes.

    Where a part is wanted, the lock may be that of a folder with this part alone.
    """
    if all(matches(entry.path, part) for entry in lock.files):
        files = [file for file in files if matches(file.path, part)]
    locked = lock.by_path()
    listed = {file.path: file for file in files}
    for path in sorted(locked.keys() | listed.keys()):
        expected, found = _entry_text(locked.get(path)), _entry_text(listed.get(path), locked.get(path))
        if expected != found:
            raise SetupError(
                f"{remote.place} is not as locked: "
                f"{Difference(path, expected, found)}; correct {remote.pin} or write a new lock."
            )
    return [replace(file, sha256=locked[file.path].sha256) for file in files]


def _entry_text(file: FileEntry | RemoteFile | None, other: FileEntry | None = None) -> str:
    """Return size and sha256 as text; where the source lists no sha256, use the other side's."""
    if file is None:
        return "no such file"
    sha256 = file.sha256 or (other.sha256 if other else "unknown")
    return f"{file.size} bytes of sha256 {sha256}"


def _different_content(folder: Path, manifest: Manifest, files: Sequence[RemoteFile]) -> list[Difference]:
    here = manifest.by_path()
    found = [
        Difference(file.path, f"sha256 {file.sha256}", here[file.path].sha256)
        for file in files
        if file.sha256 is not None and here[file.path].sha256 != file.sha256
    ]
    others = [file for file in files if file.sha256 is None]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets other threads run
        ids = pool.map(lambda file: file.id_of(folder / file.path), others)
        found += [
            Difference(file.path, f"{file.id_kind} {file.content_id}", content_id)
            for file, content_id in zip(others, ids, strict=True)
            if content_id != file.content_id
        ]
    return found
