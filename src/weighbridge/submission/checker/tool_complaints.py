"""Turn the records of an official tool's run into complaints, each with its file and its remedy.

The new checker calls one method for each check, the old one has a few large functions; both return whether
the check passed. A message is a complaint if the check during which it was logged did not pass. Warnings of a
check that also logged an error are no complaints, except where a tool logs a refusal as a warning. Messages
that no check decided are read by their level, as are all messages of a tool whose checks have another form.
"""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from weighbridge.config.scenario_rules import Mode
from weighbridge.records.check_record import Complaint, Level, Tool
from weighbridge.records.official_client import ACCURACY_RESULTS, RESULT_SUMMARY, WRITTEN_CONFIG
from weighbridge.records.run_record import ANSWERS, DETAIL
from weighbridge.records.score import ACCURACY_TEXT
from weighbridge.submission.checker.recorded_tool import CheckCall, Crash, LogMessage
from weighbridge.submission.checker.remedies import remedy_for
from weighbridge.submission.checker.tree_paths import DIVISIONS
from weighbridge.submission.tree import RUN_FOLDERS

# Functions that only summarise what others logged.
_SUMMARIES = ("main", "__call__")
_RUNNER = "run_checks"  # logs a warning for each check that does not apply
# What the old tool logs of a folder after a check of it failed.
_FOLLOWS = re.compile(r"has issues|accuracy not valid|all required scenarios")
_SYSTEM_CHECKS = ("system_check.", "submission_checker_old.check_system_desc_id")
_SCENARIOS_CHECK = "performance_check.scenarios_check"
# Checks of a file that lies beside the one whose path they log.
_BESIDE = {
    "accuracy_check.accuracy_result_check": ACCURACY_TEXT,
    "accuracy_check.accuracy_json_check": ANSWERS,
}
_OLD_ACCURACY_CHECK = "submission_checker_old.check_accuracy_dir"
_SYSTEM_PARTS, _BENCHMARK_PARTS = 4, 5  # of closed/submitter/results/system/benchmark/scenario
# Checks that refuse a low score with a warning. Source: both tools @ b66003e1.
_REFUSE_BY_WARNING = ("accuracy_check.accuracy_result_check", _OLD_ACCURACY_CHECK)
# Checks of what the official client wrote into its configuration.
_OF_CONFIG = ("performance_check.seeds_check", "performance_check.min_duration_check")
_PUNCTUATION = ".,:;!?'\"()[]{}"


@dataclass(frozen=True)
class ToolRecords:
    """What one run of a tool recorded: its messages, the checks that logged them, and its exception."""

    messages: tuple[LogMessage, ...] = ()
    calls: tuple[CheckCall, ...] = ()
    crash: Crash | None = None


def complaints_of(tool: Tool, records: ToolRecords, tree: Path) -> list[Complaint]:
    """Return a complaint for each distinct message that tells why the tool refused the tree.

    Args:
        tool: Which tool.
        records: The records of its run.
        tree: The tree that it checked.
    """
    calls = {call.call: call for call in records.calls}
    told = [message for message in records.messages if _is_told(message)]
    loud = {message.call for message in told if message.level >= logging.ERROR}
    leveled = [(message, _level(message, calls, loud)) for message in told]
    if records.crash is None and not any(level == "error" for _, level in leveled):
        leveled = [(message, "error") for message in told]
    complaints: dict[str, Complaint] = {}
    open_: list[Complaint] = []  # that no check decided
    for message, level in leveled:
        if level is None or message.text in complaints:
            continue
        call = calls.get(message.call) if message.call is not None else None
        complaints[message.text] = complaint = _complaint_of(tool, message, call, level, tree)
        if call is None or call.passed is None:
            open_.append(complaint)
    following = [each for each in open_ if _follows(each, list(complaints.values()))]
    return [each for each in complaints.values() if each not in following]


def crash_complaint(tool: Tool, said: str, crash: Crash | None, tree: Path) -> Complaint:
    """Return the complaint for an exception that ended a tool; it names the file if the tool was at one."""
    if crash is None:
        return Complaint(tool=tool, file=".", said=said, remedy=remedy_for((), said))
    file = _path_in(tree, crash.path) or "."
    said = said.replace(f"{tree.resolve()}{os.sep}", "")
    return Complaint(tool=tool, file=file, said=said, remedy=remedy_for(crash.raised_in, said))


def _is_told(message: LogMessage) -> bool:
    """Return whether a message neither summarises others nor reports a check that does not apply."""
    function = message.check.rpartition(".")[2]
    skipped = function == _RUNNER and message.level < logging.ERROR
    return message.level >= logging.WARNING and function not in _SUMMARIES and not skipped


