"""Check out the official reference at its commit with git, whose own hashes prove every file."""

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from weighbridge.artifacts.folder import make_folder, set_aside, state_folder
from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.verify import describe, verify
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import SetupError

_FORGE = "https://github.com"

# Files must be on disk as they are in the commit, and no configuration or hook of the user may interfere.
_SETTINGS = (
    *("-c", "core.autocrlf=false"),
    *("-c", "core.eol=lf"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "advice.detachedHead=false"),
    *("-c", "gc.auto=0"),
)
# Inside a git hook, these variables point to the hook's repository.
_OTHER_REPOSITORY = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX"}
)
_UNKNOWN_COMMIT = ("not our ref", "couldn't find remote ref", "unadvertised object")


class _GitError(Exception):
    """git failed; the message is its last line."""


def checkout(artifact: Artifact, folder: Path, lock: Manifest | None) -> Manifest:
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
            _fetch(folder, url, artifact.revision)
        try:
            _restore(folder, artifact.revision)
        except _GitError as error:
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
        _git(folder, "cat-file", "-e", f"{revision}^{{commit}}")
        _git(folder, "fsck", "--full", "--no-dangling", "--no-progress")
    except _GitError:
        return False
    return True


def _fetch(folder: Path, url: str, revision: str) -> None:
    shutil.rmtree(folder / ".git", ignore_errors=True)
    try:
        _git(folder, "init", "--quiet")
        _git(folder, "fetch", "--quiet", "--depth=1", "--no-tags", url, revision)
    except _GitError as error:
        if any(sign in str(error) for sign in _UNKNOWN_COMMIT):
            raise SetupError(f"reference {url}: it has no commit {revision}; correct its revision.") from None
        raise SetupError(
            f"reference {url}: git cannot fetch it ({error}); check the network and its repo, or set a "
            "mirror with 'git config --global url.MIRROR.insteadOf URL', then run the same command again."
        ) from None


def _restore(folder: Path, revision: str) -> None:
    """Write the commit's files, and let git hash each of them on disk."""
    _git(folder, "checkout", "--quiet", "--force", "--detach", revision)
    set_aside(folder, set(_git(folder, "ls-files", "-z").split("\0")))
    # Without -m or --reset, read-tree makes a new index without mtimes, so that git reads every file.
    _git(folder, "read-tree", revision)
    _git(folder, "checkout-index", "--all", "--force", "--quiet")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if changed:
        raise _GitError(f"{changed.splitlines()[0]} after a fresh checkout")


def _git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it prints.

    Raises:
        SetupError: git is not installed.
        _GitError: git failed.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
    environment = inherited | {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *_SETTINGS, *arguments],  # noqa: S607 found on the user's PATH
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise SetupError("git is not installed; install it to fetch the reference.") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _GitError(lines[-1])
    return done.stdout
