"""The official tools: reading their records and running them, shown with small tools of the same form."""

import logging
from pathlib import Path

import pytest
from loadgen_files import small_round

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.submission.checker.official import ToolRun, interpret, run_official
from weighbridge.submission.checker.recorded_tool import LogMessage

ROUND = small_round(checker_version="v6.0")
PATH = "closed/Me/results/box/qwen3-vl-235b-a22b/Server/accuracy/accuracy.txt"


def message(check: str, text: str, *arguments: str, level: int = logging.ERROR) -> LogMessage:
    return LogMessage(level=level, check=check, text=text, arguments=arguments)


def test_two_results_and_exit_code_zero_are_accepted(tmp_path: Path) -> None:
    finding, complaints = interpret("submission_checker", ToolRun(code=0, results=2), tmp_path, 2)
    assert (finding.accepted, finding.results, complaints) == (True, 2, [])


@pytest.mark.parametrize("results", [0, 1])
def test_success_over_too_few_results_is_refused(tmp_path: Path, results: int) -> None:
    finding, complaints = interpret("submission_checker", ToolRun(code=0, results=results), tmp_path, 2)
    assert finding.accepted is False
    assert f"counts {results} results instead of 2" in complaints[0].said


@pytest.mark.parametrize("root", ["", "{tree}/"])
def test_each_complaint_names_its_file_and_remedy(tmp_path: Path, root: str) -> None:
    path = root.format(tree=tmp_path) + PATH
    text = f"{path} accuracy not met: expected=0.782397, found=0.7"
    found = message(
        "accuracy_check.accuracy_result_check", text, path, "0.782397", "0.7", level=logging.WARNING
    )
    messages = (
        message("performance_check.latency_check", "all is well", level=logging.INFO),
        message("base.run_checks", "Execution of check llm_check skipped for x.", level=logging.WARNING),
        found,
        found,
        message("base.__call__", f"Some accuracy checks Checks failed for: {path}", "accuracy checks", path),
        message("main.main", "NoResults closed/Me", "closed/Me"),
        message("main.main", "SUMMARY: submission has errors"),
    )
    run = ToolRun(code=1, messages=messages, results=1)
    finding, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert (finding.accepted, finding.results) == (False, 1)
    assert complaint.file == PATH
    assert complaint.said == f"{PATH} accuracy not met: expected=0.782397, found=0.7"
    assert "verdict" in complaint.remedy


def test_the_check_selects_the_remedy_before_keywords_of_the_text(tmp_path: Path) -> None:
    text = "Early stopping condition was not met, msg=seed, hash and dataset"
    run = ToolRun(code=1, messages=(message("performance_check.latency_check", text),))
    _, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert complaint.remedy.startswith("Too many queries were late: lower the scenario's target_qps")
    assert complaint.file == "."


def test_a_refusal_without_a_message_is_a_complaint(tmp_path: Path) -> None:
    finding, [complaint] = interpret("submission_checker", ToolRun(code=1, results=1), tmp_path, 2)
    assert finding.said == complaint.said == "1 of 2 results, 'submission has errors'"


def test_a_crash_is_a_complaint_with_its_exception_or_last_line(tmp_path: Path) -> None:
    run = ToolRun(code=70, crash="ValueError: invalid literal for int(): 'two'", output="Traceback ...")
    finding, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert (finding.accepted, finding.results) == (False, None)
    assert complaint.said == "crashed: ValueError: invalid literal for int(): 'two'"
    assert "number_of_nodes" in complaint.remedy
    _, [complaint] = interpret(
        "submission_checker", ToolRun(code=2, output="usage\nno such choice\n"), tmp_path, 2
    )
    assert complaint.said == "crashed: no such choice"
    _, [complaint] = interpret("submission_checker", ToolRun(code=-9), tmp_path, 2)
    assert "exit code -9" in complaint.said


# Like the official tools: log with logging, write a row for each valid result, and set an exit code.
TOOL = """
import argparse, logging, os, sys
logging.basicConfig(level=logging.INFO)
log = logging.getLogger("main")
parser = argparse.ArgumentParser()
for name in ("--input", "--version", "--csv"):
    parser.add_argument(name, required=True)
given = parser.parse_args()
results = [name for path, names, _ in os.walk(given.input) if path.endswith("benchmark") for name in names]
with open(given.csv, "w") as table:
    table.write("Organization,Division,Platform,Model,Scenario,Result\\n")
    for name in results * 2:
        table.write(f'"Me","closed","box, the large","benchmark","{name}",1\\n')

def latency_check(path):
    log.error("%s is late, found=%d", path, 7)
    log.warning("wrongly formatted %s", "Me", 1)

def main():
    if "Late" in results:
        latency_check(os.path.join(given.input, "closed/Late"))
        log.error("SUMMARY: submission has errors")
        return 1
    if "Crash" in results:
        int("two")
    log.info("SUMMARY: submission looks OK")
    return 0

sys.exit(main())
"""


def _reference(folder: Path) -> Proof:
    tools = folder / "tools" / "submission"
    (tools / "submission_checker").mkdir(parents=True)
    (tools / "submission_checker" / "__init__.py").touch()
    (tools / "submission_checker" / "main.py").write_text(TOOL)
    (tools / "submission_checker_old.py").write_text(TOOL)
    return Proof(
        kind=ArtifactKind.REFERENCE,
        folder=folder,
        repo=None,
        revision=None,
        manifest_digest="0" * 64,
        files=(),
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


def test_log_messages_and_exceptions_of_a_tool_are_recorded(tmp_path: Path) -> None:
    reference = _reference(tmp_path / "reference")
    late = tmp_path / "late"
    (late / "closed" / "benchmark" / "Late").mkdir(parents=True)
    for finding, [complaint, other] in run_official(late, ROUND, reference, 1):
        assert (finding.accepted, finding.results) == (False, 1)
        # Python's own handlers drop such a message.
        assert other.said == "wrongly formatted %s ('Me', 1)"
        assert (complaint.file, complaint.said) == ("closed/Late", "closed/Late is late, found=7")
    crash = tmp_path / "crash"
    (crash / "closed" / "benchmark" / "Crash").mkdir(parents=True)
    for finding, [complaint] in run_official(crash, ROUND, reference, 1):
        assert finding.accepted is False
        assert complaint.said.startswith("crashed: ValueError: invalid literal for int()")


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
def test_the_reason_is_reported_if_no_tool_is_run(
    tmp_path: Path, round_: object, reference: bool, said: str
) -> None:
    proof = _reference(tmp_path / "reference") if reference else None
    [(finding, complaints)] = run_official(tmp_path, round_, proof, 2)  # type: ignore[arg-type]
    assert (finding.accepted, complaints) == (None, [])
    assert said in finding.said
