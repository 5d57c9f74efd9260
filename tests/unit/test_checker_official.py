"""The official tools: how their output is read, and how they are run; tools of their form stand in."""

from pathlib import Path

import pytest
from loadgen_files import small_round

from weighbridge.artifacts.kinds import Kind
from weighbridge.artifacts.proof import Proof
from weighbridge.submission.checker.official import interpret, run_official

ROUND = small_round(checker_version="v6.0")
OK = "INFO:main:Results=2, NoResults=0, Power Results=0\nINFO:main:SUMMARY: submission looks OK\n"
PATH = "closed/Me/results/box/qwen3-vl-235b-a22b/Server/accuracy/accuracy.txt"


def test_two_results_and_a_summary_are_accepted(tmp_path: Path) -> None:
    finding, complaints = interpret("submission_checker", OK, 0, tmp_path, 2)
    assert (finding.accepted, finding.results, complaints) == (True, 2, [])


@pytest.mark.parametrize("results", [0, 1])
def test_an_ok_over_too_few_results_is_no_ok(tmp_path: Path, results: int) -> None:
    finding, complaints = interpret(
        "submission_checker", OK.replace("Results=2", f"Results={results}"), 0, tmp_path, 2
    )
    assert finding.accepted is False
    assert f"counts {results} results where 2 must be" in complaints[0].said


@pytest.mark.parametrize(
    "prefix", ["WARNING:main:", "[2026-01-01 00:00:00,123 accuracy_check.py:120 WARNING] "]
)
def test_each_complaint_names_its_file_and_remedy(tmp_path: Path, prefix: str) -> None:
    output = (
        f"{prefix}{tmp_path}/{PATH} accuracy not met: expected=0.782397, found=0.7\n"
        "ERROR:main:NoResults closed/Me\n"
        "INFO:main:Results=1, NoResults=1, Power Results=0\n"
        "ERROR:main:SUMMARY: submission has errors\n"
    )
    finding, [complaint] = interpret("submission_checker", output, 1, tmp_path, 2)
    assert finding.accepted is False
    assert complaint.file == PATH
    assert complaint.said == f"{PATH} accuracy not met: expected=0.782397, found=0.7"
    assert "verdict" in complaint.remedy


def test_a_crash_is_a_complaint_with_the_last_line(tmp_path: Path) -> None:
    output = "Traceback (most recent call last):\n  File ...\nValueError: invalid literal for int(): 'two'\n"
    finding, [complaint] = interpret("submission_checker", output, 1, tmp_path, 2)
    assert finding.accepted is False
    assert "it crashed: ValueError" in complaint.said
    assert "number_of_nodes" in complaint.remedy
    finding, [complaint] = interpret("submission_checker", "", -9, tmp_path, 2)
    assert "exit code -9" in complaint.said


TOOL = """
import argparse, os, sys
parser = argparse.ArgumentParser()
for name in ("--input", "--version", "--csv"):
    parser.add_argument(name, required=True)
given = parser.parse_args()
count = sum(len(names) for path, names, _ in os.walk(given.input) if path.endswith("benchmark"))
for text in (f"Results={count}, NoResults=0, Power Results=0", "SUMMARY: submission looks OK"):
    print(f"[2026-01-01 00:00:00,000 main.py:1 INFO] {text}", file=sys.stderr)
"""


def _reference(folder: Path) -> Proof:
    tools = folder / "tools" / "submission"
    (tools / "submission_checker").mkdir(parents=True)
    (tools / "submission_checker" / "__init__.py").touch()
    (tools / "submission_checker" / "main.py").write_text(TOOL)
    (tools / "submission_checker_old.py").write_text(TOOL)
    return Proof(
        kind=Kind.REFERENCE, folder=folder, repo=None, revision=None, manifest_digest="0" * 64, files=()
    )


def test_both_tools_are_run_from_the_reference_and_leave_nothing_in_it(tmp_path: Path) -> None:
    reference = _reference(tmp_path / "reference")
    tree = tmp_path / "tree"
    (tree / "closed" / "benchmark" / "Offline").mkdir(parents=True)
    (tree / "closed" / "benchmark" / "Server").mkdir()
    before = sorted(reference.folder.rglob("*"))
    told = list(run_official(tree, ROUND, reference, 2))
    assert [(finding.tool, finding.accepted) for finding, _ in told] == [
        ("submission_checker", True),
        ("submission_checker_old", True),
    ]
    assert sorted(reference.folder.rglob("*")) == before
    (tree / "closed" / "benchmark" / "Server").rmdir()
    assert [finding.accepted for finding, _ in run_official(tree, ROUND, reference, 2)] == [False, False]


def test_the_old_tool_does_not_know_the_next_round(tmp_path: Path) -> None:
    reference = _reference(tmp_path / "reference")
    (tmp_path / "tree").mkdir()
    told = list(run_official(tmp_path / "tree", small_round(checker_version="v6.1"), reference, 0))
    assert [finding.tool for finding, _ in told] == ["submission_checker"]


def test_a_reference_without_its_tools_is_a_complaint(tmp_path: Path) -> None:
    reference = _reference(tmp_path / "reference")
    tools = reference.folder / "tools" / "submission"
    (tools / "submission_checker" / "main.py").unlink()
    (tools / "submission_checker_old.py").unlink()
    told = list(run_official(tmp_path, ROUND, reference, 2))
    for finding, [complaint] in told:
        assert finding.accepted is False
        assert "Fetch the reference again" in complaint.remedy


@pytest.mark.parametrize(
    ("round_", "reference", "said"),
    [
        (small_round(checker_version=None), True, "no official checker"),
        (ROUND, False, "not on disk"),
    ],
)
def test_where_no_tool_can_be_asked_that_is_said(
    tmp_path: Path, round_: object, reference: bool, said: str
) -> None:
    proof = _reference(tmp_path / "reference") if reference else None
    [(finding, complaints)] = run_official(tmp_path, round_, proof, 2)  # type: ignore[arg-type]
    assert (finding.accepted, complaints) == (None, [])
    assert said in finding.said
