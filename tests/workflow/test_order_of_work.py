"""What fails, fails early: performance before accuracy, and no accuracy after performance that misses."""

import json
import re
from pathlib import Path

import pytest
import yaml
from driver import Workflow, run_weighbridge
from small_run import DONE, SmallRun, simulated_server

FIRST = ("performance", "accuracy")


def priorities(text: str) -> dict[tuple[str, str], int]:
    """Read the priority of each run from a plan."""
    line = r"(?: {4}.*\n)*? {4}"
    found = re.findall(
        rf"^rule benchmark:\n{line}output: results/(\w+)/([\w-]+)/run\.json,.*\n{line}priority: (\d+)\n",
        text,
        re.MULTILINE,
    )
    return {(scenario, run): int(priority) for scenario, run, priority in found}


def test_offline_comes_first_and_accuracy_last(workflow: Workflow) -> None:
    answer = workflow("-n", "submission")
    assert answer.code == 0, answer.text
    found = priorities(answer.text)
    assert sorted(found, key=lambda run: -found[run]) == [
        (scenario, run) for run in FIRST for scenario in ("offline", "server")
    ]
    searched = workflow("-n", "submission", scenarios={"server": {"target_qps": "auto"}})
    search = re.search(r"rule search_peak:.*?\n    priority: (\d+)\n", searched.text, re.DOTALL)
    assert search is not None
    found = priorities(searched.text)
    assert found["offline", "performance"] > int(search[1]) > found["offline", "accuracy"]


def test_repeats_follow_their_first_run_and_end_when_the_median_one_is_lost(workflow: Workflow) -> None:
    scenarios = {
        "offline": {"target_qps": 16, "performance_runs": 3},
        "server": {"target_qps": "auto", "performance_runs": 2},
    }
    answer = workflow("-n", "-p", "submission", scenarios=scenarios)
    assert answer.code == 0, answer.text
    found = priorities(answer.text)
    assert sorted(found, key=lambda run: -found[run]) == [
        *(("offline", f"performance{repeat}") for repeat in ("", "-2", "-3")),
        ("server", "performance-2"),  # the search makes the first
        ("offline", "accuracy"),
        ("server", "accuracy"),
    ]
    for options in (
        "--after=results/offline/performance --of-runs 3",
        "--after=results/offline/performance --after=results/offline/performance-2 --of-runs 3",
        "--after=results/server/performance --of-runs 2",
        "--after=results/server/performance --after=results/server/performance-2 --of-runs 2",
    ):
        assert f"{options} " in answer.text


@pytest.mark.parametrize(
    ("targets", "changes", "runs"),
    [
        ([], {}, {"offline", "server"}),
        (["verdicts"], {}, {"offline", "server"}),
        (["results/report.html"], {}, {"offline", "server"}),
        (["verdicts", "results/server/accuracy.txt"], {}, {"offline"}),
        (["results/server/verdict.json"], {}, set()),
        (["results/server/accuracy/run.json", "results/offline/accuracy.json"], {}, set()),
        (["submission"], {"submission": {"division": "open"}}, set()),
    ],
)
def test_accuracy_depends_on_performance_where_it_is_not_asked_for_by_name(
    workflow: Workflow, targets: list[str], changes: dict[str, object], runs: set[str]
) -> None:
    answer = workflow("-n", "-p", *targets, **changes)
    assert answer.code == 0, answer.text
    assert set(re.findall(r"--after=results/(\w+)/performance", answer.text)) == runs


@pytest.mark.parametrize(("setting", "ended"), [({}, True), ({"stop_when_lost": False}, False)])
def test_a_demonstration_ends_its_lost_runs_unless_the_settings_keep_them(
    workflow: Workflow, setting: dict[str, object], ended: bool
) -> None:
    scenarios = {"server": {"target_qps": "auto"}}
    answer = workflow("-n", "-p", "verdicts", scenarios=scenarios, **setting)
    assert answer.code == 0, answer.text
    assert answer.text.count(" --stop-when-lost ") == (3 if ended else 0)
    assert answer.text.count(" --no-stop-when-lost ") == (0 if ended else 1)


def test_a_rate_that_fails_has_a_verdict_and_no_accuracy_run_until_that_is_asked_for(
    finished: SmallRun, tmp_path: Path
) -> None:
    run = finished.copied_to(tmp_path / "run")
    limits = {"latency": {"limit_s": 0.05, "percentile": 0.9}}  # the server takes 0.1 s
    round_file = tmp_path / "strict.yaml"
    round_file.write_text(yaml.safe_dump({"extends": "demo", "scenarios": {"server": {"limits": limits}}}))
    changes = run.changes | {"round": str(round_file)}
    changes["scenarios"] = {"offline": {"target_qps": 40}, "server": {"target_qps": 70}}
    server = run.results / "server"

    def verdict() -> dict[str, object]:
        found: dict[str, object] = json.loads((server / "verdict.json").read_text())
        return found

    with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
        answer = run.workflow("verdicts", **changes)
        assert answer.code == 0, answer.text
        assert "server performance: the run cannot pass any more after " in answer.text
        assert "The accuracy run of server is not made, because its performance run does not" in answer.text
        assert "server: INVALID at target 70: performance: the run cannot pass any more" in answer.text
        assert "Lower scenarios.server.target_qps from 70 (try " in answer.text
        assert verdict()["outcome"] == "INVALID"
        assert list(verdict()["not_made"]) == ["accuracy"]  # type: ignore[call-overload]
        assert not [path for path in server.rglob("accuracy*") if path.is_file()]
        assert not (server / "accuracy" / "run.json").exists()
        performance = (server / "performance" / "run.json").read_bytes()
        assert json.loads(performance)["load"]["aborted"].startswith("the run cannot pass any more after")
        assert DONE in run.workflow("-n", "verdicts", **changes).text
        table = run_weighbridge(run.workflow.directory, "summary", "--results", "results").text
        table = " ".join(table.split())  # a terminal's lines
        assert table.count("Lower scenarios.server.target_qps from 70 (try ") == 1
        assert "No run.json" not in table
        assert "got no answer" not in table
        answer = run.workflow("results/server/verdict.json", **changes)
    assert answer.code == 0, answer.text
    assert (server / "accuracy" / "run.json").exists()
    assert (server / "performance" / "run.json").read_bytes() == performance
    assert (verdict()["outcome"], verdict()["not_made"]) == ("INVALID", {})
    assert verdict()["accuracy"] is not None
