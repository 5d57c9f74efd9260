"""One hash for the content of a table of texts, however a file packs it."""

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hashlib import _Hash


class RowsHash:
    """One hash of the content of rows, whose columns are texts, however a file packs them."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[_Hash, _Hash]] = {}
        self.rows = 0

    def add(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows, which follow those before; of a text, its length in bytes and its bytes are hashed."""
        for name in rows.schema.names:
            column = rows.column(name)
            for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else (column,):
                lengths, texts = self._columns.setdefault(name, (sha256(), sha256()))
                packed = chunk.cast(pa.large_binary())
                lengths.update(_lengths(packed))
                texts.update(_bytes(packed))
        self.rows += rows.num_rows

    def hexdigest(self) -> str:
        """Return the hash of all columns, by their names."""
        lines = (
            f"{name} {lengths.hexdigest()} {texts.hexdigest()}\n"
            for name, (lengths, texts) in sorted(self._columns.items())
        )
        return sha256("".join(lines).encode()).hexdigest()


def _lengths(array: pa.LargeBinaryArray) -> bytes:
    """Return the length in bytes of each text as int64; of what is null, -1."""
    lengths = np.diff(_offsets(array)).astype("<i8")
    if array.null_count:
        lengths[np.asarray(array.is_null())] = -1
    return lengths.tobytes()


def _bytes(array: pa.LargeBinaryArray) -> memoryview:
    offsets = _offsets(array)
    data = array.buffers()[2]
    return memoryview(b"" if data is None else data)[int(offsets[0]) : int(offsets[-1])]


def _offsets(array: pa.LargeBinaryArray) -> NDArray[np.int64]:
    if len(array) == 0:
        return np.zeros(1, dtype=np.int64)
    return np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
