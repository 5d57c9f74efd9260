"""The matrix of faults: what was tried, what must be, what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 160
# The number of calls differs a little from run to run: a fault that did not strike is none.
NEVER_REACHED = "never reached"


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        group: What kinds of faults it belongs to.
        fault: What was done.
        expected: What must be.
        seen: What was seen.
        complaints: What was wrong; empty: it is right.
    """

    group: str
    fault: str
    expected: str
    seen: str
    complaints: tuple[str, ...] = ()


def summary(rows: Sequence[Row]) -> list[str]:
    """Return the table of groups, as Markdown."""
    groups = dict.fromkeys(row.group for row in rows)
    lines = ["| group | faults tried | right |", "| --- | ---: | ---: |"]
    for group in groups:
        mine = [row for row in rows if row.group == group]
        lines.append(f"| {group} | {len(mine)} | {sum(not row.complaints for row in mine)} |")
    lines.append(f"| all | {len(rows)} | {sum(not row.complaints for row in rows)} |")
    return lines


def page(rows: Sequence[Row]) -> str:
    """Return the whole matrix, wrong rows first."""
    lines = ["# Faults", "", "Written by `make faults`.", "", *summary(rows), ""]
    wrong = [row for row in rows if row.complaints]
    if wrong:
        lines += ["## Wrong", "", "| fault | expected | seen | wrong |", "| --- | --- | --- | --- |"]
        lines += [_line(row.fault, row.expected, row.seen, "; ".join(row.complaints)) for row in wrong]
        lines.append("")
    for group in dict.fromkeys(row.group for row in rows):
        lines += [
            f"## {group[0].upper()}{group[1:]}",
            "",
            "| fault | expected | seen |",
            "| --- | --- | --- |",
        ]
        lines += [_line(row.fault, row.expected, row.seen) for row in rows if row.group == group]
        lines.append("")
    return "\n".join(lines)


def _line(*cells: str) -> str:
    short = (" ".join(cell.split()) for cell in cells)
    cut = (text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..." for text in short)
    return "| " + " | ".join(text.replace("|", "\\|") for text in cut) + " |"


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the matrix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(rows))
