"""Atomic writes: the whole file or the old one."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.core import files
from weighbridge.core.errors import machine_trouble


def test_writes_text_and_bytes_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    files.write_atomic(path, "häuser\n")
    assert path.read_bytes() == "häuser\n".encode()
    files.write_atomic(path, b"\0")
    assert files.sha256_of(path) == hashlib.sha256(b"\0").hexdigest()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("umask", "private", "mode"),
    [(0o022, False, 0o644), (0o022, True, 0o600), (0o077, False, 0o600), (0o000, True, 0o600)],
)
def test_who_may_read_a_file(tmp_path: Path, umask: int, private: bool, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_atomic(tmp_path / "a", "x", private=private)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        files.write_atomic(Path("/dev/full"), "x")
    assert Path("/dev/full").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_atomic(pipe, "content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]
    assert pipe.is_fifo()
    # Where the output is redirected to a file, /dev/stdout is a link to it, and stays one.
    write = "import pathlib as p, weighbridge.core.files as f; f.write_atomic(p.Path('/dev/stdout'), 'x')"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", write], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "x"
    assert Path("/dev/stdout").is_symlink()


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


@pytest.mark.parametrize("path", [".", "", "/", "..", "a/.."])
def test_a_path_without_a_name_is_a_folder(path: str) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        files.write_atomic(Path(path), "x")
    assert machine_trouble(caught.value) == f"{Path(path)}: Is a directory; use a path that is not a folder."


def test_the_file_that_was_asked_for_is_named() -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        files.write_atomic(Path("/proc/report.html"), "x")
    assert caught.value.filename == "/proc/report.html"


def test_a_device_that_takes_no_more_is_named() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        files.write_atomic(Path("/dev/full"), "x")
    assert machine_trouble(caught.value) == "/dev/full: No space left on device; make room there."
