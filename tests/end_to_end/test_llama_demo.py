"""What `make llama-demo` promises, in a short form: all scenarios with TEST06 on the real vLLM (minutes).

After the runs the same server is asked the questions of `make mmlu-demo`.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo_run import BIN, ROOT, left_running, need_vllm, snakemake

from weighbridge.benchmarks.rounds import load_round
from weighbridge.records.quality_answers import MeasuredQuality
from weighbridge.records.quality_scores import OverallQuality

DEMO = ROOT / "src" / "weighbridge" / "benchmarks" / "llama3_1_8b" / "demo"
SAMPLES = 104  # TEST06 takes 100
SCENARIOS = ("offline", "server", "interactive", "singlestream")
RATE_QPS = 20
QUESTIONS = 5  # of each of four subjects
HARNESS = ROOT / ".venv-quality" / "bin" / "weighbridge"
TARGETS = ("submission", "quality") if HARNESS.is_file() else ("submission",)
# Checks of the client's own waits, which a busy machine lengthens.
WAITS = (
    "schedule delay",
    "receive backlog",
    "workers' delay at a timer",
    "busiest client process",
    "latency added by LoadGen",
)

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]


def short_form(directory: Path) -> tuple[Path, Path]:
    """Write a round with all scenarios and few samples, and its dataset; return the configuration files.

    Limits hold at the 90th percentile, so that early stopping needs fewer queries, and are far off: speed is
    measured elsewhere.
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
            limit |= {"percentile": 0.9, "limit_s": 10 * limit["limit_s"]}
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
        "scenarios": {name: {"target_qps": RATE_QPS} for name in ("server", "interactive")},
        # A failed check does not stop the tree of this division; the tests look at each.
        "submission": {"division": "open"},
        "quality": {"mmlu": {"dataset": {"synthetic": QUESTIONS}}},
    }
    (directory / "short.yaml").write_text(yaml.safe_dump(overlay))
    return DEMO / "config.yaml", directory / "short.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_vllm()
    directory = tmp_path_factory.mktemp("llama-demo")
    snakemake("llama-demo", directory, *TARGETS, overlays=short_form(directory))
    yield directory
    assert left_running(directory) == []


def records(finished: Path) -> dict[str, Any]:
    found = sorted(finished.glob("results/*/*/run.json"))
    return {f"{path.parts[-3]} {path.parts[-2]}": json.loads(path.read_text()) for path in found}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_passes_all_checks_but_perhaps_those_of_a_busy_machine(
    finished: Path, scenario: str
) -> None:
    verdict = json.loads((finished / "results" / scenario / "verdict.json").read_text())
    checks = {check["name"] for check in verdict["checks"]}
    assert {"rouge1", "rouge2", "rougeL", "rougeLsum", "gen_len", "gen_len ceiling"} <= checks
    failed = [check for check in verdict["checks"] if check["passed"] is False]
    assert [check for check in failed if not check["name"].startswith(WAITS)] == []
    assert 85 < verdict["accuracy"] < 95


def test_every_run_was_answered_whole_by_one_start_of_the_server(finished: Path) -> None:
    found = records(finished)
    assert len(found) == 2 * len(SCENARIOS) + 3
    for record in found.values():
        assert record["server"]["golden"] == "as recorded"
        assert not any(record["load"]["failed"].values())
        assert record["load"]["completed"] == record["load"]["issued"] >= 100
    assert len({record["server"]["life"]["id"] for record in found.values()}) == 1


@pytest.mark.parametrize("scenario", ["offline", "server", "interactive"])
def test_the_official_script_s_four_lines_are_in_the_tree(finished: Path, scenario: str) -> None:
    folder = load_round("llama-demo", "datacenter").scenario(scenario).folder
    [path] = (finished / "results" / "submission").rglob(f"{folder}/TEST06/verify_accuracy.txt")
    told = path.read_text()
    first = "Skipped" if scenario == "offline" else "True"
    assert f"First token check pass: {first}" in told
    assert "EOS check pass: True" in told
    assert "Sample length check pass: True" in told


def test_both_ends_of_an_answer_are_known_and_one_is_seen(finished: Path) -> None:
    """An end is part of an answer's ids, and is no text."""
    ends = json.loads((DEMO / "model" / "generation_config.json").read_text())["eos_token_id"]
    lines = (
        (finished / "results" / "server" / "performance" / "sampled_answers.jsonl").read_text().splitlines()
    )
    last = {json.loads(line)["tokens"][-1] for line in lines}
    assert len(ends) == 2
    assert last == {ends[0]}


def test_the_questions_of_mmlu_were_asked_after_the_runs_and_of_the_same_server(finished: Path) -> None:
    if not HARNESS.is_file():
        pytest.skip("lm-evaluation-harness is not installed; make setup-quality does it")
    quality = finished / "results" / "quality" / "mmlu"
    measured = MeasuredQuality.read(quality / "measured.json")
    life, runs = measured.server.life, records(finished)
    assert life is not None
    assert {life.id} == {record["server"]["life"]["id"] for record in runs.values()}
    assert life.number == len(runs) + 1
    whole = json.loads((finished / "results" / "lives" / life.id / "life.json").read_text())
    # It ended with the last question.
    assert [use["ended"] is None for use in whole["uses"]] == [False] * len(runs) + [True]
    assert (measured.counts.requests, measured.counts.retries) == (4 * 4 * QUESTIONS, 0)
    overall = OverallQuality.read(quality / "overall.json")
    assert (overall.n, overall.subjects, overall.source.name) == (4 * QUESTIONS, 4, "synthetic")
    assert overall.note is not None
    # A tiny model guesses.
    assert overall.low < overall.chance < overall.high
    assert (quality / "passed.txt").is_file()
    # The report and the summary came after it.
    assert "MMLU" in (finished / "results" / "report.html").read_text()
    summary = (finished / "results" / "summary.json").read_text()
    assert str(overall.n) in summary
    assert "mmlu" in summary


def test_a_second_run_does_nothing(finished: Path) -> None:
    overlays = (DEMO / "config.yaml", finished / "short.yaml")
    for targets in (TARGETS, ("submission",)):
        assert "Nothing to be done" in snakemake("llama-demo", finished, *targets, overlays=overlays)
