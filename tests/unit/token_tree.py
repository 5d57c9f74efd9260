"""Accepted closed trees of a benchmark with token ids, at full scale, from LoadGen's own recorded logs.

As another harness makes them: without our records, whose hashes would convict every changed log at once.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen_files import write_detail
from token_runs.recorded import recorded

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.audited_round import compliance_rules
from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules, ScenarioRules
from weighbridge.gates.token_consistency import VERIFICATION, verification_text
from weighbridge.loadgen.logged_tokens import TOKEN_TYPE
from weighbridge.submission.measurements import MEASUREMENTS
from weighbridge.submission.system_description import required_fields
from weighbridge.submission.tree import run_logs, truncate_log, with_hash

EOS = 128009
_RECORDED = {"singlestream": "single-stream"}
_SUMMARY = "No warnings encountered during test.\n\nNo errors encountered during test.\n"


def round_of(name: str, category: str) -> Round:
    """Return a real round; what its closed division fixes is judged from records, which the trees lack."""
    return load_round(f"llama3.1-8b/{name}", category).model_copy(update={"closed": ClosedRules()})


def write_tree(root: Path, round_: Round) -> Path:
    """Write the tree of a round with all its scenarios, and return its root."""
    submitter = root / "closed" / "Me"
    for path, text in {
        f"src/{round_.folder}/main.py": "run()\n",
        "documentation/calibration.md": "Not quantised.\n",
    }.items():
        (submitter / path).parent.mkdir(parents=True)
        (submitter / path).write_text(text)
    fields = {name: field.example for name, field in required_fields().items()}
    fields |= {"submitter": "Me", "division": "closed", "system_type": round_.system_types[0]}
    (submitter / "systems").mkdir()
    (submitter / "systems" / "box.json").write_text(json.dumps(fields))
    for scenario in round_.scenarios.values():
        write_scenario(submitter / "results" / "box" / round_.folder / scenario.folder, round_, scenario)
    return root


def write_scenario(folder: Path, round_: Round, scenario: ScenarioRules) -> None:
    """Write a scenario's folder, with the logs of all its runs."""
    for run in scenario.runs.values():
        logs = run_logs(folder, run)
        for path in logs.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        detail, summary, answers = logs.values()
        write_detail(detail, log_values(round_, scenario, run))
        result = "" if run.mode is Mode.ACCURACY else f"Result is : {_validity(run)}\n"
        summary.write_text(f"{result}{_SUMMARY}")
        if run.compliance_test is not None:
            offline = scenario.offline
            answers.write_text(logged_answers(100, first=not offline))
            text = verification_text(None if offline else True, end=True, length=True)
            (folder / run.compliance_test / VERIFICATION).write_text(text)
        elif run.mode is Mode.ACCURACY:
            _write_scored(answers, round_)
    (folder / "user.conf").write_text(f"*.{scenario.loadgen_scenario}.target_qps = {_rate(scenario)}\n")
    (folder / "README.md").write_text("How it was measured.\n")
    (folder / "measurements.json").write_text(json.dumps(dict.fromkeys(MEASUREMENTS, "stated")))


def _validity(run: RunRules) -> str:
    return "INVALID" if run.compliance_test else "VALID"


def _rate(scenario: ScenarioRules) -> float:
    return float(recorded(_RECORDED.get(scenario.name, scenario.name))["values"]["effective_target_qps"])


def _write_scored(answers: Path, round_: Round) -> None:
    """Write a truncated accuracy log, and accuracy.txt with the reference's scores in its own form."""
    original = answers.with_name("whole")
    original.write_text(logged_answers(400))
    truncate_log(original, answers)
    scores: dict[str, Any] = {
        name: f"{rules.reference_mean:g}" for name, rules in round_.metrics.items() if name != "gen_len"
    }
    mean = round_.metrics["gen_len"].reference_mean
    assert mean is not None
    scores |= {"gen_len": round(mean), "gen_num": round_.samples}
    answers.with_name("accuracy.txt").write_text(with_hash(f"\nResults\n\n{scores}\n", original))
    original.unlink()


def logged_answers(count: int, *, first: bool = False, **changes: Any) -> str:
    """Return an accuracy log whose answers are token ids; `changes` are those of its first entry."""
    entries = []
    for number in range(count):
        ids = [1000 + number, 2000, 3000, EOS]
        entry: dict[str, Any] = {"seq_id": number, "qsl_idx": number, "data": hexadecimal(ids)}
        if first:
            entry["token_data"] = hexadecimal(ids[:1])
        entries.append(entry | {"token_count": len(ids)})
    entries[0] |= changes
    return "[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n"


