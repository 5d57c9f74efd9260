"""Write files atomically, and hash them."""

import hashlib
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file so that readers see the old content or the new one, never a part; make parent folders.

    Args:
        path: The file.
        content: Its whole content; text is encoded as UTF-8.
        durable: Wait until the content is on the disk. Leave out for files written every second.

    Raises:
        OSError: the folder cannot be written, or the disk is full. The old file is unchanged then.
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
    """Return the sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
