"""Following runs through their files: which there are, which live, and what is said of them."""

import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.monitor import follow as follow_module
from weighbridge.monitor.follow import RunStatus, follow, read_statuses
from weighbridge.monitor.render import StatusLines, no_active_run, status_line
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State


def write(folder: Path, beats: int = 1, **changes: object) -> State:
    plain = {"label": "offline performance", "phase": Phase.WARMING, "detail": "", "elapsed_s": 1.0}
    plain |= {"figures": None, "host": "elsewhere", "pid": 4711, "beats": beats}
    state = State.parse(plain | changes, "test")
    write_atomic(folder / PROGRESS_FILE, state.model_dump_json(), durable=False)
    return state


@contextmanager
def living(folder: Path, **changes: object) -> Iterator[None]:
    """Write as a living run does, only faster."""
    over = threading.Event()

    def beat() -> None:
        beats = 1
        while not over.wait(0.05):
            beats += 1
            write(folder, beats, **changes)

    write(folder, **changes)
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "_STALE_AFTER_S": 0.6,
        "_ONCE_STALE_AFTER_S": 0.6,
        "_DEAD_AFTER_S": 0.3,
        "EVERY_S": 0.1,
    }.items():
        monkeypatch.setattr(follow_module, name, value)


def stale_reasons(runs: tuple[RunStatus, ...]) -> list[str]:
    return [run.stale_reason for run in runs]


@pytest.mark.parametrize("given", [".", "results", "results/offline/performance"])
def test_runs_are_found_from_a_run_directory_its_results_and_a_runs_folder(
    tmp_path: Path, given: str
) -> None:
    run = tmp_path / "results" / "offline" / "performance"
    write(run, phase=Phase.DONE)
    # Not among the results, so of another run directory.
    write(tmp_path / "old" / "offline" / "performance", phase=Phase.DONE)
    assert [run.folder for run in read_statuses(tmp_path / given)] == [run]


def test_a_wrong_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: no such folder; name a run directory"):
        read_statuses(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: no such folder"):
        next(follow(tmp_path / "file"))


def test_a_living_run_is_not_worried_about_whatever_its_clock_says(tmp_path: Path) -> None:
    with living(tmp_path):
        os.utime(tmp_path / PROGRESS_FILE, (1, 1))
        assert stale_reasons(read_statuses(tmp_path)) == [""]


@pytest.mark.usefixtures("impatient")
def test_a_silent_run_is_told_with_its_host_and_process(tmp_path: Path) -> None:
    write(tmp_path)
    date = (tmp_path / PROGRESS_FILE).stat().st_mtime - 100
    os.utime(tmp_path / PROGRESS_FILE, (date, date))
    (reason,) = stale_reasons(read_statuses(tmp_path))
    assert re.fullmatch(
        r"no sign of life for 1 min 4\d s: the job may have been killed; its host was elsewhere, pid 4711",
        reason,
    )


@pytest.mark.usefixtures("impatient")
def test_silence_is_counted_from_the_last_change_that_was_seen(tmp_path: Path) -> None:
    looks = follow(tmp_path)
    with living(tmp_path):
        assert stale_reasons(next(looks)) == [""]
        time.sleep(0.2)
        assert stale_reasons(next(looks)) == [""]
    os.utime(tmp_path / PROGRESS_FILE, (1, 1))
    said = [stale_reasons(next(looks))[0] for _ in range(10)]
    assert said[0] == ""
    # It has just been written, and was dated long ago: what was seen counts.
    assert re.match(r"no sign of life for \d s", said[-1])


@pytest.mark.usefixtures("impatient")
def test_a_process_of_this_machine_that_is_gone_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        write(tmp_path, host=platform.node(), pid=process.pid)
        # Alive, if silent; so it is the silence that is told.
        assert stale_reasons(read_statuses(tmp_path))[0].startswith("no sign of life")
        process.kill()
    assert stale_reasons(read_statuses(tmp_path)) == [
        f"its process {process.pid} is gone: the job was killed"
    ]


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.ABORTED])
def test_a_run_that_is_over_may_be_silent(tmp_path: Path, phase: Phase) -> None:
    write(tmp_path, phase=phase)
    (status,) = read_statuses(tmp_path)
    assert (status.stale_reason, status.active) == ("", False)


def test_what_another_version_wrote_is_left_out(tmp_path: Path) -> None:
    (tmp_path / PROGRESS_FILE).write_text('{"phase": "dancing"}')
    assert read_statuses(tmp_path) == ()
    (tmp_path / PROGRESS_FILE).write_text("{")
    assert read_statuses(tmp_path) == ()


def run_status(phase: Phase, stale_reason: str = "", **changes: object) -> RunStatus:
    plain = {"label": "offline performance", "phase": phase, "detail": "", "elapsed_s": 1.0}
    plain |= {"figures": None, "host": "elsewhere", "pid": 4711, "beats": 1}
    return RunStatus(Path("results/offline/performance"), State.parse(plain | changes, "test"), stale_reason)


def test_lines_come_when_there_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("weighbridge.monitor.render.time.monotonic", lambda: now[0])
    lines, folder = StatusLines(Path("results")), Path("results")
    assert list(lines.due(())) == [f"{no_active_run((), folder)}; waiting for the next"]
    assert list(lines.due(())) == []
    running, done = run_status(Phase.RUNNING), run_status(Phase.DONE)
    assert list(lines.due([running])) == [status_line(running)]
    now[0] += 9
    assert list(lines.due([running])) == []
    now[0] += 1
    assert list(lines.due([running])) == [status_line(running)]
    silent = run_status(Phase.RUNNING, stale_reason="no sign of life for 40 s")
    assert list(lines.due([silent])) == ["offline performance, running, 1 s; no sign of life for 40 s"]
    now[0] += 60
    assert list(lines.due([silent])) == []
    troubled = run_status(Phase.RUNNING, trouble="no answer for 12 s, 4 requests open")
    assert list(lines.due([troubled])) == [
        "offline performance, running, 1 s: no answer for 12 s, 4 requests open"
    ]
    assert list(lines.due([done])) == [status_line(done), "no run is active; waiting for the next"]
    now[0] += 60
    assert list(lines.due([done])) == []
