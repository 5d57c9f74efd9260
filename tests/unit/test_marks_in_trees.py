"""A rehearsal's tree in a real round: each of its signs alone refuses it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import small_round, write_results

from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import SubmissionSettings
from weighbridge.gates import judge
from weighbridge.records.notice import DEMONSTRATION_FILE, PLACEHOLDER, SIMULATED_BY, mark_of
from weighbridge.records.run_record import RUN_RECORD
from weighbridge.submission import assemble
from weighbridge.submission.checker import CheckReport, check_submission
from weighbridge.submission.system_description import required_fields
from weighbridge.system.identity import simulation_sha256

REHEARSAL = small_round(name="rehearsal", simulated=True)
DEMO = small_round(name="demo")
REAL = small_round(submittable=True)
SUBMITTER = "closed/Me"
SOURCES = f"{SUBMITTER}/src/qwen3-vl-235b-a22b"
SYSTEM = f"{SUBMITTER}/systems/box.json"

_PHRASES = ("submittable", "SUBMITTABLE", PLACEHOLDER, SIMULATED_BY)

Edit = Callable[[Path], None]


def _json(name: str, change: Callable[[Any], None]) -> Edit:
    def edit(tree: Path) -> None:
        values = json.loads((tree / name).read_text())
        change(values)
        (tree / name).write_text(json.dumps(values))

    return edit


def _set(*keys: str, to: object) -> Callable[[Any], None]:
    def change(values: Any) -> None:
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = to

    return change


def _replace(name: str, old: str, new: str) -> Edit:
    def edit(tree: Path) -> None:
        assert old in (tree / name).read_text(), name
        (tree / name).write_text((tree / name).read_text().replace(old, new))

    return edit


def _fill(name: str) -> Edit:
    """Replace placeholders by examples."""
    examples = {key: field.example for key, field in required_fields().items()}

    def change(values: Any) -> None:
        for key, value in values.items():
            if PLACEHOLDER in str(value):
                values[key] = examples.get(key) or "No"

    return _json(name, change)


def _cut(name: str) -> Edit:
    """Remove each line with a mark or placeholder from a text."""

    def edit(tree: Path) -> None:
        lines = (tree / name).read_text().splitlines()
        kept = [line for line in lines if not any(phrase in line for phrase in _PHRASES)]
        (tree / name).write_text("\n".join(kept) + "\n")

    return edit


def _signs() -> dict[str, Edit]:
    """Return what removes each sign from a rehearsal's tree, by the sign's name."""
    signs: dict[str, Edit] = {
        "the file of its own": lambda tree: (tree / SUBMITTER / DEMONSTRATION_FILE).unlink(),
        "hw_notes": _json(SYSTEM, _set("hw_notes", to="")),
        "sw_notes": _json(SYSTEM, _set("sw_notes", to="")),
        "framework": _json(SYSTEM, _set("framework", to="vLLM 0.12.0")),
        "placeholders": _fill(SYSTEM),
        "source README": _cut(f"{SOURCES}/README.md"),
        "calibration": _cut(f"{SUBMITTER}/documentation/calibration.md"),
    }
    for title, rules in REAL.scenarios.items():
        results = f"{SUBMITTER}/results/box/qwen3-vl-235b-a22b/{rules.folder}"
        records = f"{SOURCES}/records/box/{rules.folder}"
        signs |= {
            f"{title} README": _cut(f"{results}/README.md"),
            f"{title} notes": _json(f"{results}/measurements.json", lambda values: values.pop("notes")),
            f"{title} measurements": _fill(f"{results}/measurements.json"),
            f"{title} accuracy.txt": _cut(f"{results}/accuracy/accuracy.txt"),
            f"{title} verdict's round": _json(f"{records}/verdict.json", _set("round", to=REAL.name)),
            f"{title} verdict": _json(f"{records}/verdict.json", _set("submittable", to=True)),
            f"{title} score's round": _json(f"{records}/score.json", _set("round", to=REAL.name)),
            f"{title} score": _json(f"{records}/score.json", _set("submittable", to=True)),
            f"{title} verdict's server": _json(
                f"{records}/verdict.json", _set("server_version", to="0.12.0")
            ),
        }
        for mode in ("performance", "accuracy"):
            record = f"{records}/{mode}.json"
            signs |= {
                f"{title} {mode} round": _json(record, _set("round", to=REAL.name)),
                f"{title} {mode} submittable": _json(record, _set("submittable", to=True)),
                f"{title} {mode} server": _replace(record, SIMULATED_BY, "vLLM"),
                f"{title} {mode} server's code": _replace(record, simulation_sha256(), "0" * 64),
            }
    return signs


SIGNS = _signs()


def _tree(root: Path, round_: Any, version: str | None = None) -> Path:
    write_results(root / "results", round_)
    if version is not None:
        for path in (root / "results").rglob("*.json"):
            path.write_text(path.read_text().replace('"0.12.0"', json.dumps(version)))
    (root / "project").mkdir()
    (root / "project" / "Snakefile").write_text("rule all:\n")
    assemble(
        results=root / "results",
        destination=root / "tree",
        originals=root / "originals",
        round_=round_,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=root / "project",
    )
    return root / "tree"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a rehearsal's tree; tests must not change it."""
    version = f"{SIMULATED_BY} 0.1.0, code sha256 {simulation_sha256()}"
    return _tree(tmp_path_factory.mktemp("rehearsal"), REHEARSAL, version)


