"""What fails, fails early: performance before accuracy, and no accuracy after performance that misses."""

import re
from pathlib import Path

import pytest
import yaml
from driver import Workflow
from small_run import SmallRun, simulated_server

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
    ("targets", "changes", "depends"),
    [
        ([], {}, True),
        (["check"], {}, True),
        (["verdicts"], {}, False),
        (["submission", "results/server/accuracy.txt"], {}, False),
        (["submission"], {"submission": {"division": "open"}}, False),
    ],
)
def test_accuracy_depends_on_performance_only_for_a_tree_of_the_closed_division(
    workflow: Workflow, targets: list[str], changes: dict[str, object], depends: bool
) -> None:
    answer = workflow("-n", "-p", *targets, **changes)
    assert answer.code == 0, answer.text
    assert ("--after=results/server/performance" in answer.text) == depends
    assert ("--after=results/offline/performance" in answer.text) == depends


def test_after_a_missed_performance_run_the_accuracy_run_is_made_only_where_it_is_asked_for(
    finished: SmallRun, tmp_path: Path
) -> None:
    run = finished.copied_to(tmp_path / "run")
    limits = {"latency": {"limit_s": 0.05, "percentile": 0.9}}  # the server takes 0.1 s
    round_file = tmp_path / "strict.yaml"
    round_file.write_text(yaml.safe_dump({"extends": "demo", "scenarios": {"server": {"limits": limits}}}))
    changes = run.changes | {"round": str(round_file)}
    scenarios = {"offline": {"target_qps": 40}, "server": {"target_qps": 70}}
    changes["scenarios"] = scenarios
    accuracy = run.results / "server" / "accuracy" / "run.json"
    with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
        answer = run.workflow("submission", "--until", "benchmark", **changes)
        assert answer.code == 1
        assert "the accuracy run of server is not made, because its performance run does not" in answer.text
        assert "90th percentile latency 0." in answer.text
        assert "lower scenarios.server.target_qps from 70" in answer.text
        assert "`snakemake results/server/accuracy.txt` or `snakemake verdicts`" in answer.text
        assert not accuracy.exists()
        performance = (run.results / "server" / "performance" / "run.json").read_bytes()
        answer = run.workflow("results/server/accuracy.txt", **changes)
    assert answer.code == 0, answer.text
    assert accuracy.exists()
    assert (run.results / "server" / "performance" / "run.json").read_bytes() == performance
