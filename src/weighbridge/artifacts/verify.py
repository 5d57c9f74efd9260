"""Hash the files of a folder on all cores, and compare them with a manifest."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from weighbridge.artifacts.manifest import FileEntry, Manifest, files_of, matches
from weighbridge.artifacts.transfer_progress import Advance, show_transfer
from weighbridge.core.errors import SetupError
from weighbridge.core.files import write_atomic

logger = logging.getLogger(__name__)

# A file written this recently may change again under the same mtime: some cluster filesystems count in whole
# seconds.
_UNSETTLED_NS = 2_000_000_000
_CHUNK_BYTES = 1 << 20


class HashCache:
    """The known hashes of one folder's files, stored in the user's cache and not in the folder itself.

    So a read-only folder can have them, no other user's hashes are trusted, and losing them costs only time.
    """

    def __init__(self, folder: Path) -> None:
        self._file = _cache_file(folder)
        self._known = _read(self._file)
        self._fresh: dict[str, tuple[int, int, str]] = {}

    def sha256(self, path: str, stat: os.stat_result) -> str | None:
        """Return a file's hash if it still has the size and mtime it was hashed with, else None."""
        size, mtime_ns, sha256 = self._known.get(path, (None, None, None))
        if (size, mtime_ns) != (stat.st_size, stat.st_mtime_ns):
            return None
        return sha256

    def record(self, path: str, stat: os.stat_result, sha256: str) -> None:
        """Record a file's hash, unless the file is too young for its mtime to be trusted."""
        if time.time_ns() - stat.st_mtime_ns > _UNSETTLED_NS:
            self._fresh[path] = (stat.st_size, stat.st_mtime_ns, sha256)

    def save(self) -> None:
        """Write the recorded hashes; a cache that cannot be written is only warned of."""
        if not self._fresh or self._file is None:
            return
        try:
            write_atomic(self._file, json.dumps(self._known | self._fresh))
        except OSError as error:
            logger.warning(
                "%s: cannot be written (%s); the files will be hashed again.", self._file, error.strerror
            )


def _cache_file(folder: Path) -> Path | None:
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # the user has no home
        return None
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    return root / "weighbridge" / "stamps" / f"{name}.json"


