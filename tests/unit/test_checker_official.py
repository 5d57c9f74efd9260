"""The official tools: reading their records and running them, shown with small tools of the same form."""

import logging
from pathlib import Path

import pytest
from loadgen_files import small_round
from reference_proof import reference_proof

from weighbridge.artifacts.proof import Proof
from weighbridge.submission.checker.official import ToolRun, interpret, run_official
from weighbridge.submission.checker.recorded_tool import CheckCall, Crash, LogMessage
from weighbridge.submission.checker.remedies import remedy_for
from weighbridge.submission.checker.tool_complaints import ToolRecords

ROUND = small_round(checker_version="v6.0")
PATH = "closed/Me/results/box/qwen3-vl-235b-a22b/Server/accuracy/accuracy.txt"


def message(
    check: str, text: str, *arguments: str, level: int = logging.ERROR, call: int | None = None
) -> LogMessage:
    return LogMessage(level=level, check=check, text=text, arguments=arguments, call=call)


def called(call: int, function: str, passed: bool | None, path: str = "") -> CheckCall:
    return CheckCall(call=call, function=function, passed=passed, path=path)


def run_of(
    *messages: LogMessage, code: int = 1, results: int = 0, calls: tuple[CheckCall, ...] = ()
) -> ToolRun:
    return ToolRun(code=code, results=results, records=ToolRecords(messages=messages, calls=calls))


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
    run = run_of(*messages, results=1)
    finding, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert (finding.accepted, finding.results) == (False, 1)
    assert complaint.file == PATH
    assert complaint.level == "error"
    assert complaint.said == f"{PATH} accuracy not met: expected=0.782397, found=0.7"
    assert "verdict" in complaint.remedy


def test_the_check_selects_the_remedy_before_keywords_of_the_text(tmp_path: Path) -> None:
    text = "Early stopping condition was not met, msg=seed, hash and dataset"
    run = run_of(message("performance_check.latency_check", text))
    _, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert complaint.remedy.startswith("Too many queries were late: lower the scenario's target_qps")
    assert complaint.file == "."


def test_a_refusal_without_a_message_is_a_complaint(tmp_path: Path) -> None:
    finding, [complaint] = interpret("submission_checker", ToolRun(code=1, results=1), tmp_path, 2)
    assert finding.said == complaint.said == "1 of 2 results, 'submission has errors'"


def test_a_crash_is_a_complaint_with_its_exception_or_last_line(tmp_path: Path) -> None:
    crash = Crash(
        crash="ValueError: invalid literal for int(): 'two'", raised_in=("results.add_result", "main.main")
    )
    run = ToolRun(code=70, records=ToolRecords(crash=crash), output="Traceback ...")
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


SCENARIO = "closed/Me/results/box/qwen3-vl-235b-a22b/Server"
LOG = f"{SCENARIO}/performance/run_1/mlperf_log_detail.txt"
TWICE = message(
    "loadgen_parser.__getitem__", "There are multiple messages with key x.", level=logging.WARNING
)


def test_messages_of_checks_that_passed_are_no_complaints(tmp_path: Path) -> None:
    run = run_of(
        TWICE.model_copy(update={"call": 1}),
        message("power_check.required_files_check", f"No power in {LOG}.", level=logging.WARNING, call=1),
        TWICE,
        message("performance_check.latency_check", "Early stopping was not met", call=2),
        TWICE.model_copy(update={"call": 2}),
        calls=(
            called(1, "power_check.required_files_check", True, "x"),
            called(2, "performance_check.latency_check", False, LOG),
        ),
    )
    _, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert (complaint.file, complaint.said, complaint.level) == (LOG, "Early stopping was not met", "error")


def test_an_error_of_a_check_that_passed_is_a_warning(tmp_path: Path) -> None:
    run = run_of(
        message("system_check.required_fields_check", "x requires a numeric response", call=1),
        message("performance_check.seeds_check", f"{LOG} seed is wrong", LOG, call=2),
        calls=(
            called(1, "system_check.required_fields_check", True, "closed/Me/results/box"),
            called(2, "performance_check.seeds_check", False, LOG),
        ),
    )
    _, complaints = interpret("submission_checker", run, tmp_path, 2)
    assert [(each.file, each.level) for each in complaints] == [
        ("closed/Me/systems/box.json", "warning"),
        (LOG, "error"),
    ]


