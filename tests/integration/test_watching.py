"""Watching a run: on a terminal, in a log, and from another process that sees its files."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import IO

import pytest
from measuring import run_command
from screen import Seen
from test_simulate import simulated

from weighbridge.core.errors import InputError
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State
from weighbridge.simulate.behaviour import Behaviour

WEIGHBRIDGE = str(Path(sys.executable).parent / "weighbridge")
COLUMNS = 60
# Longer than the ten seconds between two lines in a log.
DURATION_S, QPS = 12.5, 20


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with simulated(Behaviour(servers=0, mean_s=0.2)) as url:
        yield url


def command(folder: Path, url: str, log: Path) -> list[str]:
    out = folder / "results" / "server" / "performance"
    samples = int(DURATION_S * QPS)
    run = run_command(folder, url, samples=samples, target_qps=QPS, duration_s=1, out=out)
    return [WEIGHBRIDGE, "--log", str(log), *run]


def watch_once(folder: Path) -> str:
    done = subprocess.run(
        [WEIGHBRIDGE, "watch", str(folder), "--once"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def await_phase(folder: Path, phase: Phase) -> Path:
    path = folder / "results" / "server" / "performance" / PROGRESS_FILE
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if State.read(path).phase is phase:
                return path
        except InputError:
            pass  # not there yet
        time.sleep(0.1)
    pytest.fail(f"the run never was '{phase}'")


def test_a_run_on_a_terminal_shows_a_panel_and_its_log_has_lines(tmp_path: Path, server: str) -> None:
    log = tmp_path / "run.log"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(Seen, command(tmp_path, server, log), COLUMNS)
        await_phase(tmp_path, Phase.RUNNING)
        # No time is estimated before 5 s; the run takes 12.
        from_elsewhere, tries = watch_once(tmp_path), 1
        while "left" not in from_elsewhere and "running" in from_elsewhere and tries < 50:
            from_elsewhere, tries = watch_once(tmp_path), tries + 1
        seen = running.result()
    assert seen.code == 0, seen.last

    assert from_elsewhere.startswith("server performance, running, ")
    for words in ("target 20.0", "in flight", "failed 0", "(limit 12 s)", "about", "left"):
        assert words in from_elsewhere
    assert re.search(r"p99 (>= )?[2-9]\d\d ms", from_elsewhere)

    panels = [screen for screen in seen.screens if "server performance: running" in screen]
    assert len(panels) > 10
    # Whole at any time, and one at most: what a log line leaves of an old one would be seen here.
    assert all(screen.count("╭") == screen.count("╰") == 1 for screen in panels)
    full = [screen for screen in panels if "250" in screen and re.search(r"p99 (≥ )?[2-9]", screen)]
    assert full
    assert "of 250" in full[-1]
    assert any("left" in screen for screen in full)
    told = " ".join(full[0].partition("╭")[0].split())
    assert "checked: the server is up and serves" in told
    assert "no golden answer to compare" in told

    # At the end there are only the lines, each in the log too, and the cursor is back.
    assert not seen.cursor_hidden
    lines = log.read_text().splitlines()
    recurring = [line for line in lines if ", running, " in line]
    assert recurring
    assert "(limit 12 s)" in recurring[0]
    rest = [line for line in lines if line not in recurring]
    assert "".join(seen.last.split()) == "".join("".join(rest).split())
    assert not any(line[9:] in seen.raw for line in recurring)

    assert watch_once(tmp_path).startswith("server performance, done, 1")
    assert (
        json.loads((tmp_path / "results/server/performance/run.json").read_text())["load"]["aborted"] is None
    )


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["no-color", "dumb"])
def test_a_plain_terminal_gets_no_colours_and_a_dumb_one_no_panel(
    tmp_path: Path, server: str, environment: dict[str, str]
) -> None:
    arguments = command(tmp_path, server, tmp_path / "run.log")
    arguments[arguments.index("--target-qps") + 1] = "200"
    # A folder in the place of its file: what may not be written does not fail the run.
    (tmp_path / "results/server/performance" / PROGRESS_FILE).mkdir(parents=True)
    seen = Seen(arguments, 100, **environment)
    assert seen.code == 0, seen.last
    assert ("╭" in seen.raw) is ("NO_COLOR" in environment)
    assert "\x1b[3" not in seen.raw
    assert "progress.json cannot be written (Is a directory)" in " ".join(seen.last.split())
    assert "250 of 250 samples answered" in seen.last


def test_a_run_without_a_terminal_writes_lines_and_is_missed_when_killed(tmp_path: Path, server: str) -> None:
    log = tmp_path / "run.log"
    process = subprocess.Popen(
        command(tmp_path, server, log), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if ", running, " in line:
                break
        assert "\x1b" not in "".join(lines)
        assert "in flight" in lines[-1]
        time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert lines[-1] in log.read_text()
    told = watch_once(tmp_path)
    assert told.startswith("server performance, running, ")
    assert told.endswith(f"its process {process.pid} is gone: the job was killed\n")
    # Seen from another node, only the silence tells.
    path = tmp_path / "results" / "server" / "performance" / PROGRESS_FILE
    path.write_text(path.read_text().replace(State.read(path).host, "gpu17"))
    assert "no sign of life for" in (told := watch_once(tmp_path))
    assert told.endswith(f"its host was gpu17, pid {process.pid}\n")


def test_following_goes_from_run_to_run_until_ctrl_c(tmp_path: Path) -> None:
    """On a terminal, and beside it without one."""
    beats = count()
    pids: list[int] = []
    screens: list[str] = []
    lines: list[str] = []

    def write(folder: str, phase: Phase) -> None:
        place = tmp_path / "results" / folder
        place.mkdir(parents=True, exist_ok=True)
        state = {"label": folder, "phase": phase, "detail": "", "elapsed_s": 1.0, "figures": None}
        (place / ".new").write_text(json.dumps(state | {"host": "gpu17", "pid": 1, "beats": next(beats)}))
        (place / ".new").replace(place / PROGRESS_FILE)

    def read_lines(stream: IO[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))  # noqa: PERF401 one by one, as the test waits

    def until_shown(on_terminal: str, line: str, action: Callable[[], None] = lambda: None) -> None:
        deadline = time.monotonic() + 60
        while not (line in lines and any(on_terminal in screen.replace("\n", " ") for screen in screens)):
            assert time.monotonic() < deadline, f"'{line}' was not shown: {lines}, {screens[-1:]}"
            action()
            time.sleep(0.2)

    (tmp_path / "results").mkdir()
    idle = f"no run has begun in {tmp_path} (a run directory, its results, or a run's folder)"
    follow = [WEIGHBRIDGE, "watch", str(tmp_path)]
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(Seen, follow, COLUMNS, started=pids.append, screens=screens)
        with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as plain:
            assert plain.stdout is not None
            assert plain.stderr is not None
            reading = pool.submit(read_lines, plain.stdout)
            until_shown("no run has begun in", f"{idle}; waiting for the next")
            until_shown(
                "offline: starting the server",
                "offline, starting the server, 1 s",
                lambda: write("offline", Phase.STARTING),
            )
            # The next one first: between two runs there would be a line of its own.
            write("server", Phase.WARMING)
            write("offline", Phase.DONE)
            until_shown(
                "server: checking and warming up",
                "server, checking and warming up, 1 s",
                lambda: write("server", Phase.WARMING),
            )
            until_shown("✓ offline, done, 1 s", "offline, done, 1 s", lambda: write("server", Phase.WARMING))
            plain.send_signal(signal.SIGINT)
            os.kill(pids[0], signal.SIGINT)
            reading.result(20)
            assert plain.wait(20) == 0
            assert plain.stderr.read() == ""
        seen = watching.result(20)
    assert lines[:2] == [f"{idle}; waiting for the next", "offline, starting the server, 1 s"]
    # The server's line comes again after ten seconds, if the machine is that slow.
    assert set(lines[2:]) == {"offline, done, 1 s", "server, checking and warming up, 1 s"}
    assert seen.code == 0
    assert not seen.cursor_hidden
    assert "Traceback" not in seen.raw
    assert "server: checking and warming up" in seen.last
    assert "✓ offline, done, 1 s" in seen.last
    assert seen.last.count("╭") == 1


def test_a_wrong_folder_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [WEIGHBRIDGE, "watch", str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no such folder; name a run directory" in done.stderr
