"""Writing without a buffer: a disk that takes a part of the bytes loses none of the others."""

import io

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.artifacts.download import _write_all


class NarrowDisk(io.RawIOBase):
    """Takes a few bytes at a time, as a disk does that is almost full."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:
        part = bytes(data)[: self.width]
        self.taken += part
        return len(part)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_all_bytes_are_written_in_order(chunk: bytes, width: int) -> None:
    disk = NarrowDisk(width)
    _write_all(disk, chunk)
    assert disk.taken == chunk
