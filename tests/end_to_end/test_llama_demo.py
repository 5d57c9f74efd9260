"""What `make llama-demo` promises, in a short form: all scenarios with TEST06 on the real vLLM (minutes)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo_run import BIN, ROOT, left_running, need_vllm, snakemake

from weighbridge.benchmarks.rounds import load_round

DEMO = ROOT / "src" / "weighbridge" / "benchmarks" / "llama3_1_8b" / "demo"
SAMPLES = 104  # TEST06 takes 100
SCENARIOS = ("offline", "server", "interactive", "singlestream")

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]


def short_form(directory: Path) -> tuple[Path, Path]:
    """Write a round with all scenarios and few samples, and its dataset; return the configuration files.

    Limits hold at the 90th percentile, so that early stopping needs fewer queries.
    """
    samples = json.loads((DEMO / "dataset" / "cnn_eval.json").read_text())[:SAMPLES]
    (directory / "dataset").mkdir()
    (directory / "dataset" / "cnn_eval.json").write_text(json.dumps(samples))
    lock = [BIN / "weighbridge", "lock", directory / "dataset", "--out", directory / "lock.json"]
    subprocess.run(lock, check=True)
    full = load_round("llama-demo", "datacenter")
    short = full.model_dump(
        mode="json", include={"splits", "system_types", "one_of", "compliance_tests"}, exclude_defaults=True
    )
    scenarios: dict[str, Any] = {"offline": {}, "server": {}, "interactive": {}}
    for name, rules in scenarios.items():
        rules |= full.scenario(name).model_dump(
            mode="json", include={"runs", "limits"}, exclude_defaults=True
        )
        rules["min_query_count"] = SAMPLES
        for limit in rules.get("limits", {}).values():
            limit["percentile"] = 0.9
    metrics = {name: rules.model_dump(exclude_defaults=True) for name, rules in full.metrics.items()}
    for values in metrics.values():
        values["floor"] *= 0.97  # a part of the samples varies about the mean of all
    for bound in ("floor", "ceiling"):
        metrics["gen_len"][bound] *= SAMPLES / full.samples
    short |= {"samples": SAMPLES, "metrics": metrics, "scenarios": scenarios | {"singlestream": {}}}
    round_ = {"extends": "llama3.1-8b/llama-demo", "name": "short", "categories": {"short": short}}
    (directory / "round.yaml").write_text(yaml.safe_dump(round_))
    dataset = {"path": str(directory / "dataset"), "manifest": str(directory / "lock.json")}
    overlay = {
        "round": str(directory / "round.yaml"),
        "category": "short",
        "artifacts": {"dataset": dataset},
    }
    (directory / "short.yaml").write_text(yaml.safe_dump(overlay))
    return DEMO / "config.yaml", directory / "short.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_vllm()
    directory = tmp_path_factory.mktemp("llama-demo")
    snakemake("llama-demo", directory, "submission", overlays=short_form(directory))
    yield directory
    assert left_running(directory) == []


def test_all_scenarios_are_valid(finished: Path) -> None:
    summary = json.loads((finished / "results" / "summary.json").read_text())
    assert sorted(line["scenario"] for line in summary["scenarios"]) == sorted(SCENARIOS)
    for line in summary["scenarios"]:
        assert line["outcome"] == "VALID", line
        assert line["accuracy"] > 80
