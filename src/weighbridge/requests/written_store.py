"""Write bodies and their index into the folder of a store."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE

Buffer = bytes | memoryview


class WrittenBodies(NamedTuple):
    """What was written.

    Attributes:
        number: How many bodies.
        total_bytes: Their size.
        sha256: Of all of them.
    """

    number: int
    total_bytes: int
    sha256: str


def write_bodies(folder: Path, bodies: Iterable[Buffer]) -> WrittenBodies:
    """Write bodies and their index into a folder."""
    offsets, digest = [0], hashlib.sha256()
    with (folder / BODIES_FILE).open("wb", buffering=1 << 20) as stream:
        for body in bodies:
            stream.write(body)
            digest.update(body)
            offsets.append(offsets[-1] + len(body))
    (folder / INDEX_FILE).write_bytes(np.array(offsets, dtype="<i8").tobytes())
    return WrittenBodies(len(offsets) - 1, offsets[-1], digest.hexdigest())
