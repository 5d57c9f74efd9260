"""Keep the endpoints' key out of what the official client wrote: a server may repeat it in an answer."""

from collections.abc import Collection, Iterable, Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from weighbridge.core.files import write_atomic
from weighbridge.core.secrets import MASKED, forms_of


def hide_key(key: str, places: Iterable[Path]) -> list[Path]:
    """Mask a key wherever it stands in files; return those that had it.

    Args:
        key: The key.
        places: Files, and folders that are searched.

    Raises:
        OSError: a file cannot be read or written.
    """
    forms = {form.encode() for form in forms_of(key)}
    changed = [path for path in _files(places) if _has(path, forms)]
    for path in changed:
        content = path.read_bytes()
        for form in forms:
            content = content.replace(form, MASKED.encode())
        write_atomic(path, content, private=True)
    return changed


def _has(path: Path, forms: Collection[bytes]) -> bool:
    """Return whether a file has one of the forms; it is not read into memory, for it may be some GB."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return any(content.find(form) >= 0 for form in forms)


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from (path for path in place.rglob("*") if path.is_file())
