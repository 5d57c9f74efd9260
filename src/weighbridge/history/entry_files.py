"""Files of a history: an entry is written once and never changed; a link leads to the newest."""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

from weighbridge.core.errors import WeighbridgeError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import read_data
from weighbridge.records.history_entry import LATEST, HistoryEntry

_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z-.+\.json")
_PATIENCE_S = 5.0
_POLL_S = 0.02

_log = logging.getLogger(__name__)


def entry_files(folder: Path) -> list[Path]:
    """Return the entries of a history, the oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def newest_file(folder: Path) -> Path | None:
    """Return the entry that the link leads to; None: there is no link, or it leads nowhere."""
    link = folder / LATEST
    if link.is_symlink():
        target = folder / link.readlink().name
        return target if target.is_file() else None
    # On a file system without links it is a copy, of the newest.
    files = entry_files(folder) if link.is_file() else []
    return files[-1] if files else None


def add_entry(folder: Path, entry: HistoryEntry) -> Path | None:
    """Write an entry at the present time, and lead the link to the newest entry.

    Two commands at once write one after the other; each file appears whole, or not at all.

    Returns:
        The file; None: the same result has an entry.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        files = entry_files(folder)
        if any(_is_of(path, entry) for path in files):
            return None
        path = _create(folder, entry)
        newest = max((*files, path))
        if newest != path:
            _log.warning(
                "%s: the clock is behind that of %s, which stays the newest entry; set the clock, or remove "
                "the entry if its time is wrong",
                path,
                newest.name,
            )
        _link(folder, newest)
        return path


def _is_of(path: Path, entry: HistoryEntry) -> bool:
    if not path.name.endswith(f"-{entry.kind}-{entry.name}.json"):
        return False
    try:
        found = read_data(path)
    except WeighbridgeError:
        return False  # a damaged entry is told of by those who read
    return isinstance(found, dict) and found.get("result_sha256") == entry.result_sha256


def _create(folder: Path, entry: HistoryEntry) -> Path:
    """Write a file that does not exist yet, at the first free millisecond."""
    now = datetime.now(UTC)
    while True:
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        text = f"{entry.model_copy(update={'time': now}).model_dump_json(indent=2)}\n"
        path = folder / f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{entry.kind}-{entry.name}.json"
        part = folder / f".{path.name}.{token_hex(8)}"
        write_atomic(part, text, private=True)
        try:
            _rename_exclusively(part, path)
        except FileExistsError:
            now += timedelta(milliseconds=1)
            continue
        finally:
            part.unlink(missing_ok=True)
        return path


def _rename_exclusively(part: Path, path: Path) -> None:
    """Give a finished file its name, unless that is taken.

    Raises:
        FileExistsError: it is.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        part.replace(path)


def _link(folder: Path, newest: Path) -> None:
    link = folder / LATEST
    part = folder / f".{LATEST}.{token_hex(8)}"
    try:
        part.symlink_to(newest.name)
        part.replace(link)
    except OSError:  # a file system without symbolic links
        part.unlink(missing_ok=True)
        write_atomic(link, newest.read_bytes(), private=True)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the folder's lock in a with block; without it after a while, or where there are no locks.

    Nothing is lost then: names are taken exclusively, and only the same result could be recorded twice.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_POLL_S)
            except OSError:
                break
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)
