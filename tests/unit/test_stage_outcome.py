"""What a finished stage came to: the verdict in a line, or why a run has no result."""

import json
from pathlib import Path

from loadgen_files import small_round, write_run

from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import judge
from weighbridge.records.not_made import write_not_made
from weighbridge.report.stage_outcome import stage_outcome

ROUND = small_round()
PERFORMANCE = {"scenario": "server", "run": "performance"}


def test_a_verdict_is_told_and_a_run_with_a_result_is_not(tmp_path: Path) -> None:
    run = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    verdict = judge(
        performance=run, accuracy=None, evaluation=None, round_=ROUND, scenario=ROUND.scenarios["server"]
    )
    (tmp_path / "server" / "verdict.json").write_text(verdict.model_dump_json())
    told = stage_outcome(tmp_path, "gate", {"scenario": "server"})
    assert told is not None
    assert told.startswith(f"server: {verdict.outcome} at ")
    assert stage_outcome(tmp_path, "benchmark", PERFORMANCE) is None
    assert stage_outcome(tmp_path, "report", {}) is None


def test_a_run_without_a_result_says_why(tmp_path: Path) -> None:
    run = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    record = json.loads((run / "run.json").read_text())
    record["load"]["aborted"] = "no answer for 300 s"
    (run / "run.json").write_text(json.dumps(record))
    assert stage_outcome(tmp_path, "benchmark", PERFORMANCE) == "ended early: no answer for 300 s."
    record["load"]["lost"] = {"after_s": 3.0, "reason": "4 of 90 are late", "remedy": "Lower the rate."}
    (run / "run.json").write_text(json.dumps(record))
    assert stage_outcome(tmp_path, "benchmark", PERFORMANCE) == "4 of 90 are late."
    write_not_made(tmp_path / "server" / "accuracy", "run.json", (), "the accuracy run is not made")
    accuracy = {"scenario": "server", "run": "accuracy"}
    told = stage_outcome(tmp_path, "benchmark", accuracy)
    assert told is not None
    assert told.startswith("not made, because")


def test_what_cannot_be_read_is_left_to_the_stage_that_reads_it(tmp_path: Path) -> None:
    assert stage_outcome(tmp_path, "gate", {"scenario": "server"}) is None
    assert stage_outcome(tmp_path, "benchmark", {}) is None
