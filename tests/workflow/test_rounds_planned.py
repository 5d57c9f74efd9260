"""What a round says of itself is in the plan: why it was withdrawn, and which scenarios it needs."""

from pathlib import Path

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


def _round(folder: Path, one_of: list[str], **scenarios: object) -> str:
    path = folder / "mine.yaml"
    changes = {"extends": "demo", "name": "mine", "one_of": one_of, "scenarios": scenarios}
    path.write_text(yaml.safe_dump(changes))
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
