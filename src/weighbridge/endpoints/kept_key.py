"""Keep the endpoints' key out of what the official client wrote: a server may repeat it in an answer."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from weighbridge.core.files import write_atomic
from weighbridge.core.secrets import MASKED

_SHORTEST_KEY = 4  # a shorter one is a word


def hide_key(key: str, places: Iterable[Path]) -> list[Path]:
    """Mask a key wherever it stands in files; return those that had it.

    Args:
        key: The key.
        places: Files, and folders that are searched.

    Raises:
        OSError: a file cannot be read or written.
    """
    if len(key) < _SHORTEST_KEY:
        return []
    forms = {key.encode(), json.dumps(key)[1:-1].encode()}
    changed = []
    for path in _files(places):
        content = path.read_bytes()
        if any(form in content for form in forms):
            for form in forms:
                content = content.replace(form, MASKED.encode())
            write_atomic(path, content, private=True)
            changed.append(path)
    return changed


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from (path for path in place.rglob("*") if path.is_file())
