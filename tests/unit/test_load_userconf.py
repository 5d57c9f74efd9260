"""What a round becomes in LoadGen's user.conf."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from loadgen_files import SINGLE_STREAM

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import (
    LatencyLimit,
    Limits,
)
from weighbridge.loadgen.loadgen_job import LoadGenJob
from weighbridge.loadgen.loadgen_settings import user_conf


def test_user_conf_names_the_model_in_every_line() -> None:
    v60 = load_round("v6.0")
    lines = user_conf(v60, v60.scenarios["server"], 12.5).splitlines()
    assert all(line.startswith("qwen3-vl-235b-a22b.") for line in lines)
    assert "qwen3-vl-235b-a22b.Server.target_qps = 12.5" in lines
    assert "qwen3-vl-235b-a22b.Server.min_duration = 600000" in lines
    assert "qwen3-vl-235b-a22b.Server.min_query_count = 48289" in lines
    assert "qwen3-vl-235b-a22b.Server.target_latency = 12000" in lines
    assert not any("latency" in line for line in user_conf(v60, v60.scenarios["offline"], 12.5).splitlines())


def test_single_stream_has_an_expected_latency_instead_of_a_rate() -> None:
    v60 = load_round("v6.0")
    assert user_conf(v60, SINGLE_STREAM, 40).splitlines() == [
        "toy.*.performance_sample_count_override = 48289",
        "toy.SingleStream.target_latency = 25.0",
        "toy.SingleStream.target_latency_percentile = 90.0",
        "toy.SingleStream.min_duration = 60000",
        "toy.SingleStream.min_query_count = 100",
    ]


def test_limits_of_tokens_are_written_in_milliseconds() -> None:
    v60 = load_round("v6.0")
    limits = Limits(ttft=LatencyLimit(limit_s=2, percentile=0.95), tpot=LatencyLimit(limit_s=0.1))
    rules = v60.scenarios["server"].model_copy(update={"limits": limits})
    lines = {line.rpartition(".Server.")[2] for line in user_conf(v60, rules, 5).splitlines()}
    assert {"ttft_latency = 2000", "tpot_latency = 100", "target_latency_percentile = 95.0"} <= lines
    assert not any(line.startswith("target_latency =") for line in lines)


_EFFECTIVE = """
import json, sys
from weighbridge.loadgen.loadgen_job import LoadGenJob
from weighbridge.loadgen.loadgen_process import effective, make_settings
import msgspec
job = msgspec.json.decode(sys.argv[1], type=LoadGenJob)
print(json.dumps(effective(make_settings(job))))
"""


@pytest.mark.parametrize(
    ("category", "name", "model", "built_in", "ttft_s", "tpot_s"),
    [
        ("datacenter", "server", "llama3_1-8b", True, 2.0, 0.1),
        ("datacenter", "interactive", "llama3_1-8b-interactive", True, 0.5, 0.03),
        ("edge", "singlestream", "llama3_1-8b-edge", True, None, None),
        ("datacenter", "offline", "llama3_1-8b", True, None, None),
        ("datacenter", "server", "unknown-to-loadgen", False, 2.0, 0.1),
        ("datacenter", "interactive", "unknown-to-loadgen", False, 0.5, 0.03),
        ("edge", "singlestream", "unknown-to-loadgen", False, None, None),
        ("edge", "offline", "unknown-to-loadgen", False, None, None),
    ],
)
def test_loadgen_takes_the_limits_of_tokens_under_a_name_that_it_knows_and_under_another(
    category: str,
    name: str,
    model: str,
    built_in: bool,
    ttft_s: float | None,
    tpot_s: float | None,
    tmp_path: Path,
) -> None:
    found = load_round("llama3.1-8b/v6.0", category)
    assert not built_in or found.scenario(name).loadgen_model == model
    loadgen = found.loadgen_rules.model_copy(update={"built_in": built_in})
    round_ = found.model_copy(update={"loadgen": loadgen})
    rules = round_.scenario(name).model_copy(update={"loadgen_model": model})
    path = tmp_path / "user.conf"
    path.write_text(user_conf(round_, rules, 5))
    job = LoadGenJob(
        model=model,
        scenario=str(rules.loadgen_scenario),
        accuracy=False,
        seeds=loadgen.seeds.model_dump(),
        samples=round_.samples,
        store="",
        user_conf=str(path),
        out="",
        records="",
        errors="",
        endpoints=[],
        first_tokens=round_.streams(rules),
    )
    # LoadGen reads its built-in settings once a process.
    done = subprocess.run(
        [sys.executable, "-c", _EFFECTIVE, msgspec.json.encode(job).decode()],
        capture_output=True,
        text=True,
        check=True,
    )
    settings = json.loads(done.stdout.splitlines()[-1])
    assert settings["use_token_latencies"] is True
    assert settings["sample_concatenate_permutation"] is True
    assert settings["performance_sample_count_override"] == round_.samples
    assert settings["min_query_count"] == rules.min_query_count
    assert settings["min_duration_ms"] == 600_000
    for key, limit_s in (("ttft", ttft_s), ("tpot", tpot_s)):
        expected = None if limit_s is None else round(limit_s * 1e9)
        assert settings.get(f"server_{key}_latency_ns") == expected
    if rules.has_schedule:
        assert settings["server_target_latency_percentile"] == pytest.approx(0.99)
        assert settings["server_target_qps"] == 5
    elif name == "singlestream":
        assert settings["single_stream_target_latency_percentile"] == pytest.approx(0.9)
