"""Reporting a sweep: where it is, what a run measured, what remains."""

import logging
from pathlib import Path
from typing import Any

import pytest

from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.load_level import LoadLevel
from weighbridge.monitor import sweep_reporter
from weighbridge.monitor.sweep_reporter import reporting_sweep
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State
from weighbridge.records.run_record import LoadReport
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts, SessionKey, SweepPlan, Wave
from weighbridge.records.sweep_run import CellFigures, CellRecord, Percentiles
from weighbridge.records.verdict import Check

COUNTS = PhaseCounts(warmup=1, measured=5, cooldown=1)
CELL = CellPlan(workload="chat", level=LoadLevel(closed=8), counts=COUNTS)
WAVE = Wave(number=1, systems=("A", "B"), cells=(CELL,), blocks=4, orders=(("A", "B"), ("B", "A")) * 2)
KEY = SessionKey(wave=1, block=2, slot=3, system="B")
FAILED = Check(
    run=None, name="failed requests", value=3, limit="0", passed=False, remedy="Look at errors.jsonl."
)


def _record(checks: tuple[Check, ...] = (), **figures: Any) -> CellRecord:
    times = Percentiles(samples=5, mean=0.5, p50=0.25, p90=0.75)
    shown = CellFigures.model_construct(qps=12.3, e2e=times) if not figures else None
    load = LoadReport.model_construct(aborted=figures.get("aborted"))
    return CellRecord.model_construct(
        block=2, system="B", workload="chat", level=CELL.level, figures=shown, load=load, checks=checks
    )


def test_it_says_what_will_be_measured_and_how_long_that_takes() -> None:
    plan = SweepPlan(sweep="bench", waves=(WAVE,))
    assert sweep_reporter.planned_text(plan, 8, 20) == "A, B: 1 load in 4 blocks, 8 runs, about 2 min 40 s"


def test_a_run_is_a_line_with_what_remains_and_a_warning_for_each_failed_check(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    with caplog.at_level(logging.INFO), reporting_sweep(tmp_path, "comparison of A and B", 20) as reporter:
        monkeypatch.setattr(sweep_reporter, "time", type("T", (), {"monotonic": lambda: clock[0]}))
        reporter.cell(KEY, CELL, 3, 8)
        assert reporter.left_s() == 6 * 20
        clock[0] = 15.0
        assert reporter.left_s() == 5 + 5 * 20
        clock[0] = 30.0
        assert reporter.left_s() == 5 * 20
        reporter.measured(_record((FAILED,)))
        reporter.cell(KEY, CELL, 4, 8)
        assert reporter.left_s() == 5 * 30
    lines = [record.getMessage() for record in caplog.records]
    assert (
        "block 2, B, chat closed-8: 12.3 requests/s, p50 250 ms (run 3 of 8; about 2 min 30 s left)" in lines
    )
    [warning] = [line for line in lines if "not compared" in line]
    assert warning.endswith("failed requests 3, limit 0, so it is not compared. Look at errors.jsonl.")


def test_a_run_that_ended_early_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), reporting_sweep(tmp_path, "sweep", 20) as reporter:
        reporter.cell(KEY, CELL, 8, 8)
        reporter.measured(_record(aborted="20 failures in a row"))
    [warning] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.getMessage() == "block 2, B, chat closed-8: ended early (20 failures in a row)"


def test_those_who_watch_elsewhere_see_the_run_and_its_counts(tmp_path: Path) -> None:
    with reporting_sweep(tmp_path, "comparison of A and B", 20) as reporter:
        reporter.system("B", "starting")
        reporter.session(KEY)
        reporter.measuring(SampleCounts(5, 3, 0))
        reporter.cell(KEY, CELL, 3, 8)
        reporter.measuring(SampleCounts(50, 40, 0))
    state = State.read(tmp_path / PROGRESS_FILE)
    assert (state.label, state.phase) == ("comparison of A and B", Phase.DONE)
    assert reporter._reporter.state().detail == ""
    reporter.measuring(SampleCounts(50, 40, 2, trouble="no answer for 12 s"))
    assert reporter._reporter.state().detail == (
        "run 3 of 8: block 2, B, chat closed-8, 38 answered, 10 open, 2 failed, no answer for 12 s, "
        "about 2 min left"
    )
