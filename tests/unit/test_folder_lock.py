"""One command at a time writes into a folder, and the second is told which."""

import errno
import fcntl
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weighbridge.core.errors import SetupError
from weighbridge.run import folder_lock
from weighbridge.run.folder_lock import locked

HOLD = """
import sys
from pathlib import Path
from weighbridge.run.folder_lock import locked
with locked(Path(sys.argv[1]), "weighbridge run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path, *above: object) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock of a folder in a process of its own, below another program if one is named."""
    process = subprocess.Popen(
        [*above, sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def take(folder: Path) -> None:
    with locked(folder, "weighbridge run"):
        pass


def test_the_second_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "offline" / "performance"
    with holding(folder) as first:
        began = time.monotonic()
        with pytest.raises(SetupError) as caught:
            take(folder)
        assert time.monotonic() - began < 1
        assert re.fullmatch(
            rf"{folder} is in use by 'weighbridge run' \(process {first.pid} on {platform.node()}, since "
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\); wait for it or end it, and run the same command again\.",
            str(caught.value),
        )
        take(tmp_path / "offline" / "accuracy")  # another folder
    take(folder)
    # Nothing is left that a tree or a provenance record might take for a result.
    assert list(tmp_path.rglob("*")) == [tmp_path / "offline"]


def test_paths_to_one_folder_have_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("run")
    with holding(tmp_path / "run"):
        for other in ("run", "link", "x/../run"):
            with pytest.raises(SetupError):
                take(Path(other))


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path / "run") as process:
        process.kill()
        process.wait()
        assert (tmp_path / ".run.lock").exists()
        take(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_one_whose_snakemake_was_killed_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = tmp_path / "snakemake"
    script.write_text("import subprocess, sys; subprocess.run(sys.argv[1:])\n")
    with holding(tmp_path / "run", sys.executable, script) as snakemake:
        with pytest.raises(SetupError):
            take(tmp_path / "run")
        snakemake.kill()
        snakemake.wait()
        assert snakemake.stdin is not None
        snakemake.stdin.close()  # which ends the holder, a moment later
        with caplog.at_level("INFO"):
            take(tmp_path / "run")


def test_one_whose_snakemake_was_killed_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folder_lock, "_PATIENCE_S", 0.5)
    script = tmp_path / "snakemake"
    script.write_text("import subprocess, sys; subprocess.run(sys.argv[1:])\n")
    with holding(tmp_path / "run", sys.executable, script) as snakemake, caplog.at_level("INFO"):
        snakemake.kill()
        snakemake.wait()
        with pytest.raises(SetupError, match="is in use by 'weighbridge run'"):
            take(tmp_path / "run")
    [record] = caplog.records
    assert record.message.startswith("waiting for 'weighbridge run' (process")


def test_many_at_once_are_never_two(tmp_path: Path) -> None:
    # Each adds one to a number that only the lock protects; the lock's file is removed each time.
    code = (
        "import sys; from pathlib import Path\n"
        "from weighbridge.run.folder_lock import *\n"
        "folder, count = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "done = 0\n"
        "while done < 100:\n"
        "    try:\n"
        "        with locked(folder, 'x'): count.write_text(str(int(count.read_text()) + 1)); done += 1\n"
        "    except SetupError: pass\n"
    )
    count = tmp_path / "count"
    count.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "run", count]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert count.read_text() == "300"


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_without_locks_a_holder_on_this_machine_is_still_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    take(tmp_path / "run")
    [record] = caplog.records
    assert "this file system has no locks (No locks available)" in record.message
    with holding(tmp_path / "run") as first, pytest.raises(SetupError, match=f"process {first.pid}"):
        take(tmp_path / "run")
    left = {"host": "elsewhere", "pid": 1, "started_ticks": 1, "command": "x", "since": "y"}
    (tmp_path / ".run.lock").write_text(json.dumps(left))
    take(tmp_path / "run")


def test_a_folder_in_one_that_cannot_be_written_has_its_lock_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    real = os.open

    def refuse(path: str | Path, *options: int) -> int:
        if Path(path).parent == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *options)

    monkeypatch.setattr(os, "open", refuse)
    with locked(folder, "weighbridge run"):
        assert (folder / ".lock" / "holder").exists()
        with pytest.raises(SetupError, match=f"process {os.getpid()} "):
            take(folder)
