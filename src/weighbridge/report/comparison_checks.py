"""The checks of all runs of a comparison, counted, and what to do about those that did not pass."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weighbridge.core.formatting import value_text
from weighbridge.records.comparison import ComparisonResult, ComparisonRow, SweepComparison
from weighbridge.records.sweep_run import CellRecord
from weighbridge.records.verdict import Check


@dataclass(frozen=True)
class CountedCheck:
    """One check over all runs of one system.

    Attributes:
        name: What is checked.
        limit: What is required.
        system: Of whom.
        passed: Number of runs that passed.
        runs: Number of runs.
        asked: False: it forbids nothing.
        worst: The value of the first run that did not pass, with its place; None: all passed.
        remedy: What to do about it.
    """

    name: str
    limit: str
    system: str
    passed: int
    runs: int
    asked: bool
    worst: str | None
    remedy: str | None

    @property
    def outcome(self) -> bool | None:
        """True: all passed; False: some failed; None: notes alone, or not known."""
        return True if self.passed == self.runs else False if self.asked else None


def counted_checks(cells: Sequence[CellRecord]) -> list[CountedCheck]:
    """Return the checks of all runs, those that did not pass first."""
    groups: dict[tuple[str, str], list[tuple[CellRecord, Check]]] = defaultdict(list)
    for cell in cells:
        for check in cell.checks:
            groups[check.name, cell.system].append((cell, check))
    counted = [_counted(name, system, found) for (name, system), found in groups.items()]
    return sorted(counted, key=lambda check: (check.outcome is True, check.outcome is None))


def _counted(name: str, system: str, found: Sequence[tuple[CellRecord, Check]]) -> CountedCheck:
    wrong = [(cell, check) for cell, check in found if check.passed is not True]
    worst = None
    if wrong:
        cell, check = wrong[0]
        worst = f"{value_text(check.value, 4)} at {cell.level.name}, block {cell.block}"
    first = (wrong or found)[0][1]
    return CountedCheck(
        name=name,
        limit=first.limit,
        system=system,
        passed=len(found) - len(wrong),
        runs=len(found),
        asked=first.asked,
        worst=worst,
        remedy=first.remedy,
    )


def reasons_and_places(comparison: SweepComparison) -> dict[str, list[str]]:
    """Return each reason for which rows are not comparable, and those rows, such as 'B at closed-32'."""
    refused = [row for row in comparison.rows if row.result is ComparisonResult.NOT_COMPARABLE]
    return _places((row, row.reasons) for row in refused)


def notes_and_places(comparison: SweepComparison) -> dict[str, list[str]]:
    """Return each note on rows, and those rows."""
    return _places((row, row.notes) for row in comparison.rows)


def _places(said: Iterable[tuple[ComparisonRow, Sequence[str]]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for row, sentences in said:
        for sentence in sentences:
            places[sentence].append(f"{row.system}, {row.workload}, {row.level}")
    return dict(places)
