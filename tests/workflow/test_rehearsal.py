"""The dress rehearsal in small: the profile that a user runs, with a round of 600 samples and two seconds."""

import json
from pathlib import Path

import pytest
import yaml
from driver import run_weighbridge
from small_rehearsal import rehearse, small_rehearsal
from small_run import planned_runs

from weighbridge.records.verdict import Verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    directory = folder / "run"
    done = rehearse(directory, *repeated(folder, 2))
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "results"


def repeated(folder: Path, runs: int) -> list[object]:
    """Return the options that name the configuration, with so many performance runs of Offline."""
    changes = small_rehearsal(folder, samples=600)
    changes["scenarios"] = {
        "offline": {"target_qps": 150, "performance_runs": runs},
        "server": {"target_qps": 100},
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    return ["--configfile", "rehearsal/config.yaml", folder / "changes.yaml"]


def test_all_four_runs_are_valid_at_the_simulated_rate(finished: Path) -> None:
    for scenario in ("offline", "server"):
        verdict = json.loads((finished / scenario / "verdict.json").read_text())
        assert verdict["outcome"] == "VALID"
        assert not verdict["submittable"]
        # Three quarters right, the others wrong at their only level: F1 = 1.5 / (1.75 + 0.25 / 3).
        assert verdict["accuracy"] == pytest.approx(1.5 / (1.75 + 0.25 / 3), abs=0.05)


def test_of_two_performance_runs_the_slower_is_the_result_and_in_the_tree(finished: Path) -> None:
    verdict = Verdict.read(finished / "offline" / "verdict.json")
    assert verdict.performance_runs is not None
    rates = {run.run: run.rate for run in verdict.performance_runs.runs}
    assert list(rates) == ["performance", "performance-2"]
    assert verdict.rate == rates[verdict.chosen_run] == min(rates.values(), key=lambda rate: rate or 0)
    assert {run.outcome for run in verdict.performance_runs.runs} == {"VALID"}
    [log] = (finished / "submission").rglob("results/*/*/Offline/performance/run_1/mlperf_log_detail.txt")
    assert log.read_bytes() == (finished / "offline" / verdict.chosen_run / log.name).read_bytes()
    [published] = (finished / "submission").rglob("records/*/Offline/verdict.json")
    assert {check.run for check in Verdict.read(published).checks} == {"performance", "accuracy", None}
    assert f"{verdict.chosen_run}, the result" in (finished / "report.html").read_text()
    answer = run_weighbridge(
        ROOT, "gate", "--logs", str(finished), "--round", str(finished.parents[1] / "round.yaml")
    )
    # Where the line is broken depends on the digits of the rates.
    assert "2 of them VALID; the result is " in " ".join(answer.text.split())


def test_a_repeat_more_is_one_run_and_one_less_is_none(finished: Path) -> None:
    folder = finished.parents[1]
    more = rehearse(finished.parent, "-n", *repeated(folder, 3))
    assert planned_runs(more.stdout) == [("offline", "performance-3")]
    fewer = rehearse(finished.parent, "-n", *repeated(folder, 1))
    assert fewer.returncode == 0, fewer.stderr
    assert planned_runs(fewer.stdout) == []


def test_the_tree_is_accepted_and_says_that_it_is_simulated(finished: Path) -> None:
    report = json.loads((finished / "check.json").read_text())
    assert report["strict"]
    assert report["complaints"] == []
    assert set(report["originals"].values()) == {True}
    assert "accepted" in (finished / "check.txt").read_text()
    submitter = finished / "submission" / "closed" / "Rehearsal"
    system = json.loads((submitter / "systems" / "simulated-endpoint.json").read_text())
    assert "SIMULATED" in system["hw_notes"]
    assert "simulated" in system["framework"]
    assert "simulated server" in (submitter / "DEMONSTRATION.md").read_text()
    assert list(submitter.rglob("src/*/rehearsal/prompt.json"))


def test_a_spoilt_tree_is_refused_and_its_report_kept(finished: Path) -> None:
    readme = next((finished / "submission").rglob("Offline/README.md"))
    text = readme.read_text()
    readme.unlink()
    try:
        answer = run_weighbridge(
            ROOT, "check", "--round", "rehearsal", "--tree", str(finished / "submission")
        )
    finally:
        readme.write_text(text)
    assert answer.code == 4
    assert "Offline/README.md: is missing (weighbridge)" in answer.text


def test_its_logs_are_judged_by_the_real_round_as_anyones(finished: Path) -> None:
    answer = run_weighbridge(ROOT, "gate", "--logs", str(finished), "--round", "v6.0")
    assert answer.code == 4
    assert "48289" in answer.text


def test_the_next_rounds_rehearsal_is_planned_with_its_own_client(tmp_path: Path) -> None:
    done = rehearse(tmp_path, "-n", "-p", "--config", "round=rehearsal-v6.1")
    assert done.returncode == 0, done.stderr
    own = ROOT / ".venv-v6.1" / "bin" / "weighbridge"
    assert (str(own) in done.stdout + done.stderr) == own.is_file()
