"""The whole workflow on a simulated server: real LoadGen, real HTTP; only the model is not there."""

import json
import os
import shutil
from pathlib import Path

from rocrate.rocrate import ROCrate
from small_run import DONE, SmallRun, planned, planned_runs, simulated_server

from weighbridge.artifacts.proof import Proof
from weighbridge.provenance.judged_again import Originals
from weighbridge.provenance.verification import Asked, verify_tree
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.oracle import latencies

ROOT = Path(__file__).parents[2]


def test_every_run_is_valid_and_marked_a_demonstration(finished: SmallRun) -> None:
    summary = json.loads((finished.results / "summary.json").read_text())
    assert summary["submittable"] is False
    assert [line["outcome"] for line in summary["scenarios"]] == ["VALID", "VALID"]
    assert [line["accuracy"] for line in summary["scenarios"]] == [1.0, 1.0]


def test_every_request_and_answer_of_a_run_was_judged(finished: SmallRun) -> None:
    for scenario in ("offline", "server"):
        verdict = json.loads((finished.results / scenario / "verdict.json").read_text())
        passed = {check["name"] for check in verdict["checks"] if check["passed"]}
        assert passed >= {
            "requests sent as stored",
            "samples as issued",
            "rate as recorded",
            "answers cut off",
            "answers with their request's id",
            "prompt tokens of each sample",
            "answer tokens on average",
            "score computed again",
            "sampled answers' score",
        }


def test_the_rates_are_those_of_the_simulated_server(finished: SmallRun) -> None:
    offline, server = json.loads((finished.results / "summary.json").read_text())["scenarios"]
    # Eight servers of 0.1 s each carry 80 samples a second and no more; LoadGen's schedule is about 50.
    assert 70 < offline["rate"] <= 80.5
    assert 45 < server["rate"] < 55


def test_the_latencies_are_the_oracles(finished: SmallRun) -> None:
    store = finished.workflow.directory / "resources" / "requests"
    behaviour = Behaviour(servers=8, mean_s=0.1)
    for figure in latencies(finished.results / "server" / "performance", store, behaviour):
        assert figure.measured_s >= figure.expected_s - 0.0005, figure
        # What is over is the client's and the simulation's own time; this machine may be busy, above all once
        # in a hundred requests.
        assert figure.measured_s < figure.expected_s + (0.5 if figure.name == "p99" else 0.1), figure


def test_the_tree_has_the_layout_of_a_submission(finished: SmallRun) -> None:
    submitter = finished.results / "submission" / "closed" / "Demonstration"
    assert json.loads((submitter / "systems" / "laptop-cpu-demo.json").read_text())
    for scenario in ("Offline", "Server"):
        folder = submitter / "results" / "laptop-cpu-demo" / "qwen3-vl-235b-a22b" / scenario
        assert sorted(path.name for path in (folder / "performance" / "run_1").iterdir()) == [
            "mlperf_log_detail.txt",
            "mlperf_log_summary.txt",
        ]
        assert (folder / "accuracy" / "mlperf_log_accuracy.json").stat().st_size <= 10240
        assert "hash=" in (folder / "accuracy" / "accuracy.txt").read_text()
        for name in ("user.conf", "README.md", "measurements.json"):
            assert (folder / name).stat().st_size


def test_the_crate_ties_the_runs_to_their_inputs_and_the_code(finished: SmallRun) -> None:
    crate = ROCrate(finished.results)
    assert crate.mainEntity.id.endswith("/Snakefile")
    names = [part.id for part in crate.root_dataset["hasPart"] if not part.id.startswith("https:")]
    assert {"submission.tar.gz", "summary.json", "server/performance/run.json"} <= {*names}
    for name in names:
        assert (finished.results / name).is_file(), name


def test_the_tree_is_attested_and_verifies_from_the_archive_alone(finished: SmallRun, tmp_path: Path) -> None:
    for name in ("submission.tar.gz", "attestation.json"):
        shutil.copy(finished.results / name, tmp_path)
    done = verify_tree(Asked(tmp_path / "submission.tar.gz"))
    assert [check for check in done.checks if check.passed is not True] == []
    assert "NOT signed" in done.notes[0]
    resources = finished.workflow.directory / "resources"
    prompt = resources / "prompt.json"
    originals = Originals(finished.results / "originals", (Proof.read(resources / "dataset.json"),), prompt)
    again = verify_tree(Asked(finished.results / "submission.tar.gz", originals=originals))
    assert [check for check in again.checks if check.passed is not True] == []
    assert not any("Not scored again" in note for note in again.notes)


