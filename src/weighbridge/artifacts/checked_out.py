"""Prove that a folder is a git checkout of a commit, and find what differs in it from that commit."""

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from weighbridge.artifacts.git_command import GitError, git
from weighbridge.artifacts.manifest import is_bookkeeping
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import sha256_of

# A program imports from here whatever lies here, also what git is told to ignore.
_IMPORTED = "src"
_LINK, _SUBMODULE = "120000", "160000"
# What git stores of a file that git-lfs keeps elsewhere; a checkout may have the file itself.
_POINTER = re.compile(
    r"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\nsize \d+\n"
)


@dataclass(frozen=True)
class CheckedOut:
    """A git checkout whose commit is intact.

    Attributes:
        folder: Top of the work tree, absolute.
        commit: The commit that is checked out.
        tree: git's hash of all files of the commit.
        files: Paths of the commit's files, sorted.
        changed: Each path at which the folder differs from the commit, with what is wrong; sorted.
    """

    folder: Path
    commit: str
    tree: str
    files: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def modified(self) -> bool:
        """Whether anything in the folder differs from the commit."""
        return bool(self.changed)


def proven_checkout(folder: Path, commit: str) -> CheckedOut:
    """Prove that a folder is the checkout of a commit; change nothing there.

    All objects of its repository are hashed, and so is each file on disk: neither git's index nor a file's
    time is believed. Files of the commit that differ or are missing count as changes, and so do others that
    git does not ignore, or that lie below `src`; but not the compiled bytecode that Python keeps there.

    Args:
        folder: Top of the work tree.
        commit: The full hash of the commit.

    Raises:
        InputError: the folder has no repository of its own, as an archive, an installed package or a folder
            inside another repository; or another commit is checked out.
        SetupError: git is missing, or the repository is damaged.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"{folder}: this is no folder; name a git checkout of commit {commit}.")
    try:
        head = git(folder, "rev-parse", "--verify", "HEAD").strip()
    except GitError as error:
        raise InputError(
            f"{folder}: git finds no commit checked out here ({error}), and nothing proves an archive, a "
            f"wheel or a folder inside another repository; name a git checkout of commit {commit}."
        ) from None
    if head != commit:
        raise InputError(
            f"{folder}: commit {head} is checked out, not {commit}; run 'git -C {folder} checkout {commit}'."
        )
    try:
        git(folder, "fsck", "--full", "--no-dangling", "--no-progress")
        tree = git(folder, "rev-parse", "--verify", f"{commit}^{{tree}}").strip()
        files = tuple(sorted(tracked_files(folder, commit)))
        changed = tuple(changed_files(folder, commit))
    except GitError as error:
        raise SetupError(
            f"{folder}: its git repository is damaged ({error}); clone or fetch commit {commit} again."
        ) from None
    return CheckedOut(folder, commit, tree, files, changed)


def tracked_files(folder: Path, commit: str) -> list[str]:
    """Return the paths of a commit's files.

    Raises:
        GitError: the commit cannot be read.
    """
    return [path for _, _, path in _entries(folder, commit)]


def changed_files(folder: Path, commit: str) -> list[str]:
    """Return each path at which a checkout differs from a commit, with what is wrong, sorted.

    Raises:
        GitError: the commit cannot be read.
    """
    found = [
        f"{path}: {wrong}"
        for mode, blob, path in _entries(folder, commit)
        if (wrong := _difference(folder, mode, blob, path))
    ]
    # The repository's own index may name files that the commit has not.
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as scratch:
        index = Path(scratch) / "index"
        git(folder, "read-tree", commit, index=index)
        others = {
            path
            for rest in (("--exclude-standard",), ("--", _IMPORTED))
            for path in git(folder, "ls-files", "--others", "-z", *rest, index=index).split("\0")
        }
    found += [f"{path}: not of the commit" for path in others - {""} if not is_bookkeeping(path)]
    return sorted(found)


def _entries(folder: Path, commit: str) -> list[tuple[str, str, str]]:
    """Return mode, hash and path of each file of a commit."""
    listed = git(folder, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
    heads = [(line.partition("\t")[0].split(), line.partition("\t")[2]) for line in listed if line]
    return [(mode, blob, path) for (mode, _, blob), path in heads]


def _difference(folder: Path, mode: str, blob: str, path: str) -> str:
    file = folder / path
    if mode == _SUBMODULE:
        return (
            "a repository of its own, which nothing proves" if file.is_dir() and any(file.iterdir()) else ""
        )
    if mode == _LINK:
        if not file.is_symlink():
            return "missing, or no link"
        same = _blob_hash(str(file.readlink()).encode(errors="surrogateescape")) == blob
    elif file.is_symlink() or not file.is_file():
        return "missing, or no file"
    else:
        try:
            same = _blob_hash(file.read_bytes()) == blob or _is_kept_elsewhere(folder, blob, file)
        except OSError as error:
            return f"cannot be read ({error.strerror})"
    return "" if same else "changed"


def _blob_hash(content: bytes) -> str:
    """Hash content as git names it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_kept_elsewhere(folder: Path, blob: str, file: Path) -> bool:
    """Return whether git stores a pointer in place of a file, and the file is the one it points to."""
    pointer = _POINTER.fullmatch(git(folder, "cat-file", "blob", blob))
    return pointer is not None and sha256_of(file) == pointer[1]