def _level(message: LogMessage, calls: dict[int, CheckCall], loud: set[int | None]) -> Level | None:
    """Return a message's level as a complaint; None if it is no complaint.

    Args:
        message: A warning or an error.
        calls: The checks, by their numbers.
        loud: Numbers of the checks that logged an error.
    """
    call = calls.get(message.call) if message.call is not None else None
    is_error = message.level >= logging.ERROR
    if call is None or call.passed is None:
        return "error" if is_error or not calls else None
    if call.passed:
        return "warning" if is_error else None
    if is_error or (message.check == call.function and call.function in _REFUSE_BY_WARNING):
        return "error"
    return None if message.call in loud or message.check != call.function else "error"


def _complaint_of(
    tool: Tool, message: LogMessage, call: CheckCall | None, level: Level, tree: Path
) -> Complaint:
    said = message.text.strip().replace(f"{tree.resolve()}{os.sep}", "")
    if message.raised and message.raised.partition(": ")[2] not in said:
        said += f" ({message.raised})"
    checks = (*message.raised_in, message.check, *([call.function] if call else []))
    file = next(_files_of(message, call, tree), ".")
    return Complaint(
        tool=tool,
        file=_exact(_there(file, checks, tree), checks),
        said=said,
        remedy=remedy_for(checks, said),
        level=level,
    )


def _files_of(message: LogMessage, call: CheckCall | None, tree: Path) -> Iterator[str]:
    """Yield paths of the tree that a message names, the likeliest first, then the path of its check."""
    quoted = [path for argument in message.arguments for path in re.findall(r"'([^']+/[^']+)'", argument)]
    for text in (*quoted, *message.arguments, *message.text.split(), *([call.path] if call else [])):
        if path := _path_in(tree, text):
            yield path


def _path_in(tree: Path, text: str) -> str | None:
    """Return a text as a path relative to the tree, without punctuation around it; None if it is none."""
    starts = (f"{tree.resolve()}{os.sep}", *(f"{division}/" for division in DIVISIONS))
    forms = [form for form in (text, text.strip(_PUNCTUATION)) if form.startswith(starts)]
    paths = [form.removeprefix(starts[0]) for form in forms]
    return next((path for path in paths if os.path.lexists(tree / path)), paths[-1] if paths else None)


def _exact(file: str, checks: Sequence[str]) -> str:
    """Return the file or folder that is wrong, where a check names another one that it read."""
    parts = PurePosixPath(file).parts
    if any(check.startswith(_SYSTEM_CHECKS) for check in checks) and len(parts) == _SYSTEM_PARTS:
        return f"{parts[0]}/{parts[1]}/systems/{parts[3]}.json"
    for check in checks:
        if check in _BESIDE and PurePosixPath(file).name == DETAIL:
            return str(PurePosixPath(file).with_name(_BESIDE[check]))
    if checks[0] == _OLD_ACCURACY_CHECK and parts[-1] == "accuracy":
        return f"{file}/{ACCURACY_TEXT}"
    if _SCENARIOS_CHECK in checks:
        return "/".join(parts[:_BENCHMARK_PARTS])
    return file


def _there(file: str, checks: Sequence[str], tree: Path) -> str:
    """Return the file of the official client's results where a check names a log that LoadGen would write."""
    path = PurePosixPath(file)
    inner = next((each for each in RUN_FOLDERS.values() if path.parent.match(str(each))), None)
    if path.name != DETAIL or inner is None or (tree / path).exists():
        return file
    scenario = path.parents[len(inner.parts)]
    name = ACCURACY_RESULTS if inner == RUN_FOLDERS[Mode.ACCURACY] else RESULT_SUMMARY
    if any(check in _OF_CONFIG for check in checks):
        name = WRITTEN_CONFIG
    return str(scenario / name) if (tree / scenario / name).exists() else file


def _follows(complaint: Complaint, others: Sequence[Complaint]) -> bool:
    """Return whether a complaint only repeats that something in its folder was refused."""
    if not _FOLLOWS.search(complaint.said):
        return False
    below = [other.file for other in others if other is not complaint and other.level == "error"]
    _, scenarios, named = complaint.said.partition("all required scenarios")
    folders = [complaint.file]
    if scenarios:
        folders = [f"{complaint.file}/{name}" for name in re.findall(r"\b[A-Z][A-Za-z]+", named)]
    known = [any(f"{path}/".startswith(f"{folder}/") for path in below) for folder in folders]
    return any(known) if "one of" in named else bool(known) and all(known)
