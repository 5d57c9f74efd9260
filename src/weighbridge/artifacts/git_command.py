"""Run git in one repository, whatever the user's configuration, hooks and surrounding repositories are."""

import os
import subprocess
from pathlib import Path

from weighbridge.core.errors import SetupError

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
_ALWAYS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    # Reading must write nothing, and see the commits that are here: none replaced, none from a network.
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}


class GitError(Exception):
    """git failed; the message is its last line."""


def git(folder: Path, *arguments: str, index: Path | None = None) -> str:
    """Run git in a folder that is the top of a repository; return what it prints.

    Args:
        folder: The folder; a repository around it is not looked for.
        arguments: The command and its arguments.
        index: The index to use in place of the repository's own.

    Raises:
        SetupError: git is not installed.
        GitError: git failed, for instance because the folder has no repository of its own.
    """
    folder = folder.resolve()
    inherited = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
    environment = inherited | _ALWAYS | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    try:
        done = subprocess.run(
            # A checkout that is mounted into a container is often another user's.
            ["git", *_SETTINGS, "-c", f"safe.directory={folder}", *arguments],  # noqa: S607 on the user's PATH
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise SetupError("git is not installed; install it to fetch and prove what is in git.") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise GitError(lines[-1])
    return done.stdout
