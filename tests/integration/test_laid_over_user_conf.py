"""A user.conf of one's own, laid over the round's: LoadGen runs with it, and its log shows the values."""

import json
import subprocess
import sys
from pathlib import Path

from measuring import run_command
from simulating import simulated

from weighbridge.benchmarks.rounds import load_round
from weighbridge.loadgen.logs import read_detail
from weighbridge.loadgen.own_user_conf import read_own_user_conf
from weighbridge.simulate.behaviour import Behaviour

SAMPLES = 64


def test_loadgen_runs_with_it_and_the_run_carries_it(tmp_path: Path) -> None:
    out = tmp_path / "run"
    conf = tmp_path / "my.conf"
    conf.write_text(
        "*.*.min_duration = 1500\nqwen3-vl-235b-a22b.Server.min_duration = 2000\n"
        f"*.Server.min_query_count = {SAMPLES + 1}\n*.Server.coalesce_queries = 1\n*.*.print_timestamps = 1\n"
    )
    with simulated(Behaviour(servers=200, mean_s=0.01)) as url:
        words = run_command(tmp_path, url, samples=SAMPLES, target_qps=100, duration_s=1, out=out)
        round_ = load_round(str(tmp_path / "round.yaml"))
        rate, overlay = read_own_user_conf(conf, round_, round_.scenarios["server"])
        assert rate is None
        words += ["--settings", json.dumps({"user_conf": overlay.model_dump(exclude_defaults=True)})]
        done = subprocess.run(
            [sys.executable, "-m", "weighbridge", *words], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    log = read_detail(out / "mlperf_log_detail.txt")
    assert log.integer("effective_min_duration_ms") == 2000
    assert log.integer("requested_min_query_count") == SAMPLES + 1
    assert log.flag("requested_server_coalesce_queries") is True
    assert log.flag("effective_print_timestamps") is True
    # What the round fixes is as the round says.
    assert log.integer("effective_performance_sample_count") == SAMPLES
    assert log.integer("effective_target_latency_ns") == 12_000_000_000
    assert log.flag("effective_sample_concatenate_permutation") is True
    # 64 samples at 100/s last 0.6 s: the longer duration is what made whole passes of them.
    record = json.loads((out / "run.json").read_text())
    assert record["load"]["issued"] == log.integer("result_query_count")
    assert record["load"]["issued"] >= 3 * SAMPLES
    assert record["load"]["issued"] % SAMPLES == 0
    assert record["load"]["settings"]["server_coalesce_queries"] is True
    lines = (out / "user.conf").read_text().splitlines()
    assert "qwen3-vl-235b-a22b.Server.min_duration = 2000" in lines
    assert "qwen3-vl-235b-a22b.Server.coalesce_queries = 1" in lines


def test_late_queries_that_are_handed_over_together_are_all_answered(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with simulated(Behaviour(servers=2000, mean_s=0.001)) as url:
        # So fast that some are always late.
        words = run_command(tmp_path, url, samples=SAMPLES, target_qps=20000, duration_s=0.2, out=out)
        words += ["--settings", json.dumps({"user_conf": {"coalesce_queries": True}})]
        done = subprocess.run(
            [sys.executable, "-m", "weighbridge", *words], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    load = json.loads((out / "run.json").read_text())["load"]
    assert load["issued"] == load["completed"] > SAMPLES
    assert read_detail(out / "mlperf_log_detail.txt").integer("result_query_count") == load["issued"]


def test_a_value_below_the_round_s_is_refused_before_a_server_is_asked(tmp_path: Path) -> None:
    words = run_command(
        tmp_path, "http://127.0.0.1:9", samples=SAMPLES, target_qps=100, duration_s=1, out=tmp_path / "run"
    )
    words += ["--settings", json.dumps({"user_conf": {"min_duration": 999}})]
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "min_duration is 999" in done.stderr
    assert "requires at least 1000 in Server" in done.stderr
    assert not (tmp_path / "run").exists()
