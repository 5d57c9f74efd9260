"""Write a finished run directory with the files of LoadGen and Weighbridge, for tests that read one."""

import json
from pathlib import Path
from typing import Any

from request_files import answers_log, f1_of, with_products, write_requests

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import LatencyMetric, LoadGenScenario, Mode, ScenarioRules
from weighbridge.core.files import sha256_of
from weighbridge.gates import Inputs, judge
from weighbridge.gates.closed_checks import NO_INPUTS
from weighbridge.records.notice import mark_of
from weighbridge.records.run_record import RunRecord
from weighbridge.records.score import Evaluation, Score
from weighbridge.records.verdict import Verdict, write_verdict
from weighbridge.submission.tree import truncate_log

SAMPLES = 600


SINGLE_STREAM = ScenarioRules(
    name="single-stream",
    folder="SingleStream",
    loadgen_scenario=LoadGenScenario.SINGLE_STREAM,
    loadgen_model="toy",
    metric=LatencyMetric(latency_percentile=0.9),
    min_duration_s=60,
    min_query_count=100,
)


def small_round(**changes: Any) -> Round:
    """Round v6.0 as a demonstration of 600 samples and 10 s: long enough for early stopping."""
    real = load_round("v6.0")
    small = {"min_query_count": SAMPLES, "min_duration_s": 10.0}
    scenarios = {scenario: rules.model_copy(update=small) for scenario, rules in real.scenarios.items()}
    # Without rules of the closed division, which need proofs: tests/unit/test_closed_gate.py writes these.
    demonstration = {"name": "small", "submittable": False, "samples": SAMPLES, "scenarios": scenarios}
    demonstration |= {"closed": ClosedRules()}
    return real.model_copy(update=demonstration | changes)


def detail_values(round_: Round, scenario: str, mode: Mode) -> dict[str, Any]:
    """Return the keys and values of a valid detail log, in LoadGen's order."""
    rules, seeds = round_.scenarios[scenario], round_.loadgen_rules.seeds
    server, performance = scenario == "server", mode is Mode.PERFORMANCE
    values: dict[str, Any] = {
        "loadgen_version": f"{round_.loadgen_rules.versions[-1]} @ 3546c66b9e",
        "loadgen_git_status_message": "",
        "qsl_reported_total_count": round_.samples,
        "effective_scenario": str(rules.loadgen_scenario),
        "effective_test_mode": "PerformanceOnly" if performance else "AccuracyOnly",
        "effective_samples_per_query": 1 if server else round_.samples,
        "effective_target_qps": 20,
        "effective_target_latency_ns": 12_000_000_000 if server else 0,
        "effective_target_latency_percentile": 0.99,
        "effective_min_query_count": rules.min_query_count if server else 1,
        "effective_min_duration_ms": int(1000 * rules.min_duration_s),
        "effective_qsl_rng_seed": seeds.qsl,
        "effective_sample_index_rng_seed": seeds.sample_index,
        "effective_schedule_rng_seed": seeds.schedule,
        "effective_accuracy_log_probability": 0,
        "effective_accuracy_log_sampling_target": 0,
        "effective_performance_issue_unique": False,
        "effective_performance_issue_same": False,
        "effective_performance_sample_count": round_.samples,
        "effective_accuracy_sample_count": round_.samples,
        "effective_sample_concatenate_permutation": True,
        "generated_query_count": 2 * round_.samples if server else 1,
        "generated_samples_per_query": 1 if server else 2 * round_.samples,
    }
    if performance:
        values |= {
            "result_validity": "VALID",
            "result_min_duration_met": True,
            "result_min_queries_met": True,
        }
        if server:
            values |= {
                "result_perf_constraints_met": True,
                "early_stopping_met": True,
                "result_query_count": 2 * round_.samples,
                "result_overlatency_query_count": 1,
                "result_scheduled_samples_per_sec": 20.0,
                "result_completed_samples_per_sec": 19.5,
            }
        else:
            values |= {"result_query_count": 1, "result_samples_per_second": 24.0}
        values |= {
            "result_max_latency_ns": 50_000_000_000,
            "result_50.00_percentile_latency_ns": 3_000_000_000,
            "result_90.00_percentile_latency_ns": 5_000_000_000,
            "result_99.00_percentile_latency_ns": 8_000_000_000,
        }
        values |= {"num_errors": 0}
    return values


def write_detail(path: Path, values: dict[str, Any], errors: tuple[str, ...] = ()) -> None:
    """Write a detail log; `errors` become messages that LoadGen flags."""
    entries = [(key, value, False) for key, value in values.items()] + [
        ("error", text, True) for text in errors
    ]
    path.write_text("".join(f":::MLLOG {json.dumps(_entry(*entry))}\n" for entry in entries))


