"""The recorded runs of LoadGen with token latencies, written as a run's folder, for tests that judge them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from loadgen_files import record_values, seal, small_round, write_detail

from weighbridge.client.frames import FinishReason
from weighbridge.client.request_log import RECORD_TYPE, write_parquet
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import (
    LatencyLimit,
    LatencyMetric,
    Limits,
    LoadGenScenario,
    Mode,
    ScenarioRules,
)

FOLDER = Path(__file__).parent
MODEL, SAMPLES = "toy-tokens", 600


def _rules(name: str, folder: str, scenario: LoadGenScenario, **further: Any) -> ScenarioRules:
    least = 64 if scenario is LoadGenScenario.SINGLE_STREAM else SAMPLES
    return ScenarioRules(
        name=name,
        folder=folder,
        loadgen_scenario=scenario,
        loadgen_model=MODEL,
        min_duration_s=1,
        min_query_count=least,
        **({"metric": "tokens/s"} | further),
    )


def _limits(ttft_s: float, tpot_s: float) -> Limits:
    return Limits(ttft=LatencyLimit(limit_s=ttft_s), tpot=LatencyLimit(limit_s=tpot_s))


SCENARIOS = {
    rules.name: rules
    for rules in (
        _rules("offline", "Offline", LoadGenScenario.OFFLINE),
        _rules("server", "Server", LoadGenScenario.SERVER, limits=_limits(2, 0.1)),
        _rules("interactive", "Interactive", LoadGenScenario.SERVER, limits=_limits(0.5, 0.03)),
        _rules(
            "single-stream",
            "SingleStream",
            LoadGenScenario.SINGLE_STREAM,
            metric=LatencyMetric(latency_percentile=0.9),
        ),
    )
}


def token_round(**changes: Any) -> Round:
    """Return the rules of the recorded runs: a round with the limits of tokens in place of latencies."""
    real = small_round().loadgen_rules
    seeds = {"qsl": 1, "sample_index": 2, "schedule": 3}
    values = recorded("server")["values"]
    seeds = {name: values[f"effective_{name}_rng_seed"] for name in seeds}
    loadgen = real.model_copy(
        update={"model": MODEL, "token_latencies": True, "seeds": type(real.seeds)(**seeds)}
    )
    return small_round(loadgen=loadgen, scenarios=SCENARIOS, **changes)


def recorded(scenario: str) -> dict[str, Any]:
    """Return the values of a recorded detail log, and its requests."""
    data: dict[str, Any] = json.loads((FOLDER / f"{scenario}.json").read_text())
    return data


def recorded_log(scenario: str) -> Any:
    """Return the records of a recorded run's requests, which a test may change."""
    rows = np.array(recorded(scenario)["requests"], dtype=np.int64)
    log = np.zeros(len(rows), dtype=RECORD_TYPE)
    log["id"], log["sample"], log["tokens"] = np.arange(len(rows)), rows[:, 0], rows[:, 1]
    log["payload_bytes"] = 4 * rows[:, 1]
    log["finish"], log["id_echoed"], log["status"] = FinishReason.STOP, 1, 200
    for column, name in ((2, "planned_ns"), (3, "first_ns"), (4, "end_ns")):
        log[name] = 10**9 + 1000 * rows[:, column]
    log["last_ns"] = log["end_ns"]
    log["sent_ns"] = log["planned_ns"] + 1
    return log


def write_recorded(
    folder: Path, round_: Round, scenario: str, values: dict[str, Any], log: Any, errors: tuple[str, ...] = ()
) -> Path:
    """Write a performance run with these values in its detail log and these records of requests."""
    folder.mkdir(parents=True)
    write_detail(folder / "mlperf_log_detail.txt", values, errors)
    (folder / "mlperf_log_summary.txt").write_text(f"Result is : {values.get('result_validity')}\n")
    (folder / "mlperf_log_accuracy.json").write_text("[\n\n]\n")
    write_parquet(log, folder / "requests.parquet")
    (folder / "errors.jsonl").write_text("")
    record = record_values(round_, scenario, Mode.PERFORMANCE)
    record["load"] |= {"issued": len(log), "completed": len(log)}
    seal(folder, record)
    return folder
