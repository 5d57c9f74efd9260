"""Hash the files of a folder on all cores, and compare them with a manifest."""

import logging
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from weighbridge.artifacts.manifest import FileEntry, Manifest, files_of
from weighbridge.errors import SetupError
from weighbridge.files import sha256_of

logger = logging.getLogger(__name__)


def describe(folder: Path) -> Manifest:
    """Hash every file of a folder.

    Raises:
        SetupError: a file cannot be read.
    """
    paths = files_of(folder)
    # Threads suffice: hashlib and read() release the interpreter's lock.
    with ThreadPoolExecutor(cpu_count()) as pool:
        return Manifest(files=tuple(pool.map(lambda path: _entry(folder, path), paths)))


def verify(folder: Path, lock: Manifest) -> Manifest:
    """Prove that a folder holds exactly the files of its lock; nothing is changed or deleted.

    Raises:
        SetupError: a file is missing, extra, short or changed: its name, what was expected, what was found.
    """
    expected = lock.by_path()
    found = files_of(folder)
    for path in sorted(expected.keys() ^ set(found)):
        if path in expected:
            raise SetupError(
                f"{folder / path}: missing (expected {expected[path].size} bytes); fetch the artifact again."
            )
        raise SetupError(f"{folder / path}: not part of the artifact; move it away.")
    for path in found:
        size = (folder / path).stat().st_size
        if size != expected[path].size:
            raise SetupError(
                f"{folder / path}: expected {expected[path].size} bytes, found {size}; fetch it again."
            )
    manifest = describe(folder)
    for entry in manifest.files:
        if entry.sha256 != expected[entry.path].sha256:
            raise SetupError(
                f"{folder / entry.path}: expected sha256 {expected[entry.path].sha256}, "
                f"found {entry.sha256}; fetch it again."
            )
    return manifest


def _entry(folder: Path, path: str) -> FileEntry:
    file = folder / path
    try:
        return FileEntry(path=path, size=file.stat().st_size, sha256=sha256_of(file))
    except OSError as error:
        raise SetupError(f"{file}: cannot be read ({error.strerror}).") from None
