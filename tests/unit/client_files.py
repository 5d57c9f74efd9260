"""Write runs of the official endpoints client, with the files of its report, for tests that read them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from loadgen_files import evaluation_of, record_values, write_judged
from request_files import answers_of, f1_of, tokens_of

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.dataset_rules import DatasetRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.files import sha256_of
from weighbridge.endpoints.events import PERFORMANCE_PHASE, Events
from weighbridge.endpoints.phase_tables import records_of, write_answers, write_phase, write_sampled_answers
from weighbridge.endpoints.schedule import arrivals_ns, sample_order
from weighbridge.loadgen.early_stopping import discarded
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    CLIENT_FILES,
    CLIENT_FOLDER,
    CLIENT_LOG,
    CLIENT_REQUEST,
    EVENTS,
    PHASE_ANSWERS,
    RESULT_SUMMARY,
    SAMPLE_MAP,
    SNAPSHOT,
    WRITTEN_CONFIG,
)
from weighbridge.records.run_record import ERRORS_FILE, REQUESTS_TABLE, SAMPLED_ANSWERS, RunRecord
from weighbridge.records.score import Evaluation

SAMPLES = 600
PASSES = 2
TARGET_QPS = 20.0
_PERCENTILES = (99.9, 99.0, 97.0, 95.0, 90.0, 80.0, 75.0, 50.0, 25.0, 10.0, 5.0, 1.0)
_SECOND_NS = 10**9
_STRIDE = 7919  # a prime


def client_round(**changes: Any) -> Round:
    """Round v6.1-endpoints as a demonstration of 600 samples and 10 s: long enough for early stopping."""
    real = load_round("v6.1-endpoints")
    small = {"min_query_count": SAMPLES, "min_duration_s": 10.0}
    demonstration: dict[str, Any] = {
        "name": "small-endpoints",
        "submittable": False,
        "samples": SAMPLES,
        "scenarios": {name: rules.model_copy(update=small) for name, rules in real.scenarios.items()},
        "further_datasets": {"8k": DatasetRules(samples=SAMPLES, splits=("train", "test"))},
        "closed": ClosedRules(),
        "checker_options": ("--skip-dataset-size-check",),
        "endpoints": real.endpoints_rules.model_copy(
            update={"warmup_requests": 8, "stated_duration_s": 600.0}
        ),
    }
    return real.model_copy(update=demonstration | changes)


def client_answers(samples: int) -> list[str]:
    """Return an answer to each sample: none is blank, which the client would count."""
    return [answer or "x" for answer in answers_of(samples)]


def config_values(round_: Round, scenario: ScenarioRules) -> dict[str, Any]:
    """Return the configuration that the client writes of a valid run; nulls are left out there."""
    rules, drive = round_.endpoints_rules, scenario.endpoints
    assert drive is not None
    load = {"type": drive.load_pattern, "use_legacy_loadgen_qps_metrics": True}
    if scenario.has_schedule:
        load["target_qps"] = TARGET_QPS
    stated_s = rules.stated_duration_s or scenario.min_duration_s
    return {
        "name": f"{scenario.name}-{round_.benchmark}",
        "version": "1.0",
        "type": drive.type,
        "submission_ref": {"model": rules.model, "ruleset": rules.ruleset},
        "model_params": {
            "name": "model",
            "tokenizer_name": "model",
            "max_new_tokens": round_.max_tokens,
            "streaming": "on" if drive.streaming else "off",
        },
        "datasets": [
            {"name": drive.dataset, "type": "performance"},
            {
                "name": drive.dataset,
                "type": "accuracy",
                "accuracy_config": {**rules.scoring.model_dump(), "num_repeats": 1},
            },
        ],
        "settings": {
            "runtime": {
                "min_duration_ms": round(1000 * stated_s),
                "n_samples_to_issue": PASSES * round_.samples,
                "scheduler_random_seed": rules.seeds.scheduler,
                "dataloader_random_seed": rules.seeds.dataloader,
            },
            "load_pattern": load,
            "warmup": {
                "enabled": rules.warmup_requests > 0,
                "n_requests": rules.warmup_requests,
                "salt": False,
                "drain": True,
            },
            "client": {"num_workers": 2, "max_connections": -1},
        },
        "endpoint_config": {"endpoints": ["http://127.0.0.1:8000"], "api_type": "openai"},
    }


def issued_ns(round_: Round, scenario: ScenarioRules) -> Any:
    """Return when the queries of a performance phase are issued, in ns since its start."""
    count = PASSES * round_.samples
    if scenario.has_schedule:
        return arrivals_ns(count, TARGET_QPS, round_.endpoints_rules.seeds.scheduler)
    return 50_000 * np.arange(count, dtype=np.int64)


def latencies_ns(scenario: ScenarioRules, count: int) -> Any:
    """Return latencies of `count` queries: of a limited scenario so short that the target rate is reached."""
    ranks = _STRIDE * np.arange(count) % count
    if scenario.limits.latency is None:
        return _SECOND_NS // 2 + ranks * 40_000_000
    return _SECOND_NS // 20 + ranks * (_SECOND_NS // 10 // count)


def series(values: Any, estimates: bool = True) -> dict[str, Any]:
    """Return a series of the summary."""
    ordered = np.sort(np.asarray(values))
    lower = {str(p): int(np.percentile(ordered, p, method="lower")) for p in _PERCENTILES}
    found: dict[str, Any] = {
        "total": int(ordered.sum()),
        "min": int(ordered[0]),
        "max": int(ordered[-1]),
        "median": lower["50.0"],
        "avg": float(ordered.mean()),
        "std_dev": float(ordered.std(ddof=1)),
        "percentiles": lower,
        "histogram": {"buckets": [], "counts": []},
    }
    if estimates:
        beyond = {p: discarded(len(ordered), p / 100) for p in _PERCENTILES if p >= 50}
        found["early_stopping_percentiles"] = {
            str(p): None if cut is None else int(ordered[len(ordered) - 1 - cut]) for p, cut in beyond.items()
        }
    return found


def write_client_report(folder: Path, round_: Round, scenario: ScenarioRules) -> None:
    """Write the report of a valid run of both phases, as the client leaves it.

    Args:
        folder: The report's folder.
        round_: The round as it holds for the scenario.
        scenario: The scenario.
    """
    for name in CLIENT_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    config = config_values(round_, scenario)
    (folder / WRITTEN_CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    begin, issued = 10 * _SECOND_NS, issued_ns(round_, scenario)
    latency = latencies_ns(scenario, len(issued))
    order = sample_order(round_.samples, len(issued), round_.endpoints_rules.seeds.dataloader)
    ends = issued + latency
    stop = int(ends.max()) + 1
    after = begin + stop + _SECOND_NS
    again = after + issued[: round_.samples]
    answered = again + latencies_ns(scenario, round_.samples)
    phases = {
        PERFORMANCE_PHASE: (order, begin + issued, begin + ends),
        str(config["datasets"][1]["name"]): (np.arange(round_.samples), again, answered),
    }
    last = int(answered.max()) + 1
    _write_events(folder, phases, (begin, begin + stop, last), round_)
    _write_summary(folder, round_, scenario, int(ends.max()), (issued, latency, order))
    score = {
        "dataset_name": config["datasets"][1]["name"],
        "extractor": "identity_extractor",
        "ground_truth_column": "ground_truth_category",
        "score": f1_of(round_.samples),
        "unit_samples": round_.samples,
        "num_repeats": 1,
        "total_samples": round_.samples,
        "duration_s": 7.0,
        "complete": True,
        "dataset_type": "accuracy",
        "response_counts": {
            "issued": round_.samples,
            "scored": round_.samples,
            "empty": 0,
            "missing": 0,
        },
    }
    _write_json(
        folder / ACCURACY_RESULTS, {"average_accuracy": f1_of(round_.samples), "accuracy_scores": [score]}
    )


def _write_summary(
    folder: Path, round_: Round, scenario: ScenarioRules, duration_ns: int, queries: tuple[Any, Any, Any]
) -> None:
    issued, latency, order = queries
    count, drive = len(issued), scenario.endpoints
    assert drive is not None
    tokens = np.array([tokens_of(int(sample)) for sample in order])
    window = int(issued[-1] + latency[-1] - issued[0]) if scenario.has_schedule else None
    streamed = {"ttft": series(latency // 10), "tpot": series(latency // 30)} if drive.streaming else {}
    rate = (count - 1) / window * 1e9 if window else count / duration_ns * 1e9
    _write_json(
        folder / RESULT_SUMMARY,
        {
            "version": "0.1.0",
            "git_sha": round_.endpoints_rules.commits[0][:7],
            "test_started_at": 0,
            "n_samples_issued": count,
            "n_samples_completed": count,
            "n_samples_failed": 0,
            "duration_ns": duration_ns,
            "state": "complete",
            "complete": True,
            "ttft": {},
            "tpot": {},
            **streamed,
            "latency": series(latency),
            "output_sequence_lengths": series(tokens, estimates=False),
            "input_sequence_lengths": {},
            "legacy_loadgen_window_duration_ns": window,
            "qps": rate,
            "tps": int(tokens.sum()) / (window or duration_ns) * 1e9,
            "finish_reason_counts": {"stop": count},
        },
    )
    counters = {"total_samples_issued": count + round_.endpoints_rules.warmup_requests}
    counters |= dict.fromkeys(("tracked_samples_issued", "tracked_samples_completed"), count)
    counters |= {"tracked_samples_failed": 0, "tracked_duration_ns": duration_ns}
    metrics = [{"type": "counter", "name": name, "value": value} for name, value in counters.items()]
    _write_json(folder / SNAPSHOT, {"state": "complete", "n_pending_tasks": 0, "metrics": metrics})


def _write_events(
    folder: Path, phases: dict[str, tuple[Any, Any, Any]], marks: tuple[int, int, int], round_: Round
) -> None:
    begin, stop, last = marks
    lines = [
        ("session.started", 1, "", None),
        ("session.start_performance_tracking", begin, "", None),
        ("session.stop_performance_tracking", stop, "", None),
        ("session.ended", last, "", None),
    ]
    lines += [
        ("sample.issued", 1000 + place, f"warm-{place}", None)
        for place in range(round_.endpoints_rules.warmup_requests)
    ]
    answers, places = client_answers(round_.samples), {}
    for name, (samples, issued, ends) in phases.items():
        ids = [f"{name}-{place}" for place in range(len(samples))]
        places[name] = {uuid: int(sample) for uuid, sample in zip(ids, samples, strict=True)}
        for uuid, sample, start, end in zip(ids, samples, issued, ends, strict=True):
            lines.append(("sample.issued", int(start), uuid, None))
            lines.append(("sample.recv_first", int(start + (end - start) // 10), uuid, None))
            answer = ["TextModelOutput", answers[int(sample)], None]
            lines.append(("sample.complete", int(end), uuid, answer))
    text = "".join(
        json.dumps(
            {
                "event_type": kind,
                "timestamp_ns": when,
                "sample_uuid": uuid,
                "data": data,
                "finish_reason": "stop" if kind == "sample.complete" else "",
                "worker_id": 0 if kind == "sample.complete" else -1,
            }
        )
        + "\n"
        for kind, when, uuid, data in sorted(lines, key=lambda line: line[1])
    )
    (folder / EVENTS).write_text(text)
    _write_json(folder / SAMPLE_MAP, places)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2))


def change_file(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON or YAML file in place."""
    text, is_json = path.read_text(), path.suffix == ".json"
    values = json.loads(text) if is_json else yaml.safe_load(text)
    change(values)
    path.write_text(json.dumps(values) if is_json else yaml.safe_dump(values, sort_keys=False))


