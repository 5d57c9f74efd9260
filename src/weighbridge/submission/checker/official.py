"""The official checkers, run from the proven reference, and their logs turned into complaints.

Source: tools/submission in mlcommons/inference @ b66003e1. Neither tool fails on an empty tree, so the
number of results is held against the round's; either may crash, which is a complaint and no crash of ours.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint, Finding, Tool
from weighbridge.submission.checker.remedies import remedy_for

_TOOLS = Path("tools/submission")
_NEW: Tool = "submission_checker"
_OLD: Tool = "submission_checker_old"
# The old checker knows the file rules that the new one dropped, and knows rounds up to this one.
_OLD_VERSION = "v6.0"
_TIMEOUT_S = 600
# Either '[2026-01-01 00:00:00,000 main.py:360 ERROR] text' or 'ERROR:main:text'.
_LINE = re.compile(r"(?:\[\S+ \S+ \S+ |)(?P<level>ERROR|WARNING|INFO)(?:\]\s|:\w*:)(?P<text>.*)")
_COUNT = re.compile(r"\bResults=(\d+), NoResults=(\d+)")
_PATH = re.compile(r"\b(?:closed|open)/[^\s,:;\"'()]+")
_SUMMARY = re.compile(r"SUMMARY: submission (looks OK|has errors)")

Told = tuple[Finding, list[Complaint]]


def run_official(tree: Path, round_: Round, reference: Proof | None, expected: int) -> Iterator[Told]:
    """Run the tools that know the round; each says what it found, or why it was not asked."""
    version = round_.checker_version
    if version is None or reference is None:
        reason = (
            f"round {round_.name} has no official checker"
            if version is None
            else "the reference is not on disk (artifacts.reference); our own checks stand alone"
        )
        yield Finding(tool=_NEW, accepted=None, results=None, said=reason), []
        return
    folder = reference.folder / _TOOLS
    yield _run(_NEW, ["-m", "submission_checker.main"], folder, tree, version, expected)
    if version == _OLD_VERSION:
        yield _run(_OLD, ["submission_checker_old.py"], folder, tree, version, expected)


def _run(tool: Tool, program: list[str], folder: Path, tree: Path, version: str, expected: int) -> Told:
    with tempfile.TemporaryDirectory() as scratch:
        csv = Path(scratch) / "results.csv"
        command = [sys.executable, *program, "--input", str(tree.resolve()), "--version", version]
        try:
            done = subprocess.run(
                [*command, "--csv", str(csv)],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
                # The checkout was proven file by file; bytecode beside its sources would spoil that.
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = f"it cannot be run ({error})"
            return Finding(tool=tool, accepted=False, results=None, said=said), [_complaint(tool, tree, said)]
    return interpret(tool, done.stdout + done.stderr, done.returncode, tree, expected)


def interpret(tool: Tool, output: str, code: int, tree: Path, expected: int) -> Told:
    """Turn what a tool printed into its finding and complaints.

    Args:
        tool: Which tool.
        output: All that it printed.
        code: Its exit code.
        tree: The tree it was given.
        expected: Results that there must be.
    """
    summary, count = _SUMMARY.search(output), _COUNT.search(output)
    if summary is None:
        last = (output.strip().splitlines() or [f"exit code {code}"])[-1]
        said = f"it crashed: {last}"
        return Finding(tool=tool, accepted=False, results=None, said=said), [
            *_complaints(tool, output, tree),
            _complaint(tool, tree, said),
        ]
    results = int(count[1]) if count else 0
    accepted = code == 0 and summary[1] == "looks OK" and count is not None and int(count[2]) == 0
    if accepted and results != expected:
        said = f"it says OK, but counts {results} results where {expected} must be"
        return Finding(tool=tool, accepted=False, results=results, said=said), [_complaint(tool, tree, said)]
    said = f"{results} of {expected} results, '{summary[0]}'"
    complaints = [] if accepted else _complaints(tool, output, tree) or [_complaint(tool, tree, said)]
    return Finding(tool=tool, accepted=accepted, results=results, said=said), complaints


def _complaints(tool: Tool, output: str, tree: Path) -> list[Complaint]:
    """Take each error and warning once; the checker words some failures as warnings."""
    texts = [
        match["text"].strip()
        for line in output.splitlines()
        if (match := _LINE.match(line)) and match["level"] != "INFO"
    ]
    wanted = [text for text in texts if text and not text.startswith(("SUMMARY", "NoResults"))]
    return [_complaint(tool, tree, text) for text in dict.fromkeys(wanted)]


def _complaint(tool: Tool, tree: Path, text: str) -> Complaint:
    """Name the file that a text speaks of, relative to the tree."""
    said = text.replace(f"{tree.resolve()}{os.sep}", "")
    found = _PATH.search(said)
    return Complaint(tool=tool, file=found[0] if found else ".", said=said, remedy=remedy_for(said))
