"""An exclusive lock on a folder that a command writes: two runs into one folder would make one wrong result.

The lock is a lock of the kernel (flock), which ends with the process that holds it, however it ends. Its file
lies beside the folder, where Snakemake deletes nothing before a job, and says who holds it.
"""

import errno
import fcntl
import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.models import Model
from weighbridge.core.owner import owners
from weighbridge.core.proc import ProcessId

log = logging.getLogger(__name__)

# A command whose Snakemake was killed ends by itself; the next one, started at once, waits that long for it.
_PATIENCE_S = 20.0
_POLL_S = 0.2
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


class LockHolder(Model):
    """Who holds a lock."""

    host: str
    pid: int
    started_ticks: int
    command: str
    since: str
    owners: tuple[tuple[int, str, int], ...] = ()

    @classmethod
    def this_process(cls, command: str) -> "LockHolder":
        """Describe this process."""
        return cls(
            host=platform.node(),
            pid=os.getpid(),
            started_ticks=ProcessId.of(os.getpid()).started_ticks,
            command=command,
            since=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            owners=tuple((owner.pid, owner.name, owner.started_ticks) for owner in owners()),
        )

    @property
    def here(self) -> bool:
        """Return whether it runs on this machine, as far as that can be seen."""
        return self.host == platform.node() and ProcessId(self.pid, "", self.started_ticks).lives

    @property
    def ending(self) -> bool:
        """Return whether the Snakemake that it works for has ended, with which it ends too."""
        return self.here and not all(ProcessId(*owner).lives for owner in self.owners)

    def __str__(self) -> str:
        return f"'{self.command}' (process {self.pid} on {self.host}, since {self.since})"


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Hold the lock of a folder for the duration of a with block.

    Args:
        folder: The folder; it need not exist.
        command: What holds the lock, for those who are refused.

    Raises:
        OSError: neither the folder nor the one that holds it can be written.
        SetupError: another process holds it; names that process.
    """
    path, descriptor = _acquire(folder)
    try:
        with suppress(OSError):  # a full disk; the lock holds without it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, LockHolder.this_process(command).model_dump_json().encode(), 0)
        yield
    finally:
        # While it is held: whoever opened it meanwhile sees that it has lost its name, and tries again.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def in_use(folder: Path) -> bool:
    """Return whether a command of this machine holds the lock of a folder, without touching the lock.

    A try to take it, however short, could refuse a run that begins now.
    """
    real = Path(os.path.realpath(folder))
    for place in _places(real):
        with suppress(OSError, InputError):
            return LockHolder.parse_json(place.read_text(errors="replace"), "lock").here
    return False


def _places(folder: Path) -> tuple[Path, Path]:
    """Return the lock's file beside the folder, and in it: for where only the folder can be written."""
    # In a folder of its own: the files of the run's folder are moved away with a run that does not count.
    return folder.parent / f".{folder.name}.lock", folder / ".lock" / "holder"


def _acquire(folder: Path) -> tuple[Path, int]:
    """Return the lock's file, open and locked, once whoever holds it and is about to end has ended."""
    until, told = time.monotonic() + _PATIENCE_S, False
    while True:
        path, descriptor = _open(Path(os.path.realpath(folder)))
        keep = False
        try:
            taken = _try(path, descriptor, folder)
            keep = taken and _is_file_of(path, descriptor)
            holder = None if taken else _holder(descriptor)
        finally:
            if not keep:
                os.close(descriptor)
        if keep:
            return path, descriptor
        if taken:
            continue  # whoever held it has removed the file since it was opened
        if holder is None or not holder.ending or time.monotonic() > until:
            raise SetupError(
                f"{folder} is in use by {holder or 'another process'}; wait for it or end it, and run the "
                "same command again."
            )
        if not told:
            told = True
            log.info("waiting for %s to end, which uses %s", holder, folder)
        time.sleep(_POLL_S)


def _open(folder: Path) -> tuple[Path, int]:
    """Open the lock's file: beside the folder, or in it where only that can be written.

    `folder` is without symbolic links, so that all paths to one folder lead to one lock.
    """
    beside, within = _places(folder)
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        return beside, os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno not in _UNWRITABLE or not folder.is_dir():
            raise
    within.parent.mkdir(exist_ok=True)
    return within, os.open(within, os.O_RDWR | os.O_CREAT, 0o644)


def _try(path: Path, descriptor: int, folder: Path) -> bool:
    """Try to take the lock, and return whether it is taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _UNSUPPORTED:
            raise
        log.warning(
            "%s: this file system has no locks (%s); a run on another machine is not kept out of %s",
            path,
            os.strerror(error.errno),
            folder,
        )
    holder = _holder(descriptor)
    return holder is None or not holder.here


def _is_file_of(path: Path, descriptor: int) -> bool:
    """Return whether the open file is still the one with that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> LockHolder | None:
    """Return who holds the lock; None where its file does not say (yet)."""
    for _ in range(3):
        with suppress(OSError, InputError):
            if data := os.pread(descriptor, 1 << 16, 0):
                return LockHolder.parse_json(data.decode(errors="replace"), "lock")
        time.sleep(0.05)  # it has been taken just now
    return None
