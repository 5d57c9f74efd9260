"""Rounds of the official endpoints client, with its stand-in: from settings to a tree."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from driver import Workflow
from small_run import DONE, planned
from stand_in import make_client, write_round

from weighbridge.benchmarks.rounds import load_round
from weighbridge.records.verdict import Verdict

ROOT = Path(__file__).parents[2]
SAMPLES = 112
# Seven passes: below 662 queries there is no estimate of the 99th percentile.
QUERIES = 7 * SAMPLES
TARGETS = ("verdicts", "results/check.txt")


@dataclass(frozen=True)
class Finished:
    """A finished run directory, and the settings that made it."""

    workflow: Workflow
    changes: dict[str, object]
    round_file: Path

    def __call__(self, *arguments: str, **changes: object) -> str:
        answer = self.workflow(*arguments, **(self.changes | changes))
        assert answer.code == 0, answer.text
        return answer.text

    @property
    def results(self) -> Path:
        return self.workflow.directory / "results"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("official")
    commit = make_client(folder / "tree")
    round_file = write_round(folder / "round.yaml", commit, samples=SAMPLES, duration_s=2)
    data = yaml.safe_load(round_file.read_text())
    data |= {"simulated": True, "prompt": dict(load_round("demo").prompt)}
    data["further_datasets"]["8k"]["splits"] = ["train", "test"]
    data["scenarios"]["interactive"]["min_query_count"] = QUERIES
    round_file.write_text(yaml.safe_dump(data))
    behaviour = {"servers": 30, "distribution": "lognormal", "sigma": 0.3, "mean_s": 0.1, "right": 1}
    changes: dict[str, object] = {
        "round": str(round_file),
        "artifacts": {
            "client": {"path": str(folder / "tree"), "repo": "stand-in/client", "revision": commit},
            "dataset": {"synthetic": SAMPLES},
            "further_datasets": {"8k": {"synthetic": SAMPLES}},
            "prompt": "demo/prompt.json",
        },
        "server": {"args": [f"--round={round_file}", f"--behaviour={json.dumps(behaviour)}"]},
        "scenarios": {"offline": {"target_qps": 260}, "interactive": {"target_qps": 200}},
    }
    run = Finished(Workflow(ROOT, folder / "run", base="rehearsal/endpoints.yaml"), changes, round_file)
    run(*TARGETS)
    return run


def test_both_scenarios_are_valid_and_in_the_tree(finished: Finished) -> None:
    for scenario in ("offline", "interactive"):
        verdict = Verdict.read(finished.results / scenario / "verdict.json")
        assert verdict.outcome == "VALID", [check for check in verdict.checks if check.passed is not True]
    [tree] = finished.results.glob("submission/closed/*/results/*/*")
    assert {path.name for path in tree.iterdir()} == {"Interactive", "Offline"}
    summary = json.loads((tree / "Interactive" / "performance" / "result_summary.json").read_text())
    assert summary["n_samples_issued"] == QUERIES


def test_what_was_made_is_kept_and_a_stricter_limit_judges_again_without_a_run(finished: Finished) -> None:
    assert DONE in finished(*TARGETS, "-n")
    text = finished.round_file.read_text()
    data = yaml.safe_load(text)
    data["scenarios"]["interactive"]["limits"]["latency"]["limit_s"] = 1.2
    data["endpoints"]["commits_note"] = "A text of the rules, which measures nothing."
    finished.round_file.write_text(yaml.safe_dump(data))
    try:
        again = planned(finished("verdicts", "-n"))
        assert again.keys() - {"jobid:"} == {"gate", "verdicts", "total"}
    finally:
        finished.round_file.write_text(text)
    faster = {"scenarios": {"offline": {"target_qps": 260}, "interactive": {"target_qps": 201}}}
    again = planned(finished("verdicts", "-n", **faster))
    assert (again["official_client"], again["official_accuracy"], again["gate"]) == (1, 1, 1)
    assert "client_data" not in again


def test_a_rate_to_search_for_is_refused_before_anything(finished: Finished) -> None:
    asked = {"offline": {"target_qps": 260}, "interactive": {"target_qps": "auto"}}
    answer = finished.workflow("submission", "-n", **(finished.changes | {"scenarios": asked}))
    assert answer.code == 2
    assert "is measured by the official endpoints client; set a number" in answer.text
