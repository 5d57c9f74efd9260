"""`target_qps: auto`: the search takes the Server performance run's place, on a simulated server."""

import json
from pathlib import Path

import pytest
import yaml
from small_rehearsal import rehearse, small_rehearsal

from weighbridge.loadgen.logs import read_detail
from weighbridge.records.search_record import Peak


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    changes = small_rehearsal(folder, samples=600) | {
        "scenarios": {"offline": {"target_qps": 150}, "server": {"target_qps": "auto"}},
        "search": {"probe_s": 1.5, "tolerance": 0.2, "max_probes": 3},
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(folder: Path, *arguments: str):
    files = ("--configfile", "rehearsal/config.yaml", folder / "changes.yaml")
    return rehearse(folder / "run", *arguments, *files, target="verdicts")


def test_the_confirming_run_is_the_performance_run_and_passes(directory: Path) -> None:
    results = directory / "run" / "results"
    peak = Peak.read(results / "server" / "peak.json")
    confirmed = json.loads((directory / "run" / peak.confirmed_by / "run.json").read_text())
    assert confirmed == json.loads((results / "server" / "performance" / "run.json").read_text())
    accuracy = json.loads((results / "server" / "accuracy" / "run.json").read_text())
    assert accuracy["load"]["requested_qps"] == confirmed["load"]["requested_qps"] == peak.peak_qps
    verdict = json.loads((results / "server" / "verdict.json").read_text())
    assert verdict["outcome"] == "VALID"
    assert verdict["target_qps"] == pytest.approx(peak.peak_qps)
    assert (results / "server" / "performance" / "server.log").read_bytes()
    offline = json.loads((results / "offline" / "performance" / "run.json").read_text())["load"]
    started = f"{offline['achieved_qps']:.4g} samples/s of results/offline/performance"
    assert peak.started_from == f"0.8 x {started}"
    assert peak.limits_s == {"latency": peak.target_latency_s}
    assert (
        f"the search starts at {peak.started_from}"
        in (directory / "run" / "logs" / "search-peak-server.log").read_text()
    )


def test_a_second_call_has_nothing_to_do_and_a_lost_run_is_adopted_again(directory: Path) -> None:
    assert "Nothing to be done" in run(directory).stderr
    record = directory / "run" / "results" / "server" / "performance" / "run.json"
    before = record.read_bytes()
    record.unlink()
    done = run(directory)
    assert done.returncode == 0, done.stderr
    assert "rule search_peak" not in done.stderr
    assert record.read_bytes() == before


def test_a_share_of_the_offline_rate_is_issued_and_the_offline_run_is_kept(directory: Path) -> None:
    results = directory / "run" / "results"
    offline = results / "offline" / "performance"
    before = (offline / "run.json").read_bytes()
    share = {"offline": {"target_qps": 150}, "server": {"target_qps": "offline*0.5"}}
    changed = directory / "share.yaml"
    changed.write_text(yaml.safe_dump({"scenarios": share}))
    files = ("--configfile", "rehearsal/config.yaml", directory / "changes.yaml", changed)
    done = rehearse(directory / "run", *files, target="results/server/performance/run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (offline / "run.json").read_bytes() == before
    proven = read_detail(offline / "mlperf_log_detail.txt").number("result_samples_per_second")
    record = json.loads((results / "server" / "performance" / "run.json").read_text())
    assert record["load"]["requested_qps"] == pytest.approx(0.5 * proven, rel=1e-3)
    assert record["target_from"] == f"0.5 x {proven:.4g} samples/s of results/offline/performance"
    assert record["target_from"] in (directory / "run/logs/benchmark-server-performance.log").read_text()


def test_only_the_server_rate_can_be_searched_for(tmp_path: Path) -> None:
    done = rehearse(
        tmp_path, "-n", "--config", 'scenarios={"offline":{"target_qps":"auto"},"server":{"target_qps":5}}'
    )
    assert done.returncode == 2
    assert "'scenarios.offline.target_qps' is 'auto'" in done.stderr
