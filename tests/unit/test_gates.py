"""The gates: valid runs pass, and each single defect fails its own check, which names a remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import (
    SAMPLES,
    detail_values,
    evaluation_of,
    judged_runs,
    record_values,
    seal,
    small_round,
    write_detail,
    write_judged,
    write_published,
    write_run,
)

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates import judge
from weighbridge.records.verdict import Verdict, write_verdict

ROUND = small_round()
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "published-q3vl-v6.0"
ROUNDS = Path(__file__).parents[2] / "src" / "weighbridge" / "benchmarks" / "qwen3_vl" / "rounds"


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., Verdict]:
    """Write a valid pair of runs, alter it, and judge it."""

    def judged(
        scenario: str = "server",
        mode: Mode = Mode.PERFORMANCE,
        detail: dict[str, Any] | None = None,
        errors: tuple[str, ...] = (),
        value: float = 0.79,
    ) -> Verdict:
        for each in Mode:
            if not (tmp_path / scenario / each).exists():
                write_run(tmp_path, ROUND, scenario, each)
        folder = tmp_path / scenario / mode
        values = detail_values(ROUND, scenario, mode) | (detail or {})
        values = {key: value for key, value in values.items() if value is not ...}
        write_detail(folder / "mlperf_log_detail.txt", values, errors)
        seal(folder, record_values(ROUND, scenario, mode))
        return _judge(tmp_path, scenario, value)

    return judged


def _judge(results: Path, scenario: str, value: float = 0.79) -> Verdict:
    log = results / scenario / Mode.ACCURACY / "mlperf_log_accuracy.json"
    return judged_runs(results, ROUND, scenario, evaluation_of(ROUND, log, value))


def _failed(verdict: Verdict) -> set[str]:
    for check in verdict.checks:
        assert (check.remedy is None) == (check.passed is True), check
    return {check.name for check in verdict.failed}


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_a_valid_pair_of_runs_is_valid(runs: Callable[..., Verdict], scenario: str) -> None:
    verdict = runs(scenario)
    assert verdict.outcome == "VALID"
    assert (verdict.failed, verdict.unknown) == ((), ())
    assert verdict.rate == (19.5 if scenario == "server" else 24.0)
    assert verdict.queries == 2 * SAMPLES
    assert verdict.readings["exact"].passed


DEFECTS: list[tuple[dict[str, Any], str]] = [
    ({"effective_scenario": "Offline"}, "scenario"),
    ({"effective_test_mode": "SubmissionRun"}, "mode"),
    ({"loadgen_version": "6.0.17 @ abc"}, "LoadGen version"),
    ({"loadgen_version": ...}, "LoadGen version"),
    ({"loadgen_git_status_message": " M loadgen.cc"}, "LoadGen unmodified"),
    ({"effective_qsl_rng_seed": 0}, "seeds"),
    ({"effective_sample_index_rng_seed": 0}, "seeds"),
    ({"effective_schedule_rng_seed": ...}, "seeds"),
    ({"qsl_reported_total_count": SAMPLES - 1}, "dataset size"),
    ({"effective_sample_concatenate_permutation": False}, "equal issue"),
    ({"num_errors": 2}, "LoadGen errors"),
    ({"result_validity": "INVALID"}, "LoadGen's result"),
    ({"result_validity": ...}, "LoadGen's result"),
    ({"result_min_duration_met": False}, "result_min_duration_met"),
    ({"result_min_queries_met": False}, "result_min_queries_met"),
    ({"result_perf_constraints_met": False}, "result_perf_constraints_met"),
    ({"early_stopping_met": False}, "early_stopping_met"),
    ({"effective_min_duration_ms": 9999}, "minimum duration set"),
    ({"result_completed_samples_per_sec": 0}, "result logged"),
    ({"result_completed_samples_per_sec": 20.1}, "result as scheduled"),
    ({"result_completed_samples_per_sec": ...}, "result logged"),
    ({"result_scheduled_samples_per_sec": 120.0}, "duration"),
    ({"result_query_count": 2 * SAMPLES + 1}, "whole passes"),
    ({"result_query_count": 0}, "whole passes"),
    ({"effective_performance_sample_count": SAMPLES - 1}, "performance sample count"),
    ({"effective_performance_issue_unique": True}, "effective_performance_issue_unique"),
    ({"effective_performance_issue_same": True}, "effective_performance_issue_same"),
    ({"effective_accuracy_log_probability": 0.5}, "effective_accuracy_log_probability"),
    ({"effective_accuracy_log_sampling_target": 10}, "effective_accuracy_log_sampling_target"),
    ({"result_99.00_percentile_latency_ns": 12_000_000_001}, "99th percentile latency"),
    ({"result_99.00_percentile_latency_ns": ...}, "99th percentile latency"),
    ({"effective_target_latency_ns": 12_000_000_001}, "latency limit set"),
    ({"effective_target_latency_percentile": 0.9}, "latency percentile set"),
    ({"result_overlatency_query_count": 30}, "early stopping"),
    ({"result_overlatency_query_count": ...}, "early stopping"),
]


@pytest.mark.parametrize(("defect", "name"), DEFECTS)
def test_each_defect_of_a_performance_log_is_caught(
    runs: Callable[..., Verdict], defect: dict[str, Any], name: str
) -> None:
    verdict = runs(detail=defect)
    assert verdict.outcome == "INVALID"
    assert name in _failed(verdict)


@pytest.mark.parametrize(
    ("defect", "name"),
    [
        ({"effective_test_mode": "PerformanceOnly"}, "mode"),
        ({"effective_accuracy_sample_count": SAMPLES - 1}, "samples asked"),
        ({"effective_qsl_rng_seed": 0}, "seeds"),
        ({"loadgen_version": "6.0.17 @ abc"}, "LoadGen version"),
        ({"result_validity": "VALID"}, "summary file"),
    ],
)
def test_each_defect_of_an_accuracy_log_is_caught(
    runs: Callable[..., Verdict], defect: dict[str, Any], name: str
) -> None:
    assert _failed(runs(mode=Mode.ACCURACY, detail=defect)) == {name}


@pytest.mark.parametrize("mode", list(Mode))
def test_errors_logged_by_loadgen_fail_the_run(runs: Callable[..., Verdict], mode: Mode) -> None:
    verdict = runs(mode=mode, errors=("The SUT was slow",))
    assert _failed(verdict) == {"LoadGen errors"}
    assert "The SUT was slow" in (verdict.failed[0].remedy or "")


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        (0.782400663, {"checker": True, "rules": True, "exact": True}),
        (0.78240066299, {"checker": True, "rules": True, "exact": False}),
        (0.782399, {"checker": True, "rules": False, "exact": False}),
        (0.7823969, {"checker": False, "rules": False, "exact": False}),
    ],
)
def test_the_strictest_reading_gates_and_all_are_reported(
    runs: Callable[..., Verdict], value: float, passed: dict[str, bool]
) -> None:
    verdict = runs(value=value)
    assert {name: reading.passed for name, reading in verdict.readings.items()} == passed
    assert _failed(verdict) == (set() if passed["exact"] else {"f1"})


def test_a_score_above_the_highest_possible_one_fails(runs: Callable[..., Verdict]) -> None:
    assert _failed(runs("server", value=79.0)) == {"f1 in its range"}


def test_a_short_offline_run_names_a_sufficient_target(runs: Callable[..., Verdict]) -> None:
    verdict = runs(
        "offline", detail={"result_max_latency_ns": 9_999_999_999, "result_samples_per_second": 120}
    )
    remedies = {check.name: check.remedy or "" for check in verdict.failed}
    assert set(remedies) == {"duration", "rate as recorded"}  # the requests show the rate of the whole run
    assert "target_qps to 109.09," in remedies["duration"]


@pytest.mark.parametrize(
    ("defect", "name"),
    [
        ({"effective_samples_per_query": SAMPLES - 1}, "samples per query"),
        ({"effective_min_query_count": 0}, "minimum query count set"),
        ({"effective_min_query_count": ...}, "minimum query count set"),
        ({"result_samples_per_second": 0}, "result logged"),
        ({"result_samples_per_second": 24.1}, "result as computed"),
        ({"generated_samples_per_query": SAMPLES - 1}, "issued"),
        ({"result_samples_per_second": ..., "result_max_latency_ns": ...}, "duration"),
    ],
)
def test_each_defect_of_an_offline_log_is_caught(
    runs: Callable[..., Verdict], defect: dict[str, Any], name: str
) -> None:
    assert name in _failed(runs("offline", detail=defect))


def test_the_work_is_explained_by_what_the_run_was_asked_for(runs: Callable[..., Verdict]) -> None:
    assert "until that is at least 10 s" in (runs().work or "")
    longer = {"effective_min_duration_ms": 40000, "requested_min_duration_ms": 40000}
    verdict = runs(detail=longer)
    assert verdict.outcome == "VALID"
    assert "1200 samples, 2 whole passes" in (verdict.work or "")
    assert "until that is at least 40 s" in (verdict.work or "")
    beyond = runs(detail={"requested_min_duration_ms": 10**15, "requested_min_query_count": 10**15})
    assert "until that is at least 10 s" in (beyond.work or "")


def test_too_few_queries_for_early_stopping_fail(runs: Callable[..., Verdict]) -> None:
    detail = {"result_query_count": 400, "result_overlatency_query_count": 0}
    check = next(check for check in runs(detail=detail).failed if check.name == "early stopping")
    assert check.limit == ">= 459 queries"
    assert "59 further on-time queries" in (check.remedy or "")


def test_a_missing_or_contradicting_summary_is_caught(tmp_path: Path) -> None:
    for mode in Mode:
        write_run(tmp_path, ROUND, "server", mode)
    summary = tmp_path / "server" / "performance" / "mlperf_log_summary.txt"
    summary.write_text("Result is : INVALID\n")
    assert _failed(_judge(tmp_path, "server")) == {"summary file", "logs as LoadGen left them"}
    summary.unlink()
    assert _failed(_judge(tmp_path, "server")) == {"summary file", "logs as LoadGen left them"}


def test_an_edited_log_is_caught_by_the_hash_that_the_run_recorded(tmp_path: Path) -> None:
    for mode in Mode:
        write_run(tmp_path, ROUND, "offline", mode)
    log = tmp_path / "offline" / "performance" / "mlperf_log_detail.txt"
    log.write_text(log.read_text().replace('"value": 24.0', '"value": 24.0001'))
    verdict = _judge(tmp_path, "offline")
    assert verdict.rate == 24.0001
    assert [(check.name, check.value) for check in verdict.failed] == [
        ("logs as LoadGen left them", "mlperf_log_detail.txt")
    ]


def _set(values: dict[str, Any], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        values = values[parent]
    values[last] = value


# What else a record then contradicts: the other records of the same requests.
CONTRADICTED = {
    "load.failed": ("every request accounted for", "failures as in errors.jsonl", "outcomes recorded"),
    "store_sha256": ("requests sent as stored",),
}


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("load.failed", {"http 500": 2, "empty": 1}, "failed requests"),
        ("load.aborted", "the server died", "ended early"),
        ("mode", "performance", "recorded as"),
        ("round", "v6.0", "recorded as"),
        ("benchmark", "another", "recorded as"),
        ("category", "edge", "recorded as"),
        ("code_sha256", "e" * 64, "same code"),
        ("pins", {"model": "f" * 64, "dataset": "b" * 64}, "same pins"),
        ("store_sha256", "e" * 64, "same requests"),
        (
            "server.command",
            ["vllm", "serve", "model", "--port", "1", "--dtype=bfloat16"],
            "same server command",
        ),
        ("server.environment", {}, "same server command"),
        ("server.version", None, "same server version"),
        ("load.loadgen_version", "6.0.5", "same LoadGen"),
        ("system", {"accelerator_ecc_mode": "disabled"}, "ECC"),
    ],
)
def test_each_defect_of_a_record_is_caught(tmp_path: Path, key: str, value: object, name: str) -> None:
    for mode in Mode:
        write_run(tmp_path, ROUND, "offline", mode)
    values = record_values(ROUND, "offline", Mode.ACCURACY)
    _set(values, key, value)
    seal(tmp_path / "offline" / "accuracy", values)
    assert _failed(_judge(tmp_path, "offline")) == {name, *CONTRADICTED.get(key, ())}


SET = {"inherited": {"LD_LIBRARY_PATH": "/x", "NCCL_DEBUG": "INFO"}}


@pytest.mark.parametrize(
    ("server", "failed"),
    [
        ({}, set()),
        ({"inherited": SET["inherited"] | {"LD_LIBRARY_PATH": "/y"}}, {"same server environment"}),
        ({"inherited": {"NCCL_DEBUG": "INFO"}}, {"same server environment"}),
        ({"devices": ["4,5", "6,7"]}, set()),
        ({"devices": ["0", "1"]}, {"same number of devices"}),
        ({"devices": ["0,1"]}, {"same number of devices"}),
    ],
)
def test_the_servers_of_both_runs_have_one_environment(
    tmp_path: Path, server: dict[str, Any], failed: set[str]
) -> None:
    for mode in Mode:
        values = record_values(ROUND, "offline", mode)
        values["server"] |= SET | {"devices": ["0,1", "2,3"]} | (server if mode is Mode.ACCURACY else {})
        seal(write_run(tmp_path, ROUND, "offline", mode), values)
    verdict = _judge(tmp_path, "offline")
    assert _failed(verdict) == failed
    if "same server environment" in failed:
        assert str(verdict.failed[0].value).startswith("LD_LIBRARY_PATH=/x | ")


def test_a_server_that_is_not_proven_to_be_the_started_one_is_unknown(tmp_path: Path) -> None:
    held = small_round(submittable=True)
    for mode in Mode:
        values = record_values(held, "offline", mode)
        values["server"]["proven"] = None
        seal(write_run(tmp_path, held, "offline", mode), values)
    write_judged(tmp_path, held, "offline")
    verdict = Verdict.read(tmp_path / "offline" / "verdict.json")
    assert [(check.name, check.run) for check in verdict.unknown] == [
        ("server identity", mode) for mode in Mode
    ]


def test_resets_name_idle_time_outs_among_their_causes(tmp_path: Path) -> None:
    for mode in Mode:
        write_run(tmp_path, ROUND, "offline", mode)
    values = record_values(ROUND, "offline", Mode.ACCURACY)
    values["load"]["failed"] = {"reset": 5}
    seal(tmp_path / "offline" / "accuracy", values)
    remedies = {check.name: check.remedy or "" for check in _judge(tmp_path, "offline").failed}
    for word in ("load balancer", "proxy", "idle", "refuses more connections"):
        assert word in remedies["failed requests"]


def test_checks_of_run_json_are_unknown_without_it(tmp_path: Path) -> None:
    for mode in Mode:
        (write_run(tmp_path, ROUND, "offline", mode) / "run.json").unlink()
    verdict = _judge(tmp_path, "offline")
    assert verdict.outcome == "UNPROVEN"
    assert {"failed requests", "same code", "same LoadGen"} <= {check.name for check in verdict.unknown}


def test_a_verdict_is_read_as_it_was_written(runs: Callable[..., Verdict], tmp_path: Path) -> None:
    verdict = runs(detail={"num_errors": 1, "effective_accuracy_log_probability": 1e-05})
    write_verdict(verdict, tmp_path / "verdict.json")
    assert Verdict.read(tmp_path / "verdict.json") == verdict


def test_a_scenario_that_the_round_lacks_is_refused() -> None:
    offline_only = ROUND.model_copy(update={"scenarios": {"offline": ROUND.scenarios["offline"]}})
    with pytest.raises(InputError, match="has no server scenario; it has: offline"):
        offline_only.scenario("server")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"f1": 0.7.9}\n', r"'f1' is 0\.7\.9, not one number"),
        ('{"f1": 0.79}\n{"f1": 0.5}\n', r"'f1' is 0\.79 and 0\.5, not one number"),
    ],
)
def test_an_unreadable_score_in_accuracy_txt_is_refused(tmp_path: Path, text: str, said: str) -> None:
    for mode in Mode:
        write_run(tmp_path, ROUND, "offline", mode)
    performance, accuracy = (tmp_path / "offline" / mode for mode in Mode)
    (accuracy / "accuracy.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        judge(
            performance=performance,
            accuracy=accuracy,
            evaluation=None,
            round_=ROUND,
            scenario=ROUND.scenarios["offline"],
        )


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_logs_of_another_harness_fail_no_check(tmp_path: Path, scenario: str) -> None:
    write_published(tmp_path, ROUND)
    folder = tmp_path / ROUND.scenarios[scenario].folder
    verdict = judge(
        performance=folder / "performance" / "run_1",
        accuracy=folder / "accuracy",
        evaluation=None,
        round_=ROUND,
        scenario=ROUND.scenarios[scenario],
    )
    assert (verdict.outcome, verdict.failed) == ("UNPROVEN", ())
    assert all(
        check.run is None or "run.json" in str(check.remedy) or "untruncated" in str(check.remedy)
        for check in verdict.unknown
    )
    assert (verdict.accuracy, verdict.queries) == (0.788357, 2 * SAMPLES)
    assert verdict.loadgen_version == ROUND.loadgen_rules.versions[-1]


def test_a_published_score_below_the_floor_fails(tmp_path: Path) -> None:
    write_published(tmp_path, ROUND, f1=0.78)
    folder = tmp_path / "Offline"
    verdict = judge(
        performance=folder / "performance" / "run_1",
        accuracy=folder / "accuracy",
        evaluation=None,
        round_=ROUND,
        scenario=ROUND.scenarios["offline"],
    )
    assert _failed(verdict) == {"f1"}


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs the published result in ../shared/data")
@pytest.mark.parametrize(
    ("scenario", "rate", "f1", "queries"),
    [("offline", 43.7662, 0.788493, 96578), ("server", 38.0313, 0.788357, 48289)],
)
def test_the_published_result_fails_no_check(scenario: str, rate: float, f1: float, queries: int) -> None:
    folder = PUBLISHED / load_round("v6.0").scenarios[scenario].folder
    verdict = judge(
        performance=folder / "performance" / "run_1",
        accuracy=folder / "accuracy",
        evaluation=None,
        round_=load_round("v6.0"),
        scenario=load_round("v6.0").scenarios[scenario],
    )
    assert (verdict.outcome, verdict.failed) == ("UNPROVEN", ())
    assert all(
        check.run is None or "run.json" in str(check.remedy) or "untruncated" in str(check.remedy)
        for check in verdict.unknown
    )
    assert (verdict.rate, verdict.queries) == (rate, queries)
    assert verdict.accuracy == pytest.approx(f1, abs=5e-7)
    if scenario == "server":
        assert verdict.p99_latency_s == pytest.approx(11.52, abs=0.005)
        assert (verdict.over_latency, verdict.over_latency_allowed) == (343, 432)


def test_runs_without_a_score_are_unproven(tmp_path: Path) -> None:
    performance, accuracy = (write_run(tmp_path, ROUND, "offline", mode) for mode in Mode)
    verdict = judge(
        performance=performance,
        accuracy=accuracy,
        evaluation=None,
        round_=ROUND,
        scenario=ROUND.scenarios["offline"],
    )
    assert verdict.outcome == "UNPROVEN"
    assert {check.name for check in verdict.unknown} == {"f1", "each sample answered once"}
    assert {reading.passed for reading in verdict.readings.values()} == {None}
