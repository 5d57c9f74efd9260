"""Remember hashes of files, so that 470 GB are not hashed again while sizes and mtimes are unchanged."""

import hashlib
import json
import logging
import os
import time
from pathlib import Path

from weighbridge.core.files import write_atomic

logger = logging.getLogger(__name__)

# A file written this recently may change again under the same mtime: some cluster filesystems count in whole
# seconds.
_UNSETTLED_NS = 2_000_000_000


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
