"""An accepted closed tree of round v6.0, at full scale, with all keys that LoadGen logs."""

import json
import shutil
from pathlib import Path
from typing import Any

from loadgen_files import detail_values, record_values, seal, write_detail, write_judged, write_run
from request_files import request_log
from tree_evidence import recorded

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.request_log import write_parquet
from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import SubmissionSettings
from weighbridge.gates import Inputs
from weighbridge.gates.closed_checks import NO_INPUTS
from weighbridge.submission import assemble
from weighbridge.submission.system_description import required_fields
from weighbridge.system.identity import code_sha256_of

# What the closed division fixes is judged from proofs that only real runs have; other tests show it.
ROUND = load_round("v6.0").model_copy(update={"closed": ClosedRules()})
SCENARIOS = ("Offline", "Server")
_OFFLINE_NS = 4_024_083_333_333  # two passes over the dataset at the rate of the log

_BUILD = {
    "loadgen_version": "6.0.15 @ 3546c66b9e",
    "loadgen_build_date_local": "2026-02-10T01:17:29.887890",
    "loadgen_build_date_utc": "2026-02-10T09:17:29.887908",
    "loadgen_git_commit_date": "2026-02-01T00:00:00",
    "loadgen_git_log_message": "3546c66b9e a change",
    "loadgen_git_status_message": "",
    "loadgen_file_sha1": {"/loadgen.cc": "0" * 40},
    "test_datetime": "2026-02-12T14:17:34Z",
    "sut_name": "PySUT",
    "get_sut_name_duration_ns": 608,
    "qsl_name": "PyQSL",
}
_SUMMARY = """================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : {scenario}
Mode     : PerformanceOnly
{rate}
Result is : VALID
{constraints}  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes

================================================
Additional Stats
================================================
Min latency (ns)                : 667449655
Max latency (ns)                : {max_latency}
Mean latency (ns)               : 3100000000
50.00 percentile latency (ns)   : 3000000000
90.00 percentile latency (ns)   : 5000000000
95.00 percentile latency (ns)   : 6000000000
97.00 percentile latency (ns)   : 7000000000
99.00 percentile latency (ns)   : 8000000000
99.90 percentile latency (ns)   : 9000000000

================================================
Test Parameters Used
================================================
samples_per_query : {samples_per_query}
target_qps : 20
target_latency (ns): {target_latency}
max_async_queries : 0
min_duration (ms): 600000
max_duration (ms): 0
min_query_count : {min_query_count}
max_query_count : 0
qsl_rng_seed : 2465351861681999779
sample_index_rng_seed : 14276810075590677512
schedule_rng_seed : 3936089224930324775
accuracy_log_rng_seed : 0
accuracy_log_probability : 0
accuracy_log_sampling_target : 0
print_timestamps : 0
performance_issue_unique : 0
performance_issue_same : 0
performance_issue_same_index : 0
performance_sample_count : 48289
accuracy_sample_count : 48289

No warnings encountered during test.

No errors encountered during test.
"""
_ACCURACY_SUMMARY = "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"


def log_values(scenario: str, mode: Mode) -> dict[str, Any]:
    """Return all keys of a valid detail log, in LoadGen's order; `scenario` is the folder's name."""
    server = scenario == "Server"
    known = detail_values(ROUND, scenario.lower(), mode)
    samples = ROUND.samples
    counts = {"min_query_count": samples if server else 1, "min_duration_ms": 600_000}
    requested = {
        "scenario": known["effective_scenario"],
        "test_mode": known["effective_test_mode"],
        **(
            {
                "server_target_qps": 20,
                "server_target_latency_ns": 12_000_000_000,
                "server_target_latency_percentile": 0.99,
                "server_coalesce_queries": False,
                "server_max_async_queries": 0,
                "server_num_issue_query_threads": 0,
            }
            if server
            else {"offline_expected_qps": 20}
        ),
        **counts,
        "max_duration_ms": 0,
        "max_query_count": 0,
        "qsl_rng_seed": known["effective_qsl_rng_seed"],
        "sample_index_rng_seed": known["effective_sample_index_rng_seed"],
        "schedule_rng_seed": known["effective_schedule_rng_seed"],
        "accuracy_log_rng_seed": 0,
        "accuracy_log_probability": 0,
        "accuracy_log_sampling_target": 0,
        "print_timestamps": False,
        "performance_issue_unique": False,
        "performance_issue_same": False,
        "performance_issue_same_index": 0,
        "performance_sample_count_override": samples,
        "accuracy_sample_count_override": 0,
        "sample_concatenate_permutation": True,
    }
    effective = {f"effective_{name}": value for name, value in counts.items()} | {
        "effective_max_async_queries": 0 if server else 1,
        "effective_target_duration_ms": 600_000 if server else 0,
        "effective_max_duration_ms": 0,
        "effective_max_query_count": 0,
        "effective_min_sample_count": samples,
        "effective_accuracy_log_rng_seed": 0,
        "effective_print_timestamps": False,
        "effective_performance_issue_same_index": 0,
    }
    values = {
        **_BUILD,
        "qsl_reported_total_count": samples,
        "qsl_reported_performance_count": samples,
        **{f"requested_{name}": value for name, value in requested.items()},
        **{key: value for key, value in known.items() if key.startswith("effective_")},
        **effective,
        "generic_message": f"Starting {mode} mode",
        "loaded_qsl_set": [0, 1, 2],
        **{key: value for key, value in known.items() if key.startswith("generated_")},
        "generated_query_duration": 1_264_876_234_041,
        "logger_swap_request_slots_retry_count": 0,
        "power_begin": "02-12-2026 22:24:12.906",
        "power_end": "02-12-2026 22:45:22.942",
    }
    results = {key: value for key, value in known.items() if key not in values}
    if mode is Mode.PERFORMANCE:
        results |= {
            "early_stopping_result": " * Run successful." if server else "",
            **({} if server else {"result_max_latency_ns": _OFFLINE_NS}),
            "result_min_latency_ns": 667_449_655,
            "result_mean_latency_ns": 3_100_000_000,
            "result_95.00_percentile_latency_ns": 6_000_000_000,
            "result_97.00_percentile_latency_ns": 7_000_000_000,
            "result_99.90_percentile_latency_ns": 9_000_000_000,
        }
    errors = {"num_errors": results.pop("num_errors")} if "num_errors" in results else {}
    return values | results | errors