def _entry(key: str, value: Any, is_error: bool) -> dict[str, Any]:
    place = {"file": "loadgen.cc", "line_no": 1, "pid": 472, "tid": 472}
    return {
        "key": key,
        "value": value,
        "time_ms": 0.00768,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": {"is_error": is_error, "is_warning": False, **place},
    }


def record_values(round_: Round, scenario: str, mode: Mode) -> dict[str, Any]:
    """Return the contents of a valid run.json."""
    issued = (2 if mode is Mode.PERFORMANCE else 1) * round_.samples
    load = {
        "issued": issued,
        "completed": issued,
        "failed": {},
        "empty": 0,
        "requested_qps": 20.0,
        "achieved_qps": 19.5,
        "schedule_delay": {"p50_s": 0.001, "p99_s": 0.002, "max_s": 0.003},
        "client_cpu_s": 1.0,
        "client_cpu_us_per_request": 100.0,
        "client": {
            "busy": {"loadgen": 0.02, "worker 0": 0.1},
            "receive_backlog": {
                "samples": 70,
                "mean_s": 0.0002,
                "p50_s": 1e-4,
                "p99_s": 0.002,
                "max_s": 0.003,
            },
            "wake_delay": {"samples": 3000, "mean_s": 2e-4, "p50_s": 1e-4, "p99_s": 0.002, "max_s": 0.003},
            "answered_by_worker": [issued],
        },
        "peak_rss_bytes": {"loadgen": 1},
        "in_flight": [[0.0, 1]],
        "sent_bytes": 1,
        "received_bytes": 1,
        "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T00:01:00Z",
        "loadgen_version": round_.loadgen_rules.versions[-1],
        "settings": {},
    }
    server = {
        "command": ["vllm", "serve", "model", "--port", str(8000 + len(mode)), "--dtype=float32"],
        "environment": {"VLLM_CPU_KVCACHE_SPACE": "1"},
        "inherited": {},
        "proven": "its process listens on the port",
        "endpoints": [f"http://127.0.0.1:{8000 + len(mode)}"],
        "model_name": "model",
        "version": "0.12.0",
        "ready_s": 20.0,
        "golden": "as recorded",
        "prefix_caching": "off",
        "warmup_requests": 16,
        "warmup_s": 2.0,
    }
    return {
        "round": round_.name,
        "submittable": round_.submittable,
        "scenario": scenario,
        "mode": mode.value,
        "weighbridge_version": "0.1.0",
        "git_revision": "0" * 40,
        "code_sha256": "c" * 64,
        "pins": {"model": "a" * 64, "dataset": "b" * 64},
        "store_sha256": "d" * 64,
        "sent_sha256": "d" * 64,
        "host": {"name": "node", "cpus": 2, "memory_bytes": 8 << 30, "platform": "Linux", "python": "3.11.7"},
        "server": server,
        "load": load,
        "system": {"host_memory_capacity": "8 GiB", "accelerator_ecc_mode": "enabled"},
        "logs": {},
    }


def write_run(results: Path, round_: Round, scenario: str, mode: Mode) -> Path:
    """Write the folder of one valid run, and return it."""
    folder = results / scenario / mode
    folder.mkdir(parents=True)
    values = detail_values(round_, scenario, mode)
    write_detail(folder / "mlperf_log_detail.txt", values)
    summary = "Result is : VALID\n" if mode is Mode.PERFORMANCE else "\nNo errors encountered during test.\n"
    (folder / "mlperf_log_summary.txt").write_text(summary)
    answers = answers_log(round_.samples) if mode is Mode.ACCURACY else "[\n\n]\n"
    (folder / "mlperf_log_accuracy.json").write_text(answers)
    write_requests(folder, round_.samples, mode)
    (folder / "user.conf").write_text(f"*.{round_.scenarios[scenario].folder}.target_qps = 20\n")
    seal(folder, record_values(round_, scenario, mode))
    return folder


def write_published(folder: Path, round_: Round, f1: float = 0.788357) -> None:
    """Write logs like those of another harness in a published submission, one folder per scenario.

    They are good runs with all that is odd in real ones: capitalised folders, no run.json, a LoadGen built
    without its repository ("NA"), messages and lists among the values, whole numbers where others have
    fractions, a longer Offline query than one pass, a truncated accuracy log, and two hashes in accuracy.txt.
    """
    for scenario in round_.scenarios:
        values = {mode: detail_values(round_, scenario, mode) for mode in Mode}
        place = folder / values[Mode.PERFORMANCE]["effective_scenario"]
        for mode, run in (
            (Mode.PERFORMANCE, place / "performance" / "run_1"),
            (Mode.ACCURACY, place / "accuracy"),
        ):
            run.mkdir(parents=True)
            write_detail(run / "mlperf_log_detail.txt", _as_published(values[mode], mode))
            (run / "mlperf_log_summary.txt").write_text(_SUMMARIES[mode])
            (run / "mlperf_log_accuracy.json").write_text("[\n]\n")
        lines = ",\n".join(
            f'{{ "seq_id" : {i}, "qsl_idx" : {i}, "data" : "{64 * "7B"}" }}' for i in range(round_.samples)
        )
        original = folder / "untruncated"
        original.write_text(f"[\n{lines}\n]\n")
        truncate_log(original, place / "accuracy" / "mlperf_log_accuracy.json")
        original.unlink()
        (place / "accuracy" / "accuracy.txt").write_text(
            f'Results\n\n{{"f1": {f1}}}\n\nhash={"a" * 64}\nhash={"b" * 64}\n'
        )
        (place / "user.conf").write_text(
            f"*.{place.name}.performance_sample_count_override = {round_.samples}\n"
        )


