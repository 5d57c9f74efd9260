"""The verdict as one line: what was measured, or the first reason that explains it, with its remedy."""

from pathlib import Path

from loadgen_files import detail_values, small_round, write_detail, write_run

from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import judge
from weighbridge.gates.verdict_line import verdict_line
from weighbridge.records.verdict import Verdict

ROUND = small_round()
LATE = {"result_99.00_percentile_latency_ns": 14_000_000_000, "effective_target_qps": 20}


def judged(folder: Path, values: dict[str, object]) -> Verdict:
    run = write_run(folder, ROUND, "server", Mode.PERFORMANCE)
    write_detail(run / "mlperf_log_detail.txt", detail_values(ROUND, "server", Mode.PERFORMANCE) | values)
    return judge(
        performance=run, accuracy=None, evaluation=None, round_=ROUND, scenario=ROUND.scenarios["server"]
    )


def test_a_failed_limit_is_named_before_what_loadgen_says_of_it(tmp_path: Path) -> None:
    line = verdict_line(judged(tmp_path, {**LATE}))
    assert line.startswith("server: INVALID at ")
    assert "(target 20): performance: 99th percentile latency 14, limit <= 12 s (and " in line
    assert "lower scenarios.server.target_qps from 20 (try " in line


def test_a_valid_one_has_figures_and_no_remedy(tmp_path: Path) -> None:
    verdict = judged(tmp_path, {})
    passed = [check for check in verdict.checks if check.passed]
    figures = {"accuracy": 0.81, "rate": 17.5432, "rate_error": 0.2, "target_qps": 18}
    valid = verdict.model_copy(update={"outcome": "VALID", "checks": tuple(passed), **figures})
    line = verdict_line(valid)
    assert line.startswith("server: VALID at 17.5 queries/s (target 18), p99 ")
    assert f", {valid.metric} 0.8100" in line


def test_a_value_near_its_limit_is_told_apart_from_it(tmp_path: Path) -> None:
    assert "99th percentile latency 12.0003, limit <= 12 s" in verdict_line(
        judged(tmp_path, {**LATE, "result_99.00_percentile_latency_ns": 12_000_300_000})
    )
