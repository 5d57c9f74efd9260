"""Write a folder completely or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weighbridge.core.errors import InputError


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `out` at the end, or disappears if an error is raised.

    Raises:
        InputError: there is a file or a device, or it is a folder that cannot be replaced, such as ".".
    """
    if out.name in {"", ".."} or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: a folder cannot take its place; use the path of a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