def _as_published(values: dict[str, Any], mode: Mode) -> dict[str, Any]:
    samples = values["qsl_reported_total_count"]
    return values | {
        "loadgen_version": f"{values['loadgen_version'].partition(' @ ')[0]} @ NA",
        "loadgen_git_status_message": "NA",
        "loadgen_file_sha1": {"/MANIFEST.in": "0" * 40},
        "qsl_reported_performance_count": samples // 6,
        "effective_samples_per_query": 1
        if values["effective_scenario"] == "Server"
        else round(1.1 * samples),  # min_duration_s * target_qps with LoadGen's margin; then whole passes
        "effective_target_qps": 20,
        "generic_message": f"Starting {mode} mode",
        "loaded_qsl_set": list(range(samples)),
        "power_begin": "02-12-2026 22:24:12.906",
    }


_SUMMARIES = {
    Mode.PERFORMANCE: """================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Mode     : PerformanceOnly
Completed samples per second    : 19.50
Result is : VALID
  Min duration satisfied : Yes
  Early stopping satisfied: Yes
Early Stopping Result:
 * Run successful.

No warnings encountered during test.

No errors encountered during test.
""",
    Mode.ACCURACY: "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n",
}


def seal(folder: Path, record: dict[str, Any]) -> None:
    """Write run.json with the hashes of the current logs, as a run does at its end."""
    proving = [*folder.glob("mlperf_log_*"), *folder.glob("*.parquet"), *folder.glob("*.jsonl")]
    record["logs"] = {path.name: sha256_of(path) for path in proving}
    (folder / "run.json").write_text(json.dumps(record))
    RunRecord.read(folder / "run.json")


def evaluation_of(round_: Round, log: Path, value: float | None = None) -> Evaluation:
    """Return a score as `evaluate` writes it; by default that of the answers of `write_run`."""
    value = f1_of(round_.samples) if value is None else value
    score = Score(samples=round_.samples, unparsable=3, metrics={"f1": value}, baselines={"f1": 0.1}, seed=1)
    return Evaluation(
        round=round_.name,
        submittable=round_.submittable,
        benchmark=round_.benchmark,
        metric="f1",
        value=value,
        empty=1,
        score=score,
        log_sha256=sha256_of(log),
    )


def write_results(results: Path, round_: Round) -> None:
    """Write everything that `assemble` reads: four runs, two scores, two verdicts."""
    for scenario in round_.scenarios:
        for mode in Mode:
            write_run(results, round_, scenario, mode)
        write_judged(results, round_, scenario)


def judged_runs(
    results: Path, round_: Round, scenario: str, evaluation: Evaluation | None, inputs: Inputs = NO_INPUTS
) -> Verdict:
    """Judge both runs of a scenario."""
    performance, accuracy = (results / scenario / mode for mode in Mode)
    return judge(
        performance=performance,
        accuracy=accuracy,
        evaluation=evaluation,
        round_=round_of_scenario(round_, scenario),
        scenario=round_.scenario(scenario),
        inputs=inputs,
    )


def write_judged(
    results: Path,
    round_: Round,
    scenario: str,
    inputs: Inputs = NO_INPUTS,
    evaluation: Evaluation | None = None,
) -> None:
    """Write the score, by default that of the answers of `write_run`, and the verdict of two runs."""
    folder = results / scenario
    log = folder / Mode.ACCURACY / "mlperf_log_accuracy.json"
    evaluation = evaluation or evaluation_of(round_, log)
    note = "" if round_.submittable else f"{mark_of(round_)}\n"
    (folder / "accuracy.txt").write_text(f'Results\n{note}\n{{"f1": {evaluation.value}}}\n')
    (folder / "accuracy.json").write_text(evaluation.model_dump_json())
    samples = round_of_scenario(round_, scenario).samples
    inputs = with_products(inputs, results.parent / "products", samples)
    verdict = judged_runs(results, round_, scenario, evaluation, inputs)
    write_verdict(verdict, folder / "verdict.json")
