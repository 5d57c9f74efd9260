"""The commands: three run directories in which a regression is named with the setting that changed."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from history_entries import history_entry, recorded, speed, write_entries
from recorded_results import measure_again, write_scored, write_sweep, write_verdicts
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.cli.history import add, prune, show
from weighbridge.cli.judge_runs import gate
from weighbridge.cli.sweep import SweepStep, sweep
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.history.read_history import read_histories
from weighbridge.history.record import record_comparison, record_quality, record_verdict
from weighbridge.history.series import series_of
from weighbridge.report.history_terminal import sparkline


def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three run directories: two repeats, and one with another argument, which is slower and worse."""
    base = tmp_path_factory.mktemp("three")
    first = write_verdicts(base / "first").parent
    folders = [first, *(Path(shutil.copytree(first, base / "runs" / name)) for name in ("again", "smaller"))]
    figures = ((1.0, 1.0, ""), (1.01, 1.0, ""), (0.7, 0.98, "--max-num-seqs=8"))
    for folder, (fast, good, argument) in zip(folders, figures, strict=True):
        for scenario in ("offline", "server"):
            verdict = measure_again(folder / "results", scenario, speed=fast, score=good, args=argument)
            assert record_verdict(verdict, folder / "history")
    return base


def test_a_regression_is_named_with_the_setting_that_changed(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    show([runs])
    text = _printed(capsys)
    assert text.count("  changed: another system\n  changed: server.args.--max-num-seqs: not set → 8\n") == 2
    [step] = [line for line in text.splitlines() if line.startswith("Server, ")]
    assert "again" in step.partition(" -> ")[0]
    assert "smaller" in step.partition(" -> ")[2]
    [rate] = [line for line in text.splitlines() if "regressed: rate" in line and "queries/s" in line]
    assert "-31 % (noise 13 %, 2 repeats)" in rate
    named = text.splitlines()[-1]
    assert named.startswith("Regressed: offline: rate; offline: F1")
    assert "server: latency p99" in named


def test_rules_fail_with_the_regression_and_pass_without(runs: Path) -> None:
    with pytest.raises(InvalidRunError, match=r"offline: rate .*--max-num-seqs not set → 8"):
        show([runs], fail_if=["slower:5%"])
    with pytest.raises(InvalidRunError, match="worse than allowed: offline: F1"):
        show([runs], fail_if=["worse:1%"])
    show([runs], fail_if=["slower:50%", "worse:50%"])
    show([runs / "first", runs / "runs" / "again"], fail_if=["slower:5%", "worse:1%"])
    with pytest.raises(InvalidRunError, match="no result has one before it"):
        show([runs / "first"], fail_if=["slower:5%"])


def test_json_has_entries_and_newest_changes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show([runs], name="server", last=1, as_json=True)
    listing = json.loads(_printed(capsys))
    [entry] = listing["entries"]
    assert entry["run_directory"] == str(runs / "runs" / "smaller")
    changes = {change["measure"]: change for change in listing["changes"]}
    assert set(changes) == {"rate", "latency p50", "latency p99", "F1"}
    assert changes["rate"]["finding"] == "regressed"
    assert changes["rate"]["noise_source"] == "repeats"
    assert changes["rate"]["settings"] == [
        {"name": "server.args.--max-num-seqs", "before": None, "after": "8"}
    ]


def test_all_kinds_of_results_stand_in_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    run = tmp_path / "nightly"
    record_comparison(write_sweep(run), run / "history")
    record_quality(write_scored(run), run / "history")
    show([run])
    text = _printed(capsys)
    assert "Comparison demo-sweep" in text
    assert re.search(r"speed-up of B at chat, closed-32 1\.\d{3} x ", text)
    assert re.search(r"Quality mmlu +accuracy \(made up\) 0\.50 +VALID", text)
    monkeypatch.setenv("COLUMNS", "80")
    show([run])
    narrow = _printed(capsys).splitlines()
    assert max(map(len, narrow)) <= 80
    assert len(narrow) < 14, "few lines for each result"
    show([run], kind="quality")
    assert "demo-sweep" not in _printed(capsys)


def test_an_empty_history_says_how_it_comes_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show([tmp_path])
    assert f"{tmp_path}: no result is recorded here. `snakemake verdicts`" in _printed(capsys)


def test_the_group_shows_without_a_command_s_name(runs: Path) -> None:
    called = CliRunner().invoke(cli.app, ["history", str(runs), "--name", "offline", "--json"])
    assert called.exit_code == 0, called.output
    assert len(json.loads(called.stdout)["entries"]) == 3
    helped = CliRunner().invoke(cli.app, ["history", "--help"])
    assert "prune" in helped.output


def test_a_sparkline_goes_from_the_lowest_value_to_the_highest() -> None:
    [series] = series_of(
        recorded(*(history_entry(hour, speed(value)) for hour, value in enumerate((1, 2, 8, 1))))
    )
    assert sparkline(series) == "▁▂█▁"


class _Terminal(io.StringIO):
    """Somebody at a terminal who types these lines."""

    def isatty(self) -> bool:
        return True


def test_pruning_lists_asks_and_removes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_entries(tmp_path, *(history_entry(0, speed(value)) for value in (1, 2, 3)))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(InputError, match="nothing is removed: pass --yes"):
        prune(keep=2, folders=[tmp_path])
    assert str(files[0]) in _printed(capsys)
    monkeypatch.setattr(sys, "stdin", _Terminal("n\n"))
    prune(keep=2, folders=[tmp_path])
    assert _printed(capsys).endswith("nothing is removed.\n")
    assert all(file.is_file() for file in files)
    monkeypatch.setattr(sys, "stdin", _Terminal("y\n"))
    prune(keep=2, folders=[tmp_path])
    assert _printed(capsys).endswith("removed: 1.\n")
    prune(keep=1, folders=[tmp_path], yes=True)
    assert [file.is_file() for file in files] == [False, False, True]
    prune(keep=1, folders=[tmp_path])
    assert "nothing to remove" in _printed(capsys)


# The commands that record.


def test_finished_results_of_all_kinds_are_added_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    verdict = write_verdicts(Path()) / "offline" / "verdict.json"
    files = [verdict, write_sweep(Path()), write_scored(Path())]
    add(files)
    assert [each.entry.kind for each in read_histories([Path()])] == ["verdict", "comparison", "quality"]
    assert _printed(capsys).count("recorded in history/") == 3
    add(files)
    assert _printed(capsys).count("is recorded already") == 3
    with pytest.raises(InputError, match=r"run\.json: is no result"):
        add([verdict.parent / "performance" / "run.json"])
    (tmp_path / "blocked").touch()
    with pytest.raises(OSError, match="blocked"):
        add(files, Path("blocked"))


def test_gate_records_its_verdict_and_goes_on_without_a_history(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = write_verdicts(tmp_path)
    offline = results / "offline"

    def judge(history: Path) -> None:
        gate(
            "demo",
            scenario="offline",
            performance=offline / "performance",
            accuracy=offline / "accuracy",
            output=tmp_path / "verdict.json",
            history=history,
        )

    judge(tmp_path / "history")
    [only] = read_histories([tmp_path])
    assert only.entry.outcome == "INVALID", "these runs are too small for round demo"
    assert only.entry.where == "verdict.json"
    assert "server.args" in only.entry.settings
    (tmp_path / "verdict.json").unlink()
    (tmp_path / "blocked").touch()
    judge(tmp_path / "blocked")
    assert (tmp_path / "verdict.json").is_file()
    assert "not recorded in the history" in caplog.text
    with pytest.raises(InputError, match="--history"):
        gate("demo", logs=results, history=tmp_path / "history")


def test_sweep_records_only_with_the_step_that_compares() -> None:
    with pytest.raises(InputError, match="--only compare"):
        sweep(Path("any.yaml"), only=SweepStep.PLAN, history=Path("history"))
