"""The notes in the place of runs that were not made: read as such, and removed with nothing else."""

import json
from pathlib import Path

from loadgen_files import small_round, write_run

from weighbridge.config.scenario_rules import Mode
from weighbridge.records.not_made import forget_not_made, not_made, write_not_made

WHY = "the accuracy run of server is not made"


def test_a_note_is_told_from_a_run_and_from_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "made", small_round(), "server", Mode.PERFORMANCE)
    assert not_made(run / "run.json") is None
    assert not_made(tmp_path / "run.json") is None
    write_not_made(tmp_path / "accuracy", "run.json", ("user.conf",), WHY)
    assert not_made(tmp_path / "accuracy" / "run.json") == WHY
    assert (tmp_path / "accuracy" / "user.conf").read_bytes() == b""


def test_only_the_files_of_a_note_go_with_it(tmp_path: Path) -> None:
    server = tmp_path / "server"
    made = write_run(server / "performance", small_round(), "server", Mode.PERFORMANCE)
    before = sorted(made.iterdir())
    write_not_made(server / "accuracy", "run.json", ("mlperf_log_detail.txt",), WHY)
    write_not_made(server, "accuracy.json", ("accuracy.txt",), WHY)
    (server / "accuracy" / "notes.txt").write_text("mine")
    forget_not_made(tmp_path)
    assert sorted(made.iterdir()) == before
    assert [path.name for path in (server / "accuracy").iterdir()] == ["notes.txt"]
    assert sorted(path.name for path in server.iterdir()) == ["accuracy", "performance"]


def test_a_note_that_was_changed_removes_nothing_elsewhere(tmp_path: Path) -> None:
    write_not_made(tmp_path / "server" / "accuracy", "run.json", (), WHY)
    note = tmp_path / "server" / "accuracy" / "run.json"
    (tmp_path / "server" / "verdict.json").write_text("{}")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"files": ["../verdict.json"]}))
    forget_not_made(tmp_path)
    assert (tmp_path / "server" / "verdict.json").exists()
