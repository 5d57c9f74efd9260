"""Files that are there whole or not at all, and their hashes."""

import hashlib
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file so that no reader ever sees a part of it; parent folders are made.

    Args:
        path: The file.
        content: All of it.
        durable: Wait until it is on the disk; not for what is written anew every second.

    Raises:
        OSError: the folder cannot be written, or the disk is full. The old file then stands unchanged.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """Hash a file's content; hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
