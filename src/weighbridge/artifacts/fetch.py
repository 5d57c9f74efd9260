"""Download a repository's files, prove each of them, and download wrong ones again."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from weighbridge.artifacts.download import download
from weighbridge.artifacts.folder import ArtifactKind, make_folder, set_aside, state_folder
from weighbridge.artifacts.hub import RemoteFile, Repository
from weighbridge.artifacts.manifest import FileEntry, Manifest
from weighbridge.artifacts.verify import Difference, describe, differences, first_of
from weighbridge.config.settings import Artifact
from weighbridge.core.errors import SetupError

logger = logging.getLogger(__name__)

_FETCHES = 2


def fetch(artifact: Artifact, kind: ArtifactKind, folder: Path, lock: Manifest | None) -> Manifest:
    """Make a folder hold exactly a repository's files at its commit.

    Keeps files that are right, downloads wrong and missing ones, and sets files that do not belong aside in
    the folder's .cache. Where the folder already fulfils the lock, the hub is not contacted.

    Raises:
        SetupError: the hub or the disk fails; the hub's files are not those of the lock; or a file's content
            is wrong after two downloads.
    """
    make_folder(state_folder(folder))
    with FileLock(state_folder(folder) / "lock"):
        if lock is not None:
            set_aside(folder, lock.by_path().keys())
            if not differences(folder, lock):
                return lock
        repository = Repository(artifact, kind)
        remote = repository.files()
        if lock is not None:
            remote = _locked(remote, lock, repository)
        set_aside(folder, {file.path for file in remote})
        return _fetch_until_right(repository, remote, folder)


def _fetch_until_right(repository: Repository, remote: Sequence[RemoteFile], folder: Path) -> Manifest:
    fetched: Counter[str] = Counter()
    wrong: set[str] = set()
    while True:
        wanted = [file for file in remote if file.path in wrong or not _has_size(folder, file)]
        download(repository, wanted, folder)
        fetched.update(file.path for file in wanted)
        manifest = describe(folder)
        found = _different_content(folder, manifest, remote)
        if not found:
            return manifest
        wrong = {difference.path for difference in found}
        if any(fetched[path] >= _FETCHES for path in wrong):
            raise SetupError(
                f"{folder}: wrong content after {_FETCHES} fetches: {first_of(found)}; the hub, a proxy "
                "or the disk is at fault, try another HF_ENDPOINT or disk."
            )
        for difference in found:
            logger.warning("%s: fetching again", difference)


def _locked(remote: Sequence[RemoteFile], lock: Manifest, repository: Repository) -> list[RemoteFile]:
    """Check that the hub lists the lock's files, before any download; return them with its hashes."""
    locked = lock.by_path()
    listed = {file.path: file for file in remote}
    for path in sorted(locked.keys() | listed.keys()):
        expected, found = _entry_text(locked.get(path)), _entry_text(listed.get(path), locked.get(path))
        if expected != found:
            raise SetupError(
                f"{repository.page} at {repository.revision} is not as locked: "
                f"{Difference(path, expected, found)}; correct the revision or write a new lock."
            )
    return [RemoteFile(file.path, file.size, locked[file.path].sha256, file.blob_id) for file in remote]


def _entry_text(file: FileEntry | RemoteFile | None, other: FileEntry | None = None) -> str:
    """Return size and sha256 as text; where the hub lists no sha256, use the other side's."""
    if file is None:
        return "no such file"
    sha256 = file.sha256 or (other.sha256 if other else "unknown")
    return f"{file.size} bytes of sha256 {sha256}"


def _different_content(folder: Path, manifest: Manifest, remote: Sequence[RemoteFile]) -> list[Difference]:
    here = manifest.by_path()
    found = []
    for file in remote:
        if file.sha256 is not None:
            if here[file.path].sha256 != file.sha256:
                found.append(Difference(file.path, f"sha256 {file.sha256}", here[file.path].sha256))
        elif (blob_id := _blob_id(folder / file.path)) != file.blob_id:
            found.append(Difference(file.path, f"git blob {file.blob_id}", blob_id))
    return found


def _blob_id(file: Path) -> str:
    """Compute the id that git gives a small file."""
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _has_size(folder: Path, file: RemoteFile) -> bool:
    path = folder / file.path
    return path.is_file() and path.stat().st_size == file.size
