"""The files of an artifact: path, size and sha256 of each. Written to a file, a manifest is a lock."""

import hashlib
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator

from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import InsidePath, Model, Sha256, read_text

# Folders of downloaders and version control, which are no part of the artifact.
_BOOKKEEPING = frozenset({".cache", ".git"})


class FileEntry(Model):
    """One file of an artifact."""

    path: InsidePath = Field(description="Relative to the artifact's folder, with forward slashes.")
    size: int = Field(ge=0, description="In bytes.")
    sha256: Sha256


class Manifest(Model):
    """The files of an artifact, sorted by path."""

    files: tuple[FileEntry, ...]

    @field_validator("files")
    @classmethod
    def _are_sorted_and_distinct(cls, files: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
        by_path = {entry.path: entry for entry in files}
        if len(by_path) != len(files):
            raise ValueError("a path is listed twice")
        return tuple(by_path[path] for path in sorted(by_path))

    @property
    def digest(self) -> str:
        """One sha256 for the whole artifact: that of the lines 'sha256 size path', one for each file."""
        lines = (f"{entry.sha256} {entry.size} {entry.path}\n" for entry in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.size for entry in self.files)

    def only(self, patterns: Sequence[str]) -> "Manifest":
        """Return the manifest of the files whose path matches a pattern."""
        return Manifest(files=tuple(entry for entry in self.files if matches(entry.path, patterns)))

    def by_path(self) -> dict[str, FileEntry]:
        """The entries, by path."""
        return {entry.path: entry for entry in self.files}


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a path matches one of the patterns."""
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def is_bookkeeping(path: str) -> bool:
    """Return whether a path belongs to a downloader, version control or Python, not to the artifact."""
    parts = PurePosixPath(path).parts
    return parts[0] in _BOOKKEEPING or "__pycache__" in parts


def files_of(folder: Path) -> list[str]:
    """Return the sorted paths of an artifact's files, relative to its folder, without bookkeeping.

    Links are followed: a folder of links into a shared cache counts as the files they lead to.
    """
    paths = ((path, path.relative_to(folder).as_posix()) for path in folder.rglob("*"))
    return sorted(relative for path, relative in paths if not is_bookkeeping(relative) and path.is_file())


def read_lock(path: Path) -> Manifest:
    """Read a lock.

    Raises:
        InputError: the file is missing or is not a lock.
    """
    try:
        text = read_text(path)
    except InputError as error:
        raise InputError(
            f"{str(error).rstrip('.')}; write a lock with 'weighbridge lock FOLDER --out {path}'."
        ) from None
    return Manifest.parse_json(text, str(path))


def write_lock(path: Path, manifest: Manifest) -> None:
    """Write a lock with one line for each file, so that changes are easy to read in a diff."""
    lines = ",\n".join(
        "    " + json.dumps(entry.model_dump(), ensure_ascii=False) for entry in manifest.files
    )
    write_atomic(path, '{\n  "files": [\n' + lines + "\n  ]\n}\n")
