"""check.json: what is wrong with a tree, file by file, each with its remedy."""

from typing import Literal

from pydantic import Field
from rich.console import Group
from rich.text import Text

from weighbridge.core.models import Model

Tool = Literal["weighbridge", "submission_checker", "submission_checker_old"]


class Complaint(Model):
    """One thing that is wrong."""

    tool: Tool
    file: str = Field(description="Relative to the tree; '.' for the whole.")
    said: str
    remedy: str


class Finding(Model):
    """What one tool said of the tree."""

    tool: Tool
    accepted: bool | None = Field(description="Null: it did not run; `said` tells why.")
    results: int | None = Field(description="Results that it counted as valid.")
    said: str


class CheckReport(Model):
    """All of check.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration, whatever the tools say.")
    expected_results: int = Field(description="Scenarios that must come out as results.")
    originals: dict[str, bool] = Field(
        description="Each kept accuracy log, and whether the tree names its hash and holds its two ends."
    )
    findings: tuple[Finding, ...]
    complaints: tuple[Complaint, ...]

    @property
    def accepted(self) -> bool:
        """Whether no tool that ran refuses the tree."""
        return not self.complaints and all(finding.accepted is not False for finding in self.findings)


def render_report(report: CheckReport) -> Group:
    """Word a report: each tool's finding, then each complaint with its remedy."""
    lines = []
    for finding in report.findings:
        state = {True: "accepts", False: "REFUSES", None: "was not asked about"}[finding.accepted]
        lines.append(Text(f"{finding.tool} {state} the tree: {finding.said}"))
    for path, proven in report.originals.items():
        lines.append(Text(f"{path}: {'the hash in accuracy.txt is its own' if proven else 'NOT PROVEN'}"))
    lines += [
        Text(f"{complaint.file}: {complaint.said} ({complaint.tool})\n    {complaint.remedy}")
        for complaint in report.complaints
    ]
    mark = "" if report.submittable else " DEMONSTRATION, NOT SUBMITTABLE."
    verdict = "accepted" if report.accepted else f"REFUSED, {len(report.complaints)} complaints"
    return Group(*lines, Text(f"Round {report.round}: {verdict}.{mark}"))