def official_client(round_: Round, scenario: ScenarioRules) -> dict[str, Any]:
    """Return what run.json records of the client."""
    assert scenario.endpoints is not None
    return {
        "repo": "mlcommons/endpoints",
        "commit": round_.endpoints_rules.commits[0],
        "tree": "c" * 40,
        "modified": False,
        "packages_sha256": "e" * 64,
        "python": "3.12.1",
        "dataset_name": scenario.endpoints.dataset,
        "dataset_sha256": "f" * 64,
        "dataset_rows": round_.samples,
        "exit_code": 0,
    }


def client_record(round_: Round, scenario: ScenarioRules, mode: Mode) -> dict[str, Any]:
    """Return the contents of a valid run.json of a phase."""
    with_loadgen = load_round("v6.0").model_copy(
        update={"name": round_.name, "submittable": round_.submittable, "samples": round_.samples}
    )
    record = record_values(with_loadgen, scenario.name, mode)
    record["load"] |= {"loadgen_version": "", "settings": {}}
    record["server"] |= {
        "command": ["vllm", "serve", "model", "--port", "8000", "--no-enable-prefix-caching"],
        "endpoints": ["http://127.0.0.1:8000"],
    }
    return record | {"client": official_client(round_, scenario)}


def write_client_run(results: Path, round_: Round, name: str) -> Path:
    """Write both run folders of a scenario, valid, and return that of the performance phase."""
    scenario, of_scenario = round_.scenario(name), round_of_scenario(round_, name)
    performance, accuracy = (results / name / mode for mode in Mode)
    write_client_report(performance / CLIENT_FOLDER, of_scenario, scenario)
    (performance / "client.yaml").write_text("name: as asked\n")
    (performance / "client.log").write_text("Benchmark completed\n")
    derive_from_events(performance, accuracy)
    for mode in Mode:
        seal_client_run(results / name / mode, client_record(of_scenario, scenario, mode))
    return performance


