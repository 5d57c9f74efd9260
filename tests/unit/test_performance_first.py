"""An accuracy run is refused after a performance run of its settings that does not count, and only then."""

import json
import re
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail, write_run

from weighbridge.config.fingerprint import fingerprint, shared_sha256
from weighbridge.config.scenario_rules import Mode, RunRules
from weighbridge.config.server_settings import ServerSettings
from weighbridge.gates.performance_first import not_worth_making
from weighbridge.records.run_record import LostRun

ROUND = small_round()
SERVER = ROUND.scenarios["server"]
LATE = {"result_99.00_percentile_latency_ns": 14_000_000_000, "effective_target_qps": 20}


def settings_of(mode: Mode, **server: object) -> str:
    return fingerprint(
        "measurement",
        compared={"run": RunRules(mode=mode), "loadgen": "6.0.15"},
        server=ServerSettings.parse({"model_name": "tiny", **server}, "test"),
        target_qps=20.0,
    )


ACCURACY = shared_sha256(settings_of(Mode.ACCURACY))


def performance_run(folder: Path, *, late: bool, settings_sha256: str | None, **load: object) -> Path:
    run = write_run(folder, ROUND, "server", Mode.PERFORMANCE)
    values = detail_values(ROUND, "server", Mode.PERFORMANCE)
    write_detail(run / "mlperf_log_detail.txt", values | (LATE if late else {}))
    record = json.loads((run / "run.json").read_text())
    record["settings_sha256"] = settings_sha256
    record["load"] |= load
    (run / "run.json").write_text(json.dumps(record))
    return run


def test_the_runs_of_a_scenario_share_their_settings() -> None:
    assert ACCURACY is not None
    assert shared_sha256(settings_of(Mode.PERFORMANCE)) == ACCURACY
    assert shared_sha256(settings_of(Mode.PERFORMANCE, args=("--max-num-seqs=8",))) != ACCURACY
    assert shared_sha256('{"target_qps": 20}') is None  # typed by hand: what else was set is not known


def test_a_missed_check_refuses_with_its_value_and_remedy(tmp_path: Path) -> None:
    run = performance_run(tmp_path, late=True, settings_sha256=ACCURACY)
    said = not_worth_making([run], ROUND, SERVER, ACCURACY, "accuracy")
    assert said is not None
    assert said.startswith(
        "The accuracy run of server is not made, because its performance run does not count ("
    )
    assert "99th percentile latency 14, limit <= 12 s" in said
    assert "lower scenarios.server.target_qps from 20" in said
    assert said.endswith("`snakemake results/server/accuracy.txt` makes it in any case")


def test_failed_requests_refuse_too(tmp_path: Path) -> None:
    run = performance_run(tmp_path, late=False, settings_sha256=ACCURACY, failed={"timeout": 2})
    said = not_worth_making([run], ROUND, SERVER, ACCURACY, "accuracy")
    assert re.search(r"\(2 failed requests\)\. Find the cause in .*errors.jsonl", said or "")


def test_a_run_that_was_ended_early_refuses_though_its_log_has_no_result(tmp_path: Path) -> None:
    lost = LostRun(after_s=3, reason="20 of 30 queries are over the limit", remedy="Lower the rate.")
    load = {"aborted": lost.reason, "lost": lost.model_dump()}
    run = performance_run(tmp_path, late=False, settings_sha256=ACCURACY, **load)
    (run / "mlperf_log_detail.txt").write_text("")
    said = not_worth_making([run], ROUND, SERVER, ACCURACY, "accuracy")
    assert said is not None
    assert "does not count (20 of 30 queries are over the limit). Lower the rate." in said


@pytest.mark.parametrize(
    ("late", "recorded", "asked"),
    [(False, ACCURACY, ACCURACY), (True, "0" * 64, ACCURACY), (True, None, ACCURACY), (True, ACCURACY, None)],
    ids=["it counts", "other settings", "not recorded", "by hand"],
)
def test_otherwise_the_run_is_made(
    tmp_path: Path, late: bool, recorded: str | None, asked: str | None
) -> None:
    run = performance_run(tmp_path, late=late, settings_sha256=recorded)
    assert not_worth_making([run], ROUND, SERVER, asked, "accuracy") is None


def test_without_a_performance_run_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert not_worth_making([tmp_path], ROUND, SERVER, ACCURACY, "accuracy") is None
