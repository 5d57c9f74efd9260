"""What a round becomes in LoadGen's user.conf."""

import subprocess
import sys
from pathlib import Path

import pytest
from loadgen_files import SINGLE_STREAM

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import (
    LatencyLimit,
    Limits,
)
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


@pytest.mark.parametrize(("built_in", "model"), [(False, "unknown-to-loadgen"), (True, "llama3_1-8b")])
def test_loadgen_issues_whole_passes_under_a_name_that_it_knows_and_under_another(
    built_in: bool, model: str, tmp_path: Path
) -> None:
    round_ = load_round("llama3.1-8b/v6.0", "datacenter")
    loadgen = round_.loadgen_rules.model_copy(update={"built_in": built_in})
    server = round_.scenario("server").model_copy(update={"loadgen_model": model})
    path = tmp_path / "user.conf"
    path.write_text(user_conf(round_.model_copy(update={"loadgen": loadgen}), server, 5))
    # LoadGen reads its built-in settings once a process.
    program = (
        "import mlperf_loadgen, sys; settings = mlperf_loadgen.TestSettings(); "
        "code = settings.FromConfig(sys.argv[1], sys.argv[2], 'Server', 1); "
        "print(code, settings.sample_concatenate_permutation, settings.use_token_latencies)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path, model], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-3:] == ["0", "True", "True"]
