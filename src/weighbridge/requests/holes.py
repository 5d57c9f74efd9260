"""Where a live conversation's answers go in its stored bodies.

holes.bin holds little-endian int64 triples, ordered by request and position: the request, the position in its
stored body, and the request whose answer goes there, JSON-escaped; the quotation marks are stored.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from weighbridge.core.errors import InputError

HOLES_FILE = "holes.bin"


class Hole(NamedTuple):
    """One place in a stored body.

    Attributes:
        request: The request, by its place in the store.
        position: Offset in its stored body.
        answered: The request whose answer goes there.
    """

    request: int
    position: int
    answered: int


class Holes:
    """All holes of a store; none, if it has no file of them."""

    def __init__(self, folder: Path) -> None:
        """Map the file.

        Raises:
            InputError: it cannot be read, or holds something else.
        """
        path = folder / HOLES_FILE
        self._values = _mapped(path) if path.exists() and path.stat().st_size else memoryview(b"").cast("q")
        if len(self._values) % 3:
            raise InputError(f"{path}: not the holes of a request store; build the requests again.")

    def __len__(self) -> int:
        return len(self._values) // 3

    def __getitem__(self, index: int) -> Hole:
        return Hole(*self._values[3 * index : 3 * index + 3].tolist())

    def __iter__(self) -> Iterator[Hole]:
        return (self[index] for index in range(len(self)))

    def of(self, request: int) -> Iterator[Hole]:
        """Yield a request's holes by their position."""
        first = bisect_left(range(len(self)), request, key=lambda index: self._values[3 * index])
        for index in range(first, len(self)):
            if self._values[3 * index] != request:
                return
            yield self[index]


def _mapped(path: Path) -> memoryview:
    try:
        with path.open("rb") as stream:
            content = memoryview(mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ))
            return content.cast("q")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot be mapped ({error}); build the requests again.") from None
