"""tests/all: no test is left out, a failed lane is told, and nothing is left when it is interrupted."""

import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

BESIDE = 10
# In the place of pytest: says its arguments, fails where they name a text, and lasts until it is interrupted.
PYTEST = """#!/bin/sh
[ -z "${LASTS:-}" ] || { sleep 60 & trap 'kill $!; echo cleaned >> "$SAID"; exit 2' INT; }
echo "pid $$ arguments $*" >> "$SAID"
case "$*" in *"${FAILS:-nothing}"*) exit 1 ;; esac
wait
"""


@pytest.fixture
def command(tmp_path: Path, root: Path) -> Path:
    """Copy tests/all, so that its checkout has no test that it could run."""
    (tmp_path / "tests").mkdir()
    program = tmp_path / "bin" / "pytest"
    program.parent.mkdir()
    program.write_text(PYTEST)
    program.chmod(0o755)
    return Path(shutil.copy2(root / "tests" / "all", tmp_path / "tests" / "all"))


def start(command: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    folder = command.parents[1]
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PATH": path, "SAID": str(folder / "said")}
    return subprocess.Popen(
        [command, *arguments], env=os.environ | own | environment, stdout=subprocess.PIPE, text=True
    )


def said(command: Path) -> list[str]:
    path = command.parents[1] / "said"
    return path.read_text().splitlines() if path.exists() else []


def test_every_folder_of_tests_is_in_a_lane(command: Path, root: Path) -> None:
    with start(command) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    given = [word for line in said(command) for word in line.split()]
    folders = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"][
        "testpaths"
    ]
    for folder in folders:
        assert given.count(folder) == 1
    for word in given:
        if word.endswith(".py"):
            assert (root / word.removeprefix("--ignore=")).is_file(), f"tests/all: {word} does not exist"


def test_a_failed_lane_fails_all_and_stops_no_other(command: Path) -> None:
    with start(command, FAILS="tests/unit") as process:
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    table = text.partition("tests/all:\n")[2].splitlines()
    assert len(table) == len(said(command)) == BESIDE + 1
    assert [line for line in table if "FAILED" in line] == [line for line in table if "unit" in line]


def test_arguments_are_pytests(command: Path) -> None:
    with start(command, "tests/unit", "-x", FAILS="-x") as process:
        assert process.wait(60) == 1
    [line] = said(command)
    assert line.endswith("arguments tests/unit -x")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_one_interrupts_its_lanes(command: Path, number: signal.Signals) -> None:
    with start(command, LASTS="60") as process:
        slots = min(BESIDE, 2 * (os.cpu_count() or 1))
        while len(said(command)) < slots:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == (-number if number is signal.SIGKILL else 128 + number)
    if number is not signal.SIGKILL:
        assert said(command)[slots:] == ["cleaned"] * slots
    for line in said(command)[:slots]:
        wait_for_end(int(line.split()[1]))


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
