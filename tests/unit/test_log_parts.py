"""What a run has of its server's log."""

from pathlib import Path

import pytest

from weighbridge.serving.log_parts import LogPart
from weighbridge.serving.running_server import RunningServer


def test_a_run_has_the_start_and_its_own_part_for_its_owner_alone(tmp_path: Path) -> None:
    whole, copy = tmp_path / "whole.log", tmp_path / "copy.log"
    whole.write_text("start\nan earlier run\nthis run\n")
    copy.write_text("a longer one of an earlier run " * 9)
    copy.chmod(0o644)
    LogPart(whole, 6, 21).copy(copy)
    start, _, own = copy.read_text().split("\n", 2)
    assert start == "start"
    assert own.endswith("---\nthis run\n")
    assert "an earlier run\n" not in own
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_deleted_costs_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    there = tmp_path / "there.log"
    there.write_text("start\n")
    parts = (LogPart(tmp_path / "gone.log", 6, 6), LogPart(there, 6, 6))
    RunningServer(("http://a", "http://b"), None, (), log_parts=parts).copy_logs(tmp_path / "server.log")
    assert "gone.log has been deleted; the run has no copy of it" in caplog.text
    assert (tmp_path / "server-1.log").read_text() == "start\n"
    assert not (tmp_path / "server-0.log").exists()
