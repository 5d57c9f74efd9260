"""Telling of a run: what is written and said, and that nothing of it can fail the run."""

import errno
import logging
import sys
import time
from pathlib import Path

import pytest
from rich.console import RenderableType

from weighbridge.client.issuer import IssuePlan
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import SetupError
from weighbridge.core.interruption import Interruption
from weighbridge.core.terminal import RECURRING, shows_panels
from weighbridge.monitor import reporter as reporter_module
from weighbridge.monitor.reporter import Reporter, reporting
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State

PLAN = IssuePlan("server performance", "server", Mode.PERFORMANCE, True, 10, 100, 10, 12)


def written(folder: Path) -> State:
    return State.read(folder / PROGRESS_FILE)


def await_state(folder: Path, phase: Phase) -> State:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if (folder / PROGRESS_FILE).exists() and (state := written(folder)).phase is phase:
            return state
        time.sleep(0.01)
    pytest.fail(f"never '{phase}'")


def test_each_phase_is_written_as_it_comes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with reporting(out, "server performance") as reporter:
        reporter.starting("loading weights")
        await_state(out, Phase.STARTING)
        reporter.enter(Phase.WARMING)
        assert await_state(out, Phase.WARMING).figures is None
        progress = reporter.measure(PLAN, out, 8)
        progress(SampleCounts(100, 60, 0))
        state = await_state(out, Phase.RUNNING)
        progress(SampleCounts(100, 100, 1))
        figures = await_state(out, Phase.COLLECTING).figures
    assert state.label == "server performance"
    assert figures is not None
    assert (figures.issued, figures.completed, figures.failed) == (100, 99, 1)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (SetupError("the server ended with exit code 1; its log ends:\nno such kernel"), "the server ended"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
        (Interruption("process 7 (python), which it was started for, has ended", 15), "process 7 (python), "),
        (ValueError(), "ValueError"),
    ],
)
def test_what_ends_a_run_early_is_written(tmp_path: Path, error: BaseException, detail: str) -> None:
    with pytest.raises(type(error)), reporting(tmp_path, "server performance"):
        raise error
    state = written(tmp_path)
    assert state.phase is Phase.ABORTED
    assert state.detail.startswith(detail)
    assert "\n" not in state.detail


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reporter_module, "write_atomic", full)
    monkeypatch.setattr(reporter_module, "EVERY_S", 0.01)
    with reporting(tmp_path, "server performance"):
        time.sleep(0.2)
    (record,) = caplog.records
    assert "progress.json cannot be written (No space left on device)" in record.message
    assert "which goes on" in record.message


def test_a_terminal_that_has_gone_away_ends_only_its_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def hung_up(content: RenderableType) -> None:
        drawn.append(content)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(reporter_module, "EVERY_S", 0.01)
    reporter = Reporter(tmp_path, "server performance", hung_up)
    reporter.start()
    reporter.enter(Phase.WARMING)
    beats = await_state(tmp_path, Phase.WARMING).beats
    time.sleep(0.1)
    reporter.stop()
    assert len(drawn) == 1
    assert written(tmp_path).beats > beats


def test_a_fault_of_ours_does_not_reach_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter_module, "render_panel", lambda _state: 1 / 0)
    reporter = Reporter(tmp_path, "server performance", lambda _content: None)
    reporter.start()
    reporter.stop()
    assert [record.message for record in caplog.records] == [
        "progress can no longer be shown; the run goes on"
    ]


def test_lines_are_due_every_ten_seconds_and_marked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter_module, "_LINE_EVERY_S", 0)
    with caplog.at_level(logging.INFO), reporting(tmp_path, "server performance") as reporter:
        await_state(tmp_path, Phase.STARTING)  # has lines of its own, from the server's room
        reporter.enter(Phase.WARMING)
        await_state(tmp_path, Phase.WARMING)
    assert caplog.records
    assert {record.message for record in caplog.records} == {
        "server performance, checking and warming up, 0 s"
    }
    assert all(record.recurring for record in caplog.records)  # type: ignore[attr-defined]
    assert set(RECURRING) == {"recurring"}


def test_a_trouble_is_told_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter_module, "EVERY_S", 0.01)
    with caplog.at_level(logging.INFO), reporting(tmp_path, "server performance") as reporter:
        progress = reporter.measure(PLAN, tmp_path, 8)
        progress(SampleCounts(100, 60, 0, quiet_s=30))
        await_state(tmp_path, Phase.RUNNING)
        time.sleep(0.2)
    told = [
        record.message
        for record in caplog.records
        if "no answer for 30 s, 40 requests open" in record.message
    ]
    assert len(told) == 1  # the next is due after ten seconds
    assert "40 requests open" in written(tmp_path).trouble


@pytest.mark.parametrize(
    ("term", "tty", "shown"), [("xterm", True, True), ("dumb", True, False), ("xterm", False, False)]
)
def test_a_panel_needs_a_terminal_that_can_replace_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, tty: bool, shown: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: tty)
    assert shows_panels(sys.stderr) is shown
