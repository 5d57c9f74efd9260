"""The dress rehearsal in small: the profile that a user runs, with a round of 600 samples and two seconds."""

import json
from pathlib import Path

import pytest
import yaml
from driver import run_weighbridge
from small_rehearsal import rehearse, small_rehearsal

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    (folder / "changes.yaml").write_text(yaml.safe_dump(small_rehearsal(folder, samples=600)))
    directory = folder / "run"
    done = rehearse(directory, "--configfile", "rehearsal/config.yaml", folder / "changes.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "results"


def test_all_four_runs_are_valid_at_the_simulated_rate(finished: Path) -> None:
    for scenario in ("offline", "server"):
        verdict = json.loads((finished / scenario / "verdict.json").read_text())
        assert verdict["outcome"] == "VALID"
        assert not verdict["submittable"]
        # Three quarters right, the others wrong at their only level: F1 = 1.5 / (1.75 + 0.25 / 3).
        assert verdict["accuracy"] == pytest.approx(1.5 / (1.75 + 0.25 / 3), abs=0.05)


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