def derive_from_events(performance: Path, accuracy: Path) -> None:
    """Write what is made from the client's log of events: requests, failures and answers of both phases."""
    events = Events.read(performance)
    assert events is not None
    assert events.performance is not None
    assert events.accuracy is not None
    accuracy.mkdir(parents=True, exist_ok=True)
    for folder, phase in ((performance, events.performance), (accuracy, events.accuracy)):
        tokens = [tokens_of(int(sample)) for sample in phase.sample]
        write_phase(phase, folder, records_of(phase, tokens), None)
    write_sampled_answers(events.performance, performance)
    write_answers(events.accuracy, accuracy)


def seal_client_run(folder: Path, record: dict[str, Any]) -> None:
    """Write run.json with the hashes of the current files, as a run does at its end."""
    names = [REQUESTS_TABLE, ERRORS_FILE, SAMPLED_ANSWERS, PHASE_ANSWERS, CLIENT_REQUEST, CLIENT_LOG]
    names += [(CLIENT_FOLDER / name).as_posix() for name in CLIENT_FILES]
    record["logs"] = {name: sha256_of(folder / name) for name in names if (folder / name).is_file()}
    (folder / "run.json").write_text(json.dumps(record))
    RunRecord.read(folder / "run.json")


def client_evaluation(round_: Round, answers: Path) -> Evaluation:
    """Return a score as `evaluate` writes it of `client_answers`, of which none is empty."""
    return evaluation_of(round_, answers).model_copy(update={"empty": 0})


def write_client_results(results: Path, round_: Round) -> None:
    """Write all that `assemble` reads of Offline and Interactive."""
    for name in ("offline", "interactive"):
        write_client_run(results, round_, name)
        write_client_judged(results, round_, name)


def write_client_judged(results: Path, round_: Round, name: str) -> None:
    """Write score and verdict of a scenario whose runs are there."""
    log = results / name / Mode.ACCURACY / PHASE_ANSWERS
    evaluation = client_evaluation(round_of_scenario(round_, name), log)
    write_judged(results, round_, name, evaluation=evaluation)