def hexadecimal(ids: list[int]) -> str:
    """Return ids as LoadGen logs them."""
    return b"".join(each.to_bytes(TOKEN_TYPE.itemsize, "little") for each in ids).hex().upper()


def log_values(round_: Round, scenario: ScenarioRules, run: RunRules) -> Mapping[str, Any]:
    """Return the values of a run's detail log: a recorded run's of the scenario, at the round's scale."""
    values = recorded(_RECORDED.get(scenario.name, scenario.name))["values"]
    samples, duration_ms = round_.samples, int(1000 * scenario.min_duration_s)
    seeds = round_.loadgen_rules.seeds.model_dump()
    values |= {f"{stage}_{name}_rng_seed": seed for name, seed in seeds.items() for stage in _STAGES}
    values |= {f"{stage}_min_duration_ms": duration_ms for stage in _STAGES}
    values |= {
        "loadgen_version": f"{round_.loadgen_rules.versions[-1]} @ 3546c66b9e",
        "qsl_reported_total_count": samples,
        "qsl_reported_performance_count": samples,
        "requested_performance_sample_count_override": samples,
        "effective_performance_sample_count": samples,
        "effective_accuracy_sample_count": samples,
        "requested_min_query_count": scenario.min_query_count,
        "effective_min_query_count": 1 if scenario.offline else samples,
        "effective_min_sample_count": samples,
    }
    if run.mode is Mode.ACCURACY:
        known = {name: value for name, value in values.items() if not name.startswith(_RESULTS)}
        return known | {f"{stage}_test_mode": "AccuracyOnly" for stage in _STAGES}
    if run.compliance_test is not None:
        return values | _audited(round_, scenario, run.compliance_test)
    return values | _results(samples, scenario, values)


_STAGES = ("requested", "effective")
_RESULTS = ("result_", "early_stopping", "num_errors")


def _audited(round_: Round, scenario: ScenarioRules, test: str) -> dict[str, Any]:
    audit = compliance_rules(round_, test).audit
    changed = {
        "accuracy_log_rng_seed": audit.accuracy_log_rng_seed,
        "accuracy_log_sampling_target": audit.accuracy_log_sampling_target,
        "min_query_count": audit.min_query_count,
        "min_duration_ms": 0,
        "sample_concatenate_permutation": False,
    }
    values = {f"{stage}_{name}": value for name, value in changed.items() for stage in _STAGES}
    values |= {"result_validity": "INVALID", "early_stopping_met": False}
    return values | ({"effective_min_query_count": 1} if scenario.offline else {})


def _results(samples: int, scenario: ScenarioRules, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what follows from one pass over the samples; latencies of single queries stay as recorded."""
    if scenario.offline:
        rate = values["effective_target_qps"]
        longest_ns = round(1e9 * max(samples / rate, scenario.min_duration_s + 10))
        per_s = samples / (longest_ns / 1e9)
        return {
            "effective_samples_per_query": samples,
            "generated_samples_per_query": samples,
            "result_max_latency_ns": longest_ns,
            "result_samples_per_second": per_s,
            "result_tokens_per_second": 100 * per_s,
        }
    counts = {"generated_query_count": samples, "result_query_count": samples}
    long_ns = round(1e9 * (scenario.min_duration_s + 60))
    if scenario.has_schedule:
        rate = samples / (long_ns / 1e9)
        counts |= {
            "generated_query_duration": long_ns,
            "result_scheduled_samples_per_sec": rate,
            "result_completed_samples_per_sec": 0.999 * rate,
            "result_completed_tokens_per_second": 99.9 * rate,
        }
    else:
        rate = samples / (long_ns / 1e9)
        counts |= {
            "result_qps_with_loadgen_overhead": rate,
            "result_qps_without_loadgen_overhead": rate,
            "result_completed_tokens_per_second": 100 * rate,
        }
        # One follows the other, so the mean latency is the duration's share of a query.
        times = long_ns / samples / values["result_mean_latency_ns"]
        slower = {name for name in values if name.startswith("result_") and name.endswith("_latency_ns")}
        counts |= {name: round(times * values[name]) for name in slower}
    return counts