def test_a_second_run_does_nothing(finished: SmallRun) -> None:
    assert DONE in finished("submission")


def test_an_edit_of_the_package_or_the_docs_reruns_nothing(finished: SmallRun) -> None:
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        os.utime(path)
    assert DONE in finished("submission")


def test_a_deleted_output_reruns_just_what_depends_on_it(finished: SmallRun, tmp_path: Path) -> None:
    run = finished.copied_to(tmp_path / "run")
    (run.results / "offline" / "accuracy" / "mlperf_log_accuracy.json").unlink()
    jobs = planned(run("-n", "submission"))
    assert jobs["benchmark"] == jobs["evaluate"] == jobs["gate"] == 1
    assert "fetch" not in jobs


def test_another_rate_reruns_just_its_scenario(finished: SmallRun) -> None:
    changed = {"offline": {"target_qps": 40}, "server": {"target_qps": 51}}
    plan = finished("-n", "submission", scenarios=changed)
    assert planned(plan)["benchmark"] == 2
    assert planned_runs(plan) == [("server", "accuracy"), ("server", "performance")]


def test_tuning_the_server_reruns_the_runs_and_nothing_before_them(finished: SmallRun) -> None:
    tuned = {"server": finished.changes["server"] | {"warmup_requests": 3}}  # type: ignore[operator]
    jobs = planned(finished("-n", "submission", **tuned))
    assert jobs["benchmark"] == 4
    assert jobs.keys().isdisjoint({"preflight", "find_server", "fetch", "build_requests"})


def test_wrong_answers_fail_the_gate_which_keeps_its_verdict(finished: SmallRun, tmp_path: Path) -> None:
    run = finished.copied_to(tmp_path / "run")
    (run.results / "offline" / "accuracy" / "run.json").unlink()
    with simulated_server(run.workflow.directory, run.port, right=0.5):
        answer = run.workflow("submission", **run.changes)
    assert answer.code != 0
    assert "no tree is built from this offline run: f1 failed" in answer.text
    verdict = json.loads((run.results / "offline" / "verdict.json").read_text())
    assert verdict["outcome"] == "INVALID"
    assert not (run.results / "submission").exists()


def test_failed_requests_make_the_run_invalid_and_are_kept(finished: SmallRun, tmp_path: Path) -> None:
    run = finished.copied_to(tmp_path / "run")
    (run.results / "offline" / "performance" / "run.json").unlink()
    # So few that none is among the warm-up's: a server that fails those is not measured at all.
    with simulated_server(
        run.workflow.directory, run.port, servers=8, mean_s=0.1, failures={"status_500": 0.02}
    ):
        # A demonstration would end at the first failure.
        run.workflow(
            "results/offline/performance/run.json",
            "results/offline/verdict.json",
            **(run.changes | {"stop_when_lost": False}),  # type: ignore[arg-type]
        )
    verdict = json.loads((run.results / "offline" / "verdict.json").read_text())
    assert verdict["outcome"] == "INVALID"
    errors = (run.results / "offline" / "performance" / "errors.jsonl").read_text().splitlines()
    record = json.loads((run.results / "offline" / "performance" / "run.json").read_text())
    assert sum(record["load"]["failed"].values()) == len(errors) > 0


def test_an_endpoint_that_is_gone_ends_the_run_and_keeps_its_logs(finished: SmallRun, tmp_path: Path) -> None:
    run = finished.copied_to(tmp_path / "run")
    (run.results / "offline" / "performance" / "run.json").unlink()
    answer = run.workflow(
        "results/offline/performance/run.json",
        **(run.changes | {"server": run.changes["server"] | {"endpoints_timeout_s": 1}}),  # type: ignore[operator]
    )
    assert answer.code != 0
    assert "did not answer within server.endpoints_timeout_s (1 s)" in answer.text
