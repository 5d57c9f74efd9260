"""What `make setup` says while it installs: the counts of uv's lines, and a line every few seconds."""

import io
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "requirements"))

import progress

UV = """Using Python 3.11.7 environment at: v
Resolved 5 packages in 302ms
Downloading torch (1.5GiB)
Downloading numpy (16.0MiB)
 Downloaded numpy
"""


def test_downloads_are_counted() -> None:
    shown = progress.Progress("installing x")
    for line in UV.splitlines():
        shown.take(line)
    assert shown.text() == "installing x, downloading (5 packages), 0.0 of 1.6 GB so far, 0 s"
    shown.take(" Downloaded torch")
    assert "1.6 of 1.6 GB so far" in shown.text()
    shown.take("Prepared 5 packages in 559ms")
    assert shown.text() == "installing x, unpacking (5 packages), 0 s"
    shown.take("Installed 5 packages in 43ms")
    assert "compiling their bytecode (5 packages)" in shown.text()
    assert shown.end() == "installing x: done, 5 packages, 0 s"


def test_a_line_comes_at_once_and_then_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.2)
    out = io.StringIO()
    assert progress.run("waiting", ["sh", "-c", "echo Resolved 3 packages in 1s; sleep 1"], out) == 0
    first, *others, last = out.getvalue().splitlines()
    assert first == "make: waiting"
    assert others
    assert all(line.startswith("make: waiting, downloading (3 packages), ") for line in others)
    assert last.startswith("make: waiting: done, 3 packages, ")


def test_what_fails_is_shown_whole_with_its_code() -> None:
    out = io.StringIO()
    assert progress.run("failing", ["sh", "-c", "echo no such package >&2; exit 7"], out) == 7
    assert out.getvalue() == "make: failing\nno such package\nmake: failing: failed with exit code 7\n"


def test_a_terminal_gets_one_line_that_changes() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    assert progress.run("waiting", ["sh", "-c", "sleep 0.5"], out) == 0
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().count("\r\033[K") > 1
