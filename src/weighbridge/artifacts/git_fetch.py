"""Check out a repository at a commit with git, whose own hashes prove every file."""

import shutil
from pathlib import Path

from filelock import FileLock

from weighbridge.artifacts.checked_out import changed_files, tracked_files
from weighbridge.artifacts.folder import ArtifactKind, make_folder, set_aside, state_folder
from weighbridge.artifacts.git_command import GitError, git
from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.verify import describe, verify
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import SetupError

_FORGE = "https://github.com"
_UNKNOWN_COMMIT = ("not our ref", "couldn't find remote ref", "unadvertised object")
# Of all attributes the last word: what is written to disk is what is stored, byte by byte.
_AS_STORED = "* -text -ident -filter -working-tree-encoding !eol\n"


def checkout(artifact: Artifact, kind: ArtifactKind, folder: Path, lock: Manifest | None) -> Manifest:
    """Make a folder hold exactly a repository's files at its commit; use the network only if needed.

    The repository is owner/name on GitHub, or a URL. Mirrors are set in git's own configuration
    (url.*.insteadOf).

    Raises:
        SetupError: git is missing, the repository cannot be fetched, the commit is unknown, or the files
            are not those of the lock.
    """
    assert artifact.repo is not None
    assert artifact.revision is not None
    url = artifact.repo if "://" in artifact.repo else f"{_FORGE}/{artifact.repo}"
    make_folder(state_folder(folder))
    with FileLock(state_folder(folder) / "lock"):
        # This process holds the folder, so any lock file of git's was left by a git that was killed.
        for left in (folder / ".git").glob("*.lock"):
            left.unlink()
        if not _holds(folder, artifact.revision):
            _fetch(folder, kind, url, artifact.revision)
        try:
            _restore(folder, artifact.revision)
        except (GitError, OSError) as error:
            raise SetupError(
                f"{folder}: git cannot write the files of {url} ({error}); check room and permissions, then "
                "run the same command again."
            ) from None
        if lock is not None:
            verify(folder, lock)
            return lock
        return describe(folder)


def _holds(folder: Path, revision: str) -> bool:
    """Return whether the folder's repository has the commit with all its objects intact."""
    try:
        git(folder, "cat-file", "-e", f"{revision}^{{commit}}")
        git(folder, "fsck", "--full", "--no-dangling", "--no-progress")
    except GitError:
        return False
    return True


def _fetch(folder: Path, kind: ArtifactKind, url: str, revision: str) -> None:
    shutil.rmtree(folder / ".git", ignore_errors=True)
    try:
        git(folder, "init", "--quiet")
        git(folder, "fetch", "--quiet", "--depth=1", "--no-tags", url, revision)
    except GitError as error:
        if any(sign in str(error) for sign in _UNKNOWN_COMMIT):
            raise SetupError(f"{kind} {url}: it has no commit {revision}; correct its revision.") from None
        raise SetupError(
            f"{kind} {url}: git cannot fetch it ({error}); check the network and its repo, or set a "
            "mirror with 'git config --global url.MIRROR.insteadOf URL', then run the same command again."
        ) from None


def _restore(folder: Path, revision: str) -> None:
    """Write the commit's files as they are stored, and hash each of them on disk."""
    attributes = folder / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(_AS_STORED)
    git(folder, "checkout", "--quiet", "--force", "--detach", revision)
    set_aside(folder, set(tracked_files(folder, revision)))
    # Without -m or --reset, read-tree makes a new index without mtimes, so that git writes every file.
    git(folder, "read-tree", revision)
    git(folder, "checkout-index", "--all", "--force", "--quiet")
    changed = changed_files(folder, revision)
    if changed:
        raise GitError(f"{changed[0]} after a fresh checkout")
