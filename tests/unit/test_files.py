"""Atomic writes: the whole file or the old one."""

import hashlib
from pathlib import Path

import pytest

from weighbridge.core import files


def test_writes_text_and_bytes_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    files.write_atomic(path, "häuser\n")
    assert path.read_bytes() == "häuser\n".encode()
    files.write_atomic(path, b"\0")
    assert files.sha256_of(path) == hashlib.sha256(b"\0").hexdigest()
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    files.write_atomic(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        files.write_atomic(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
