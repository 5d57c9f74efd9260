"""The first samples the whole way: `limit` measures them in real runs, and marks what is made of them."""

import json
from pathlib import Path

import numpy as np
from checkout import Checkout
from small_run import SmallRun, planned, planned_runs, simulated_server

from weighbridge.records.notice import DEMONSTRATION_FILE

RUNS = [(scenario, run) for scenario in ("offline", "server") for run in ("accuracy", "performance")]


def test_the_first_samples_go_the_whole_way(finished: SmallRun, tmp_path: Path) -> None:
    run = SmallRun(tmp_path / "run")
    run.changes["limit"] = 20
    run("resources/requests/manifest.json")
    with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
        run("submission")
    summary = json.loads((run.results / "summary.json").read_text())
    assert summary["submittable"] is False
    assert "only the first 20 of 512 samples" in summary["not_submittable_because"]
    assert [line["queries"] for line in summary["scenarios"]] == [20, 20]
    assert [line["outcome"] for line in summary["scenarios"]] == ["VALID", "VALID"]
    assert [line["floor"] for line in summary["scenarios"]] == [None, None]
    tree = run.results / "submission" / "closed" / "Demonstration"
    assert "only the first 20 of 512 samples" in (tree / DEMONSTRATION_FILE).read_text()
    assert "not asked" in (run.results / "report.html").read_text()
    first, all_ = (
        np.fromfile(each.workflow.directory / "resources/requests/index.bin", dtype="<i8")
        for each in (run, finished)
    )
    np.testing.assert_array_equal(first, all_[:21])

    # All samples replace those of a try, and it is told; nothing of the try is taken.
    del run.changes["limit"]
    plan = run("-n", "submission")
    assert "limit 20, but the settings ask for" in plan
    assert planned_runs(plan) == RUNS
    assert planned(plan)["build_requests"] == 1


def test_runs_of_all_samples_are_not_replaced_by_a_try(finished: SmallRun) -> None:
    answer = finished.workflow("-n", "submission", **(finished.changes | {"limit": 20}))
    assert answer.code == 2, answer.text
    assert "choose one with --directory, such as --directory runs/qwen3-vl-235b-a22b-20" in answer.text


def test_a_try_takes_a_share_of_the_offline_rate_in_place_of_a_search(tmp_path: Path) -> None:
    run = SmallRun(tmp_path / "run")
    scenarios = {"offline": {"target_qps": 40}, "server": {"target_qps": "auto"}}
    plan = run("-n", "submission", limit=20, scenarios=scenarios)
    assert planned_runs(plan) == RUNS
    assert "search_peak" not in planned(plan)
    assert "resources/prompt-tokens.json, results/offline/performance/run.json" in plan


def test_stricter_floors_judge_again_and_measure_nothing(finished: SmallRun, tmp_path: Path) -> None:
    checkout = Checkout.with_run(tmp_path / "checkout", finished)
    checkout.edit(
        "src/weighbridge/benchmarks/qwen3_vl/rounds/demo.yaml",
        "    floor: 0.782400663\n",
        "    floor: 0.782400663\n    reference_mean: 0.7903037\n",
    )
    plan = checkout.plan(accuracy="strict")
    assert planned(plan)["gate"] == 2
    assert planned_runs(plan) == []
    assert planned(plan)["evaluate"] == 2  # accuracy.json has the floors too
    assert not {"build_requests", "fetch"} & planned(plan).keys()
