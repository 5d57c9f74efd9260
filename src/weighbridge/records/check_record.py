"""check.json: the result of checking a submission tree, with a remedy for every complaint."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, get_args

from pydantic import Field
from rich.console import Group
from rich.text import Text

from weighbridge.core.models import Model
from weighbridge.records.notice import heading_of, reason_of

Tool = Literal["weighbridge", "submission_checker", "submission_checker_old"]
Level = Literal["error", "warning"]


class Complaint(Model):
    """One defect of the tree."""

    tool: Tool
    file: str = Field(description="Path relative to the tree; '.' for the whole tree.")
    said: str = Field(description="What is wrong.")
    remedy: str = Field(description="What to do about it.")
    level: Level = Field(
        default="error",
        description="error: an official tool refuses it, or the rules forbid it. warning: it is odd, or "
        "cannot be proven; only a strict check refuses it.",
    )


class Finding(Model):
    """The result of one tool."""

    tool: Tool
    accepted: bool | None = Field(description="Null: the tool did not run; `said` holds the reason.")
    results: int | None = Field(description="Number of results that the tool counted as valid.")
    said: str = Field(description="The tool's conclusion in one sentence.")


class CheckReport(Model):
    """Contents of check.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration, even if every tool accepts the tree.")
    not_submittable_because: str | None = Field(
        default=None, description="Reason, if it is not that the round is a demonstration."
    )
    strict: bool = Field(default=False, description="True: warnings refuse the tree too.")
    expected_results: int = Field(description="Number of scenarios that must count as results.")
    originals: dict[str, bool] = Field(
        description="Path of each file that was kept, as a full accuracy log -> whether the tree holds its "
        "hash and, of an accuracy log, start and end."
    )
    findings: tuple[Finding, ...]
    complaints: tuple[Complaint, ...]

    @property
    def accepted(self) -> bool:
        """Whether every tool that ran accepts the tree, without an error and, if strict, a warning."""
        refused = any(finding.accepted is False for finding in self.findings)
        return not refused and not any(refuses(complaint, self.strict) for complaint in self.complaints)

    @property
    def counts(self) -> str:
        """The numbers of errors and warnings as text: '1 error, 3 warnings'."""
        return count_levels(self.complaints)


def refuses(complaint: Complaint, strict: bool) -> bool:
    """Return whether a complaint refuses the tree."""
    return strict or complaint.level == "error"


def count_levels(complaints: Iterable[Complaint]) -> str:
    """Return the numbers of errors and warnings as text: '1 error, 3 warnings'; empty if there are none."""
    counts = Counter(complaint.level for complaint in complaints)
    levels: tuple[Level, ...] = get_args(Level)
    return ", ".join(
        f"{counts[level]} {level}{'s' if counts[level] > 1 else ''}" for level in levels if counts[level]
    )


def _without_file(complaint: Complaint) -> str:
    """Return what a complaint says; the official tools begin with the path, which is shown already."""
    return complaint.said.removeprefix(f"{complaint.file} ")


def render_report(report: CheckReport) -> Group:
    """Render a report for the terminal: each tool's finding, then errors and warnings with their remedies."""
    lines = []
    for finding in report.findings:
        state = {True: "accepts", False: "REFUSES", None: "did not check"}[finding.accepted]
        lines.append(Text(f"{finding.tool} {state} the tree: {finding.said}"))
    for path, proven in report.originals.items():
        lines.append(Text(f"{path}: {'matches the hash in the tree' if proven else 'NOT PROVEN'}"))
    lines += [
        Text(f"{each.level}: {each.file}: {_without_file(each)} ({each.tool})\n    {each.remedy}")
        for level in get_args(Level)
        for each in report.complaints
        if each.level == level
    ]
    mark = "" if report.submittable else f" {heading_of(report)}."
    verdict = ", ".join(
        part for part in ("accepted" if report.accepted else "REFUSED", report.counts) if part
    )
    if report.not_submittable_because:
        lines.append(Text(reason_of(report)))
    return Group(*lines, Text(f"Round {report.round}: {verdict}.{mark}"))