def _read(file: Path | None) -> dict[str, tuple[int, int, str]]:
    """Read the known hashes; a damaged file counts as none."""
    if file is None:
        return {}
    try:
        return {
            str(path): (int(size), int(mtime_ns), str(sha256))
            for path, (size, mtime_ns, sha256) in json.loads(file.read_bytes()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


@dataclass(frozen=True)
class Difference:
    """One file that differs from its manifest."""

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}"


def describe(folder: Path, *, full: bool = False, only: Sequence[str] = ("*",)) -> Manifest:
    """Hash the files of a folder, or take their cached hashes where size and mtime are unchanged.

    Args:
        folder: The artifact's folder.
        full: Hash all files, whatever the cache holds.
        only: Patterns of which a file's path matches one; others are left out.

    Raises:
        SetupError: a file cannot be read, or changes meanwhile.
    """
    cache = HashCache(folder)
    entries: list[FileEntry] = []
    unknown: list[tuple[str, os.stat_result]] = []
    for path in files_of(folder):
        if not matches(path, only):
            continue
        stat = (folder / path).stat()
        sha256 = None if full else cache.sha256(path, stat)
        if sha256 is None:
            unknown.append((path, stat))
        else:
            entries.append(FileEntry(path=path, size=stat.st_size, sha256=sha256))
    try:
        entries += _hash_all(folder, unknown, cache)
    finally:
        cache.save()
    return Manifest(files=tuple(entries))


def differences(
    folder: Path, lock: Manifest, *, full: bool = False, only: Sequence[str] = ("*",)
) -> list[Difference]:
    """Compare a folder with a lock: first names and sizes, then, if these agree, contents.

    Args:
        folder: The artifact's folder.
        lock: What it must hold, of the files that `only` leaves.
        full: Hash all files, whatever the cache of hashes holds.
        only: As of `describe`.

    Raises:
        SetupError: a file cannot be read, or changes meanwhile.
    """
    shape = _different_shape(folder, lock, only)
    if shape:
        return shape
    expected = lock.by_path()
    return [
        Difference(entry.path, f"sha256 {expected[entry.path].sha256}", entry.sha256)
        for entry in describe(folder, full=full, only=only).files
        if entry.sha256 != expected[entry.path].sha256
    ]


def verify(folder: Path, lock: Manifest, *, full: bool = False, only: Sequence[str] = ("*",)) -> None:
    """Check that a folder holds exactly the files of its lock; change and delete nothing.

    Args:
        folder: The artifact's folder.
        lock: What it must hold, of the files that `only` leaves.
        full: Hash all files, whatever the cache of hashes holds.
        only: As of `describe`.

    Raises:
        SetupError: a file is missing, extra, short, changed or unreadable; the message names the first, the
            log all.
    """
    if not folder.is_dir():
        raise SetupError(f"{folder}: the folder does not exist; fetch it, or correct its path.")
    found = differences(folder, lock, full=full, only=only)
    if found:
        raise SetupError(
            f"{folder} is not as locked: {first_of(found)}; copy or fetch what differs again, "
            "and move away what does not belong."
        )


def first_of(found: Sequence[Difference]) -> str:
    """Return the first difference as text for an error; where there are more, log each."""
    if len(found) == 1:
        return str(found[0])
    for difference in found:
        logger.error("%s", difference)
    return f"{found[0]} (and {len(found) - 1} more files, listed above)"


def _different_shape(folder: Path, lock: Manifest, only: Sequence[str]) -> list[Difference]:
    expected = lock.by_path()
    sizes = {path: (folder / path).stat().st_size for path in files_of(folder) if matches(path, only)}
    return [
        Difference(
            path,
            f"{expected[path].size} bytes" if path in expected else "no such file",
            f"{sizes[path]} bytes" if path in sizes else "no such file",
        )
        for path in sorted(expected.keys() | sizes.keys())
        if path not in expected or path not in sizes or sizes[path] != expected[path].size
    ]


def _hash_all(folder: Path, files: Sequence[tuple[str, os.stat_result]], cache: HashCache) -> list[FileEntry]:
    if not files:
        return []
    # Largest first, so that the last one running is small.
    ordered = sorted(files, key=lambda file: file[1].st_size, reverse=True)
    total_bytes = sum(stat.st_size for _, stat in files)
    # Threads are enough: hashlib and read() release the interpreter's lock.
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    with show_transfer(f"verifying {folder.name}", total_bytes) as advance:
        try:
            return list(pool.map(lambda file: _entry(folder, file[0], file[1], cache, advance), ordered))
        finally:
            pool.shutdown(cancel_futures=True)


def _entry(folder: Path, path: str, before: os.stat_result, cache: HashCache, advance: Advance) -> FileEntry:
    file = folder / path
    try:
        sha256 = _sha256(file, advance)
        after = file.stat()
    except OSError as error:
        raise SetupError(
            f"{file}: cannot be read ({error.strerror}); check its permissions and its disk."
        ) from None
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise SetupError(f"{file}: changes while it is verified; wait until nothing writes to it any more.")
    cache.record(path, after, sha256)
    return FileEntry(path=path, size=after.st_size, sha256=sha256)


def _sha256(file: Path, advance: Advance) -> str:
    digest = hashlib.sha256()
    chunk = memoryview(bytearray(_CHUNK_BYTES))
    with file.open("rb", buffering=0) as stream:
        while n_bytes := stream.readinto(chunk):
            digest.update(chunk[:n_bytes])
            advance(n_bytes)
    return digest.hexdigest()