def _summary(scenario: str) -> str:
    server = scenario == "Server"
    return _SUMMARY.format(
        scenario=scenario,
        rate="Completed samples per second    : 19.50" if server else "Samples per second: 24",
        constraints="  Performance constraints satisfied : Yes\n" if server else "",
        max_latency=50_000_000_000 if server else _OFFLINE_NS,
        samples_per_query=1 if server else ROUND.samples,
        target_latency=12_000_000_000 if server else 0,
        min_query_count=ROUND.samples if server else 1,
    )


def accepted_tree(scratch: Path) -> Path:
    """Return the root of a valid tree without our records, as another harness makes it.

    Hashes in the records would convict every changed log at once, and no rule on what the logs say would be
    tried.
    """
    tree = recorded_tree(scratch, ROUND, NO_INPUTS)
    [records] = tree.glob("closed/Me/src/*/records")
    shutil.rmtree(records)
    return tree


def recorded_tree(scratch: Path, round_: Round, inputs: Inputs) -> Path:
    """Write the run directory of valid runs, assemble its tree with records, and return the tree's root."""
    results = scratch / "results"
    package = scratch / "project" / "src" / "weighbridge"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("")
    (scratch / "project" / "Snakefile").write_text("rule all:\n")
    code = {"code_sha256": code_sha256_of(package)}
    for scenario, rules in round_.scenarios.items():
        folders = [write_run(results, round_, scenario, mode) for mode in Mode]
        for mode, run in zip(Mode, folders, strict=True):
            write_detail(run / "mlperf_log_detail.txt", log_values(rules.folder, mode))
            summary = _summary(rules.folder) if mode is Mode.PERFORMANCE else _ACCURACY_SUMMARY
            (run / "mlperf_log_summary.txt").write_text(summary)
            if rules.offline and mode is Mode.PERFORMANCE:
                _write_offline_requests(run / "requests.parquet", round_.samples)
            record = record_values(round_, scenario, mode) | code
            seal(run, record | (recorded(inputs, record["server"]) if inputs.store else {}))
        write_judged(results, round_, scenario, inputs)
    (scratch / "system.yaml").write_text(json.dumps(_description()))
    assemble(
        results=results,
        destination=scratch / "tree",
        originals=scratch / "originals",
        round_=round_,
        settings=SubmissionSettings(
            submitter="Me",
            system="box",
            system_description=scratch / "system.yaml",
            measurements={"weight_data_types": "bf16", "weight_transformations": "none"},
        ),
        source=scratch / "project",
        inputs=inputs,
    )
    return scratch / "tree"


def _write_offline_requests(path: Path, samples: int) -> None:
    """Write requests of which the last ends with the run, as LoadGen's log has it."""
    log = request_log(samples, Mode.PERFORMANCE)
    log["end_ns"][-1] = log["last_ns"][-1] = log["planned_ns"][0] + _OFFLINE_NS
    write_parquet(log, path)


def _description() -> dict[str, str]:
    fields = {name: field.example for name, field in required_fields().items()}
    return {name: value for name, value in fields.items() if name not in {"division", "submitter"}}