def test_a_low_score_is_refused_by_a_warning_and_other_warnings_of_a_check_are_not(tmp_path: Path) -> None:
    check = "submission_checker_old.check_accuracy_dir"
    folder = f"{SCENARIO}/accuracy"
    run = run_of(
        message(check, f"{folder} accuracy not met", folder, level=logging.WARNING, call=1),
        message(check, f"{folder} not hash value", folder, call=1),
        message("submission_checker_old.check_results_dir", f"{folder}, accuracy not valid", folder),
        message(
            "submission_checker_old.check_system_desc_id",
            "x, field y is unknown",
            level=logging.WARNING,
            call=2,
        ),
        message("submission_checker_old.check_system_desc_id", "x, field z is missing", call=2),
        calls=(
            called(1, check, False, folder),
            called(2, "submission_checker_old.check_system_desc_id", False, "closed/Me/results/box"),
        ),
    )
    _, complaints = interpret("submission_checker_old", run, tmp_path, 2)
    assert [(each.file, each.said.split(" ", 1)[1]) for each in complaints] == [
        (f"{folder}/accuracy.txt", "accuracy not met"),
        (f"{folder}/accuracy.txt", "not hash value"),
        ("closed/Me/systems/box.json", "field z is missing"),
    ]
    assert {each.level for each in complaints} == {"error"}


def test_what_the_old_tool_logs_after_a_failed_check_is_told_only_if_nothing_else_is(tmp_path: Path) -> None:
    driver = "submission_checker_old.check_results_dir"
    benchmark = SCENARIO.rpartition("/")[0]
    late = message("submission_checker_old.check_performance_dir", f"{LOG} duration less", LOG, call=1)
    issues = message(driver, f"{SCENARIO}/performance/run_1 has issues", f"{SCENARIO}/performance/run_1")
    missing = [
        message(driver, f"{benchmark} does not have all required scenarios, missing {names}", benchmark)
        for names in ("{'Server'}", "{'Offline'}")
    ]
    calls = (called(1, "submission_checker_old.check_performance_dir", False, LOG),)
    run = run_of(late, issues, *missing, calls=calls)
    _, complaints = interpret("submission_checker_old", run, tmp_path, 2)
    assert [each.said for each in complaints] == [late.text, missing[1].text]
    _, complaints = interpret("submission_checker_old", run_of(issues, *missing), tmp_path, 2)
    assert [each.said for each in complaints] == [issues.text, *(each.text for each in missing[1:])]


def test_a_tool_of_another_form_is_read_by_the_levels_of_its_log(tmp_path: Path) -> None:
    warning = message("other.verify", f"{LOG} is odd", LOG, level=logging.WARNING)
    _, [complaint] = interpret("submission_checker", run_of(warning), tmp_path, 2)
    assert (complaint.file, complaint.level) == (LOG, "error")
    # Every check passed, and yet the tool refuses: nothing that it said may be lost.
    run = run_of(warning.model_copy(update={"call": 1}), calls=(called(1, "other.verify_check", True),))
    _, [complaint] = interpret("submission_checker", run, tmp_path, 2)
    assert (complaint.file, complaint.level) == (LOG, "error")


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (f"Nothing is in {LOG}.", LOG),
        (f"{LOG}, field x is missing", LOG),
        (f"({LOG}): odd", LOG),
        ("closed/Me has names with spaces: ['closed/Me/src/two words']", "closed/Me"),
        ("no path at all", "."),
    ],
)
def test_a_file_is_named_without_the_punctuation_around_it(tmp_path: Path, text: str, file: str) -> None:
    _, [complaint] = interpret("submission_checker", run_of(message("x.y_check", text)), tmp_path, 2)
    assert complaint.file == file


