"""`gate --logs`: logs of any origin are found by their contents, judged and printed."""

import io
import shutil
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail, write_published, write_results, write_run
from rich.console import Console

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates import judge_logs, render_verdict
from weighbridge.gates.foreign_logs import find_runs
from weighbridge.records.verdict import Verdict

ROUND = small_round()
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "published-q3vl-v6.0"


def _text(verdict: Verdict) -> str:
    output = io.StringIO()
    Console(width=160, file=output).print(render_verdict(verdict))
    return output.getvalue()


def test_a_run_directory_of_our_own_is_valid_in_both_scenarios(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    assert [(v.scenario, v.outcome) for v in judge_logs(tmp_path, ROUND)] == [
        ("offline", "VALID"),
        ("server", "VALID"),
    ]


def test_runs_are_found_under_any_folder_name(tmp_path: Path) -> None:
    shutil.move(write_run(tmp_path / "a", ROUND, "server", Mode.PERFORMANCE), tmp_path / "x")
    [verdict] = judge_logs(tmp_path / "x", ROUND)
    assert (verdict.scenario, verdict.outcome) == ("server", "UNPROVEN")
    assert "add the logs of the accuracy run" in _text(verdict)


def test_replaced_runs_are_ignored(tmp_path: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    values = detail_values(ROUND, "server", Mode.PERFORMANCE)
    write_detail(folder / "mlperf_log_detail.txt", values | {"effective_target_qps": 21})
    (tmp_path / "replaced").mkdir()
    folder.parent.rename(tmp_path / "replaced" / "20261125T081503Z-server-performance")
    assert [verdict.outcome for verdict in judge_logs(tmp_path, ROUND)] == ["VALID", "VALID"]
    [replaced] = judge_logs(tmp_path / "replaced" / "20261125T081503Z-server-performance", ROUND)
    assert replaced.target_qps == 21


def test_duplicate_runs_missing_logs_and_foreign_scenarios_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mlperf_log_detail"):
        judge_logs(tmp_path, ROUND)
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    again = Path(shutil.copytree(folder, tmp_path / "again"))
    (again / "run.json").unlink()
    assert find_runs(tmp_path, ROUND)["server"][Mode.PERFORMANCE] == folder  # a copy is the same run
    values = detail_values(ROUND, "server", Mode.PERFORMANCE)
    write_detail(again / "mlperf_log_detail.txt", values | {"effective_target_qps": 21})
    with pytest.raises(InputError, match="two Server performance runs"):
        judge_logs(tmp_path, ROUND)
    write_detail(folder / "mlperf_log_detail.txt", values | {"effective_scenario": "MultiStream"})
    with pytest.raises(InputError, match="only performance"):
        judge_logs(folder, ROUND)


@pytest.mark.parametrize(
    ("changes", "suggested"),
    [
        ({}, 21.0),  # p99 of 8 s leaves room
        ({"result_99.00_percentile_latency_ns": 11_000_000_000}, None),
        ({"result_overlatency_query_count": 40}, 19.0),
        ({"result_overlatency_query_count": 40, "result_completed_samples_per_sec": 15.0}, 14.25),
    ],
)
def test_the_suggested_target_of_a_server_run(
    tmp_path: Path, changes: dict[str, object], suggested: float | None
) -> None:
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    write_detail(folder / "mlperf_log_detail.txt", detail_values(ROUND, "server", Mode.PERFORMANCE) | changes)
    [verdict] = judge_logs(tmp_path, ROUND)
    assert verdict.suggested_target_qps == suggested
    if suggested:
        assert f"target_qps {suggested:g} instead of 20" in _text(verdict)


def test_early_stopping_is_reported_with_its_counts(tmp_path: Path) -> None:
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    late = detail_values(ROUND, "server", Mode.PERFORMANCE) | {"result_overlatency_query_count": 10}
    write_detail(folder / "mlperf_log_detail.txt", late)
    [verdict] = judge_logs(tmp_path, ROUND)
    assert (verdict.over_latency, verdict.queries_needed) == (10, 2010)
    text = _text(verdict)
    assert "10 of 1200 queries late, 4 allowed" in text
    assert "Passing would take 810 further on-time queries" in " ".join(text.split())


def test_logs_of_another_harness_are_found_and_printed(tmp_path: Path) -> None:
    write_published(tmp_path, ROUND)
    offline, server = judge_logs(tmp_path, ROUND)
    assert (offline.outcome, offline.failed, server.outcome, server.failed) == (
        "UNPROVEN",
        (),
        "UNPROVEN",
        (),
    )
    assert "Result: 24 samples/s" in _text(offline)
    text = _text(server)
    assert "Result: 19.5 queries/s (20 scheduled)" in text
    assert "p99 8.000 s; 1 of 1200 queries late, 4 allowed" in text
    assert "f1 0.788357 (checker 0.782397 met" in text


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs the published result in ../shared/data")
def test_the_published_result_is_printed_with_its_figures() -> None:
    offline, server = judge_logs(PUBLISHED, load_round("v6.0"))
    assert (offline.outcome, offline.failed, server.outcome, server.failed) == (
        "UNPROVEN",
        (),
        "UNPROVEN",
        (),
    )
    assert "Result: 43.7662 samples/s" in _text(offline)
    text = _text(server)
    assert "Result: 38.0313 queries/s (38.1788 scheduled)" in text
    assert "p99 11.520 s; 343 of 48289 queries late, 432 allowed" in text
    assert "f1 0.788357 (checker 0.782397 met" in text
