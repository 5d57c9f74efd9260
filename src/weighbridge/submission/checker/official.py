"""Run the official checkers from the proven reference, and turn their records into complaints.

Source: tools/submission in mlcommons/inference @ b66003e1. Three outputs of a tool are read, none of them
prose: its log messages and checks (see recorded_tool), its CSV file with a row for each valid result, and its
exit code.
The tools accept an empty tree, so the number of results is checked too. A crash counts as a refusal.
"""

import csv
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint, Finding, Tool
from weighbridge.submission.checker import recorded_tool
from weighbridge.submission.checker.recorded_tool import CheckCall, Crash, LogMessage
from weighbridge.submission.checker.remedies import remedy_for
from weighbridge.submission.checker.tool_complaints import ToolRecords, complaints_of, crash_complaint
from weighbridge.submission.reference_tool import run_reference_tool

_TOOLS = Path("tools/submission")
_MODULES: dict[Tool, str] = {
    "submission_checker": "submission_checker.main",
    "submission_checker_old": "submission_checker_old",
}
# The old checker has file rules that the new one dropped; it supports rounds up to this one.
_OLD_VERSION = "v6.0"
_TIMEOUT_S = 600
_ACCEPTED, _REFUSED = 0, 1  # exit codes of both tools
# Columns that name a result in both tools' CSV files; a result with power has two rows.
_RESULT_COLUMNS = ("Division", "Organization", "Platform", "Model", "Scenario")


@dataclass(frozen=True)
class ToolRun:
    """The outputs of one run of a tool.

    Attributes:
        code: Its exit code; negative: the signal that killed it.
        records: Its log messages, its checks and the exception that ended it.
        results: Valid results in its CSV file.
        output: Its standard output and error.
    """

    code: int
    records: ToolRecords = field(default_factory=ToolRecords)
    results: int = 0
    output: str = ""


def run_official(
    tree: Path, round_: Round, reference: Proof | None, expected: int
) -> Iterator[tuple[Finding, list[Complaint]]]:
    """Run the tools that support the round; yield the finding of each, or why it was not run.

    Args:
        tree: The folder that holds closed/ or open/.
        round_: The rules.
        reference: Proof of mlcommons/inference on disk; None: the tools are not run.
        expected: Number of results that the tree must have.
    """
    version = round_.checker_version
    if version is None or reference is None:
        reason = (
            f"round {round_.name} has no official checker"
            if version is None
            else "the reference is not on disk (artifacts.reference); only our own checks were made"
        )
        yield Finding(tool="submission_checker", accepted=None, results=None, said=reason), []
        return
    tools: tuple[Tool, ...] = ("submission_checker", "submission_checker_old")
    for tool in tools if version == _OLD_VERSION else tools[:1]:
        try:
            run = _run(tool, reference.folder / _TOOLS, tree, version, round_.checker_options)
        except (OSError, subprocess.TimeoutExpired) as error:
            text = f"cannot be run ({error})"
            yield _refusal(tool, None, text), [_complaint(tool, text)]
        else:
            yield interpret(tool, run, tree, expected)


def _run(tool: Tool, folder: Path, tree: Path, version: str, further: Sequence[str]) -> ToolRun:
    with tempfile.TemporaryDirectory() as scratch:
        records, table = Path(scratch) / "records.jsonl", Path(scratch) / "results.csv"
        options: tuple[str | Path, ...] = (
            "--input",
            tree.resolve(),
            "--version",
            version,
            "--csv",
            table,
            *further,
        )
        done = run_reference_tool(
            ["-m", recorded_tool.__name__, records, _MODULES[tool], *options], folder, _TIMEOUT_S
        )
        return ToolRun(
            code=done.returncode,
            records=_read_records(records),
            results=_count_results(table),
            output=done.stdout + done.stderr,
        )


def _read_records(path: Path) -> ToolRecords:
    """Return what the recording runner wrote; empty if it did not come that far."""
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    crashes = [Crash.parse(entry, str(path)) for entry in entries if "crash" in entry]
    return ToolRecords(
        messages=tuple(LogMessage.parse(entry, str(path)) for entry in entries if "level" in entry),
        calls=tuple(CheckCall.parse(entry, str(path)) for entry in entries if "function" in entry),
        crash=crashes[0] if crashes else None,
    )


def _count_results(table: Path) -> int:
    """Return the number of valid results in a tool's CSV file; it lists no others."""
    if not table.exists():
        return 0
    with table.open(newline="", errors="replace") as stream:
        return len({tuple(row.get(name) for name in _RESULT_COLUMNS) for row in csv.DictReader(stream)})


def interpret(tool: Tool, run: ToolRun, tree: Path, expected: int) -> tuple[Finding, list[Complaint]]:
    """Return a tool's finding and complaints, from the outputs of its run.

    Args:
        tool: Which tool.
        run: The outputs of its run.
        tree: The tree that it checked.
        expected: Number of results that the tree must have.
    """
    complaints = complaints_of(tool, run.records, tree)
    if run.code not in (_ACCEPTED, _REFUSED):
        last_line = (run.output.strip().splitlines() or [f"exit code {run.code}"])[-1]
        text = f"crashed: {run.records.crash.crash if run.records.crash else last_line}"
        crash = crash_complaint(tool, text, run.records.crash, tree)
        return _refusal(tool, None, crash.said), [*complaints, crash]
    if run.code == _REFUSED:
        text = f"{run.results} of {expected} results, 'submission has errors'"
        return _refusal(tool, run.results, text), complaints or [_complaint(tool, text)]
    if run.results != expected:
        text = f"reports success, but counts {run.results} results instead of {expected}"
        return _refusal(tool, run.results, text), [_complaint(tool, text)]
    text = f"{run.results} of {expected} results, 'submission looks OK'"
    return Finding(tool=tool, accepted=True, results=run.results, said=text), []


def _refusal(tool: Tool, results: int | None, text: str) -> Finding:
    return Finding(tool=tool, accepted=False, results=results, said=text)


def _complaint(tool: Tool, text: str) -> Complaint:
    return Complaint(tool=tool, file=".", said=text, remedy=remedy_for((), text))