def _check(rehearsal: Path, folder: Path, left: str | None) -> CheckReport:
    tree = Path(shutil.copytree(rehearsal, folder / "tree"))
    for name, remove in SIGNS.items():
        if name != left:
            remove(tree)
    return check_submission(tree, REAL)


def test_a_rehearsal_is_accepted_in_its_own_round(rehearsal: Path) -> None:
    report = check_submission(rehearsal, REHEARSAL)
    assert report.accepted
    assert not report.submittable


@pytest.mark.parametrize("left", SIGNS)
def test_each_sign_of_a_rehearsal_alone_refuses_it(rehearsal: Path, tmp_path: Path, left: str) -> None:
    report = _check(rehearsal, tmp_path, left)
    errors = [each for each in report.complaints if each.level == "error"]
    # The version of one run's server alone is also another than that of the other run.
    signs = [each for each in errors if "same server version" not in each.said]
    assert len(signs) == 1, errors
    assert not report.accepted


def test_without_any_sign_nothing_is_left_to_refuse(rehearsal: Path, tmp_path: Path) -> None:
    report = _check(rehearsal, tmp_path, None)
    assert [each for each in report.complaints if each.level == "error"] == []
    assert report.accepted


def test_a_demonstration_without_its_file_is_refused(tmp_path: Path) -> None:
    tree = _tree(tmp_path, DEMO)
    (tree / SUBMITTER / DEMONSTRATION_FILE).unlink()
    report = check_submission(tree, REAL)
    marked = {each.file for each in report.complaints if each.level == "error"}
    assert SYSTEM in marked
    assert len(marked) == 3 + 2 * 7


def test_the_mark_is_a_line_of_accuracy_txt_of_its_own(rehearsal: Path) -> None:
    for path in rehearsal.rglob("accuracy.txt"):
        assert mark_of(REHEARSAL) in path.read_text().splitlines()


def test_the_gate_of_a_real_round_refuses_a_run_against_the_simulated_server(tmp_path: Path) -> None:
    write_results(tmp_path, REAL)
    folders = {mode: tmp_path / "server" / mode for mode in Mode}
    for folder in folders.values():
        record = folder / RUN_RECORD
        record.write_text(record.read_text().replace('"0.12.0"', f'"{SIMULATED_BY} 0.1.0"'))
    for round_, failed in ((REAL, ["server", "server"]), (DEMO, [])):
        verdict = judge(
            performance=folders[Mode.PERFORMANCE],
            accuracy=folders[Mode.ACCURACY],
            evaluation=None,
            round_=round_.model_copy(update={"name": REAL.name}),
            scenario=round_.scenarios["server"],
        )
        assert [check.name for check in verdict.failed if check.name == "server"] == failed
