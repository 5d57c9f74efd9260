"""What a round says of itself is in the plan: why it was withdrawn, which scenarios and datasets it needs."""

import re
from pathlib import Path

import pytest
import yaml
from driver import Workflow
from small_run import planned_runs

SERVER = {"required": False}
INTERACTIVE = {
    "folder": "Interactive",
    "loadgen_scenario": "Server",
    "metric": "queries/s",
    "min_duration_s": 3,
    "min_query_count": 512,
    "required": False,
}


def test_the_plan_of_a_withdrawn_round_says_why(root: Path, tmp_path: Path) -> None:
    real = Workflow(root, tmp_path / "run", base=".")
    answer = real("-n", "submission", round="v6.1")
    assert answer.code == 0, answer.text
    assert "round v6.1: Not submittable: round v6.1 has another prompt in its official" in answer.text


def test_the_official_client_is_fetched_and_run_in_its_own_environment(root: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load((root / "config" / "qwen3-vl-v6.1.yaml").read_text())
    answer = Workflow(root, tmp_path / "run", base=".")("-n", "-p", "submission", **settings)
    assert answer.code == 0, answer.text
    assert "resources/client.json" in answer.text
    own = root / ".venv-endpoints-ea332753" / "bin" / "weighbridge"
    program = str(own) if own.is_file() else "weighbridge"
    for name in ("dataset", "dataset-8k"):
        assert f"{program} --log logs/client-data-{name}.log client-data" in answer.text
    assert f"{program} --log logs/preflight.log preflight" in answer.text


def _round(folder: Path, one_of: list[str], further: object = None, **scenarios: object) -> str:
    path = folder / "mine.yaml"
    changes = {"extends": "demo", "name": "mine", "one_of": one_of, "scenarios": scenarios}
    path.write_text(yaml.safe_dump(changes | ({"further_datasets": further} if further else {})))
    return str(path)


def test_a_scenario_that_is_not_required_and_has_no_settings_is_not_planned(
    workflow: Workflow, tmp_path: Path
) -> None:
    round_ = _round(tmp_path, ["Server", "Interactive"], server=SERVER, interactive=INTERACTIVE)
    answer = workflow("-n", "-p", "submission", round=round_)
    assert answer.code == 0, answer.text
    assert {scenario for scenario, _ in planned_runs(answer.text)} == {"offline", "server"}
    assert "--scenario offline --scenario server" in answer.text


def test_one_of_the_group_must_have_settings(workflow: Workflow, tmp_path: Path) -> None:
    round_ = _round(tmp_path, ["Interactive"], interactive=INTERACTIVE)
    answer = workflow("-n", "submission", round=round_)
    assert answer.code == 2
    assert "'scenarios' has none of interactive, but round mine needs one" in answer.text


def test_a_scenario_with_another_dataset_has_its_own_requests(workflow: Workflow, tmp_path: Path) -> None:
    further = {"few": {"samples": 100, "splits": ["only"]}}
    round_ = _round(tmp_path, [], further, server={"dataset": "few"})
    artifacts = {"further_datasets": {"few": {"synthetic": 100}}}
    answer = workflow("-n", "-p", "submission", round=round_, artifacts=artifacts)
    assert answer.code == 0, answer.text
    made = _inputs(answer.text)
    own, few = ("resources/requests/manifest.json", "resources/requests-few/manifest.json")
    assert "resources/dataset-few.json" in made[few]
    assert few in made["resources/prompt-tokens-few.json"]
    for run in ("performance", "accuracy"):
        server, offline = (made[f"results/{name}/{run}/run.json"] for name in ("server", "offline"))
        assert {few, "resources/prompt-tokens-few.json"} <= server
        assert own in offline
        assert not any("few" in name for name in offline)
        # The golden answer of the demo is that of a request of the round's own dataset.
        assert own in server
    for name, dataset, store in (
        ("server", "resources/dataset-few.json", few),
        ("offline", "resources/dataset.json", own),
    ):
        assert dataset in made[f"results/{name}/accuracy.txt"]
        verdict = made[f"results/{name}/verdict.json"]
        assert {each for each in verdict if "dataset" in each or "requests" in each} == {dataset, store}
    for option in (
        "--kind=dataset --further-dataset=few",
        "--golden-store=resources/requests",
        f"--further-dataset=few=resources/dataset-few.json --further-store=few={few}",
    ):
        assert option in answer.text


@pytest.mark.parametrize("given", [{}, {"few": {"synthetic": 100}, "many": {"synthetic": 9}}])
def test_the_settings_have_exactly_the_datasets_that_are_used(
    given: dict[str, object], workflow: Workflow, tmp_path: Path
) -> None:
    round_ = _round(tmp_path, [], {"few": {"samples": 100, "splits": ["only"]}}, server={"dataset": "few"})
    answer = workflow("-n", "submission", round=round_, artifacts={"further_datasets": given})
    assert answer.code == 2
    assert f"'artifacts.further_datasets.{'many' if given else 'few'}' is" in answer.text


def _inputs(plan: str) -> dict[str, set[str]]:
    """Return the inputs of each planned job by its first output."""
    jobs = re.findall(r"^(?:local)?rule \w+:\n    input: (.+)\n    output: ([^,\n]+)", plan, re.MULTILINE)
    return {output: set(inputs.split(", ")) for inputs, output in jobs}
