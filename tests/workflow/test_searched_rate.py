"""`target_qps: auto`: the search takes the Server performance run's place, on a simulated server."""

import json
from pathlib import Path

import pytest
import yaml
from small_rehearsal import small_rehearsal
from test_rehearsal import snakemake

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
    return snakemake(folder / "run", *arguments, *files, target="verdicts")


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


def test_a_second_call_has_nothing_to_do_and_a_lost_run_is_adopted_again(directory: Path) -> None:
    assert "Nothing to be done" in run(directory).stderr
    record = directory / "run" / "results" / "server" / "performance" / "run.json"
    before = record.read_bytes()
    record.unlink()
    done = run(directory)
    assert done.returncode == 0, done.stderr
    assert "rule search_peak" not in done.stderr
    assert record.read_bytes() == before


def test_only_the_server_rate_can_be_searched_for(tmp_path: Path) -> None:
    done = snakemake(
        tmp_path, "-n", "--config", 'scenarios={"offline":{"target_qps":"auto"},"server":{"target_qps":5}}'
    )
    assert done.returncode == 2
    assert "'scenarios.offline.target_qps' is 'auto'" in done.stderr
