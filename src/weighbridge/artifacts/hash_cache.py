"""Remember the hashes of files, so that 470 GB are not hashed again while size and mtime stand."""

import hashlib
import json
import logging
import os
import time
from pathlib import Path

from weighbridge.core.files import write_atomic

logger = logging.getLogger(__name__)

# A file written so short a time ago may change again without its mtime showing it: some cluster
# filesystems count in whole seconds.
_UNSETTLED_NS = 2_000_000_000


class Stamps:
    """The known hashes of one folder's files, kept in the user's cache and never in the folder itself.

    So a read-only folder can have them, nobody else's word is taken, and losing them costs time only.
    """

    def __init__(self, folder: Path) -> None:
        self._file = _place(folder)
        self._known = _read(self._file)
        self._fresh: dict[str, tuple[int, int, str]] = {}

    def sha256(self, path: str, stat: os.stat_result) -> str | None:
        """Give the hash of a file that still has the size and mtime it was hashed with."""
        size, mtime_ns, sha256 = self._known.get(path, (None, None, None))
        if (size, mtime_ns) != (stat.st_size, stat.st_mtime_ns):
            return None
        return sha256

    def record(self, path: str, stat: os.stat_result, sha256: str) -> None:
        """Note the hash of a file, unless the file is too young for its mtime to be trusted."""
        if time.time_ns() - stat.st_mtime_ns > _UNSETTLED_NS:
            self._fresh[path] = (stat.st_size, stat.st_mtime_ns, sha256)

    def save(self) -> None:
        """Keep what was noted; a cache that cannot be written is no error."""
        if not self._fresh or self._file is None:
            return
        try:
            write_atomic(self._file, json.dumps(self._known | self._fresh))
        except OSError as error:
            logger.warning(
                "%s: cannot be written (%s); the files will be hashed again.", self._file, error.strerror
            )


def _place(folder: Path) -> Path | None:
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # the user has no home
        return None
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    return root / "weighbridge" / "stamps" / f"{name}.json"


def _read(file: Path | None) -> dict[str, tuple[int, int, str]]:
    """Read the stamps; damaged ones count as none."""
    if file is None:
        return {}
    try:
        return {
            str(path): (int(size), int(mtime_ns), str(sha256))
            for path, (size, mtime_ns, sha256) in json.loads(file.read_bytes()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
