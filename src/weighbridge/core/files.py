"""Write files atomically, hash them, and say why a disk takes no more."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PurePosixPath
from secrets import token_hex

from weighbridge.core.errors import SetupError

_DISK_ERRORS = {
    errno.ENOSPC: "the disk of {} is full; make room and repeat",
    errno.EDQUOT: "the disk quota of {} is used up; make room and repeat",
    errno.EFBIG: "a file in {} has reached the largest size that is allowed; raise ulimit -f and repeat",
    errno.EIO: "the disk of {} reports an error; use another one and repeat",
    errno.EROFS: "the disk of {} has become read-only; use another one and repeat",
}


def write_atomic(path: Path, content: str | bytes, *, durable: bool = True, private: bool = False) -> None:
    """Write a file so that readers see the old content or the new one, never a part; make parent folders.

    A device or pipe, such as /dev/stdout, is written to, and never replaced by a file.

    Args:
        path: The file.
        content: Its whole content; text is encoded as UTF-8.
        durable: Wait until the content is on the disk. Leave out for files written every second.
        private: Let its owner alone read it: it holds evidence of requests, answers or environments.

    Raises:
        OSError: the folder cannot be written, or the disk is full. The old file is unchanged then.
    """
    data = content.encode() if isinstance(content, str) else content
    name = beside(path, f".{path.name}.{token_hex(8)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _naming(path):
        if _is_device(path):
            path.write_bytes(data)
            return
        # Not a temporary file of Python's, which forgets the user's umask.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600 if private else 0o644)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            name.replace(path)
        except BaseException:
            name.unlink(missing_ok=True)
            raise


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file that a user knows in errors of the system: a full disk names none, others name a part."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def beside(path: Path, name: str) -> Path:
    """Return the path of a file beside another one.

    Raises:
        IsADirectoryError: the path has no name of its own, such as "." or "/".
    """
    if path.name in {"", ".."}:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(name)


def _is_device(path: Path) -> bool:
    """Return whether a path is a device or pipe, or one of the links in /dev to whatever is open."""
    if path.parent.resolve() == Path("/dev"):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def stays_inside(path: str) -> bool:
    """Return whether a path is relative and stays inside its folder."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not PurePosixPath(path).is_absolute()


def open_regular(path: Path) -> BufferedReader:
    """Open an ordinary file to read its bytes.

    A pipe without a writer would let the opening wait for ever, and /dev/zero has no end.

    Raises:
        OSError: it cannot be opened, or is no ordinary file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        kind = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(kind, os.strerror(kind) if path.is_dir() else "it is no ordinary file", str(path))
    return os.fdopen(descriptor, "rb")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, in hexadecimal.

    Raises:
        OSError: as `open_regular`.
    """
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disk_failure(error: OSError, folder: Path | str) -> str | None:
    """Return why a folder takes no more data, for a sentence; None: the error has another cause."""
    reason = _DISK_ERRORS.get(error.errno or 0)
    return None if reason is None else reason.format(folder)


@contextmanager
def disk_needed(folder: Path) -> Iterator[None]:
    """Raise a SetupError for what the disk of a folder refuses in a with block; other errors pass."""
    try:
        yield
    except OSError as error:
        reason = disk_failure(error, folder)
        if reason is None:
            raise
        raise SetupError(f"{reason}.") from None


def open_private(path: str, flags: int) -> int:
    """Open a file as `open` does, but one that it makes can be read by its owner alone: an `opener`."""
    return os.open(path, flags, 0o600)