def test_a_file_whose_name_ends_in_a_dot_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "Me.").touch()
    _, [complaint] = interpret(
        "submission_checker", run_of(message("x.y_check", "closed/Me. is odd")), tmp_path, 2
    )
    assert complaint.file == "closed/Me."
    listed = message("x.y_check", "names with spaces", "['closed/Me/src/two words']")
    _, [complaint] = interpret("submission_checker", run_of(listed), tmp_path, 2)
    assert complaint.file == "closed/Me/src/two words"


def test_the_place_where_an_exception_was_raised_selects_the_remedy() -> None:
    assert "missing, cut off or altered" in remedy_for(("accuracy_check.__init__", "main.main"), "seed")
    assert "seeds are compiled" in remedy_for(("unknown.place",), "seed")


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
    power_check(path)
    log.error("%s is late, found=%d", path, 7)
    log.error("wrongly formatted %s", "Me", 1)
    log.warning("odd")
    return False, 7

def power_check(path):
    log.warning("No power in %s.", path)
    return True

def run_checks(path):
    try:
        int("two")
    except ValueError:
        log.error("Execution occurred in running check %s.", path)
    return False

def main():
    if "Late" in results:
        latency_check(os.path.join(given.input, "closed/Late"))
        log.error("SUMMARY: submission has errors")
        return 1
    if "Raise" in results:
        run_checks(os.path.join(given.input, "closed/Raise"))
        return 1
    if "Crash" in results:
        fname = os.path.join(given.input, "closed/Crash")
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
    return reference_proof(folder)


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
        assert other.file == "closed/Late"
        assert (complaint.file, complaint.said) == ("closed/Late", "closed/Late is late, found=7")
    crash = tmp_path / "crash"
    (crash / "closed" / "benchmark" / "Crash").mkdir(parents=True)
    for finding, [complaint] in run_official(crash, ROUND, reference, 1):
        assert finding.accepted is False
        assert complaint.said.startswith("crashed: ValueError: invalid literal for int()")
        assert complaint.file == "closed/Crash"
    raised = tmp_path / "raised"
    (raised / "closed" / "benchmark" / "Raise").mkdir(parents=True)
    for _, [complaint] in run_official(raised, ROUND, reference, 1):
        assert complaint.file == "closed/Raise"
        assert "closed/Raise. (ValueError: invalid literal" in complaint.said


def test_a_demonstration_s_options_are_passed_to_the_tool(tmp_path: Path) -> None:
    reference = _reference(tmp_path / "reference")
    (tmp_path / "tree" / "closed" / "benchmark" / "Offline").mkdir(parents=True)
    round_ = small_round(checker_version="v6.1", checker_options=("--skip-dataset-size-check",))
    [(finding, _)] = run_official(tmp_path / "tree", round_, reference, 1)
    assert finding.accepted is False
    assert "unrecognized arguments: --skip-dataset-size-check" in finding.said
    tool = tmp_path / "reference" / "tools" / "submission" / "submission_checker" / "main.py"
    known = 'parser.add_argument("--skip-dataset-size-check", action="store_true")\ngiven ='
    tool.write_text(tool.read_text().replace("given =", known))
    [(finding, _)] = run_official(tmp_path / "tree", round_, reference, 1)
    assert finding.accepted


@pytest.mark.parametrize(
    ("check", "log", "file"),
    [
        ("performance_check.latency_check", LOG, "performance/result_summary.json"),
        ("performance_check.seeds_check", LOG, "config.yaml"),
        ("accuracy_check.accuracy_result_check", "accuracy", "accuracy/accuracy_results.json"),
    ],
)
def test_a_log_that_the_official_client_does_not_write_is_told_as_its_own_file(
    tmp_path: Path, check: str, log: str, file: str
) -> None:
    path = log if log == LOG else f"{SCENARIO}/accuracy/mlperf_log_detail.txt"
    _, [complaint] = interpret("submission_checker", run_of(message(check, f"{path} odd", path)), tmp_path, 2)
    assert complaint.file in (path, f"{SCENARIO}/accuracy/accuracy.txt")
    (tmp_path / SCENARIO / file).parent.mkdir(parents=True)
    (tmp_path / SCENARIO / file).touch()
    _, [complaint] = interpret("submission_checker", run_of(message(check, f"{path} odd", path)), tmp_path, 2)
    assert complaint.file == f"{SCENARIO}/{file}"


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
