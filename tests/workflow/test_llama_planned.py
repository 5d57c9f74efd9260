"""The overlay of llama3.1-8b as a user gives it: each category's plan, and a run directory for each."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from driver import Answer, Workflow
from small_run import planned_runs

WITH_TEST06 = ("performance", "accuracy", "TEST06")


def plan(root: Path, folder: Path, *arguments: str, **changes: Any) -> Answer:
    overlay = yaml.safe_load((root / "config" / "llama3.1-8b.yaml").read_text())
    return Workflow(root, folder / "run", base=".")("submission", "-n", *arguments, **overlay | changes)


@pytest.mark.parametrize("round_", ["llama3.1-8b/v6.0", "llama3.1-8b/v6.1"])
def test_the_overlay_plans_the_datacenter(root: Path, tmp_path: Path, round_: str) -> None:
    answer = plan(root, tmp_path, round=round_)
    assert answer.code == 0, answer.text
    runs = {(scenario, run) for scenario in ("offline", "server") for run in WITH_TEST06}
    assert set(planned_runs(answer.text)) == runs
    assert "rule search_peak" in answer.text
    # Prompts are made by the tokenizer.
    assert "input: resources/dataset.json, resources/prompt.json, resources/model.json\n" in answer.text


def test_the_edge_needs_no_other_setting(root: Path, tmp_path: Path) -> None:
    answer = plan(root, tmp_path, "--config", "category=edge")
    assert answer.code == 0, answer.text
    runs = {(scenario, run) for scenario in ("offline", "singlestream") for run in WITH_TEST06[:2]}
    assert set(planned_runs(answer.text)) == runs


def test_server_and_interactive_are_searched_or_take_a_share_of_offline(root: Path, tmp_path: Path) -> None:
    rates = {"offline": {"target_qps": 800}, "server": {"target_qps": "auto"}}
    answer = plan(root, tmp_path, scenarios=rates | {"interactive": {"target_qps": "auto"}})
    assert answer.code == 0, answer.text
    for scenario in ("server", "interactive"):
        assert f"output: results/{scenario}/peak.json" in answer.text
    answer = plan(root, tmp_path, scenarios=rates | {"interactive": {"target_qps": "offline*0.8"}})
    assert answer.code == 0, answer.text
    assert "output: results/interactive/peak.json" not in answer.text
    [inputs] = re.findall(r"input: (.*)\n    output: results/interactive/performance/run.json", answer.text)
    assert "results/offline/performance/run.json" in inputs


def test_another_category_needs_a_run_directory_of_its_own(root: Path, tmp_path: Path) -> None:
    record = tmp_path / "run" / "results" / "offline" / "performance" / "run.json"
    record.parent.mkdir(parents=True)
    for written, category, code in (
        ({"benchmark": "llama3.1-8b", "category": "edge"}, "edge", 0),
        ({"benchmark": "llama3.1-8b", "category": "edge"}, "datacenter", 2),
        ({"round": "v6.0"}, "datacenter", 2),
    ):
        record.write_text(json.dumps(written))
        answer = plan(root, tmp_path, "--config", f"category={category}")
        assert answer.code == code, answer.text
    assert (
        "run.json: a run of qwen3-vl-235b-a22b, but the settings ask for llama3.1-8b, datacenter, which "
        "needs a run directory of its own" in answer.text
    )


def test_a_round_that_is_over_can_be_measured(root: Path, tmp_path: Path) -> None:
    answer = plan(root, tmp_path, round="v5.1")
    assert answer.code == 0, answer.text
    assert "Not submittable: round v5.1 takes no submissions any more" in answer.text


def test_a_round_that_does_not_exist_names_those_that_do(root: Path, tmp_path: Path) -> None:
    answer = plan(root, tmp_path, round="v5.0")
    assert answer.code == 2
    assert "round 'v5.0' does not exist; the rounds are: llama3.1-8b/" in answer.text
    assert "qwen3-vl-235b-a22b/v6.1" in answer.text
