"""The lines of a comparison's table: for each row what baseline (A) and other system (B) did, as values."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM
from weighbridge.core.formatting import NONE
from weighbridge.records.comparison import (
    ComparedCell,
    ComparedDescription,
    ComparisonResult,
    ComparisonRow,
    Ratio,
    SweepComparison,
    SystemFigures,
)
from weighbridge.sweep.comparison_sentences import interval_text

NOT_SUPPORTED = "x"
UNSTEADY = "~"


@dataclass(frozen=True)
class Side:
    """One system's part of a line; figures are means over the blocks that are compared.

    Attributes:
        description: What the system is; None: not known.
        figures: What it did; None: it was not measured here.
        blocks: Blocks that are compared; None: all it has.
    """

    description: ComparedDescription | None
    figures: SystemFigures | None
    blocks: Sequence[str] | None = None

    def value(self, name: str) -> float | None:
        """Return the mean of a figure, such as ttft.p99; None: it is not known, or has too few samples."""
        return None if self.figures is None else self.figures.mean(name, self.blocks)

    @property
    def supported(self) -> bool:
        """Whether any run of it ended well."""
        return self.value("qps") is not None


@dataclass(frozen=True)
class TableLine:
    """One line: a row of the comparison, or one system alone where there is none to compare it with."""

    workload: str
    load: str
    system: str
    baseline: Side
    other: Side | None
    row: ComparisonRow | None
    equivalence: float

    @property
    def sides(self) -> tuple[Side, ...]:
        """Baseline and other system."""
        return (self.baseline,) if self.other is None else (self.baseline, self.other)

    @property
    def speed_up(self) -> Ratio | None:
        """The ratio that the verdict is by; above 1 the other system is better."""
        return None if self.row is None else self.row.speed_up

    @property
    def verdict(self) -> str:
        """What the pairs allow to say, in the words of the table."""
        if self.row is None:
            return NONE
        return verdict_text(self.row, self.equivalence)

    @property
    def checks(self) -> str:
        """Names of the checks that forbid the comparison, or other reasons in short; ok: none."""
        names = dict.fromkeys(
            check.name for side in self.sides if side.figures is not None for check in side.figures.refused
        )
        if names:
            return ", ".join(names)
        if self.row is not None and self.row.result is ComparisonResult.NOT_COMPARABLE:
            return "see reasons"
        return "ok" if self.row is None or not self.row.notes else "ok, see notes"

    def both(self, text: Callable[[Side], str], join: str = " / ") -> str:
        """Return a text of both sides: once if it is the same."""
        texts = dict.fromkeys(map(text, self.sides))
        return join.join(texts)

    def each(self, text: Callable[[Side], str], join: str = ", ") -> str:
        """Return a text of each side, though it be the same."""
        return join.join(map(text, self.sides))


def lines_of(comparison: SweepComparison) -> list[TableLine]:
    """Return the lines in the order of the rows; cells without rows have one line a system."""
    return [line for cell in comparison.cells for line in _lines(comparison, cell)]


def _lines(comparison: SweepComparison, cell: ComparedCell) -> Iterator[TableLine]:
    rows = [row for row in comparison.rows if (row.workload, row.level) == (cell.workload, cell.level)]
    for row in rows:
        baseline = _side(comparison, cell, comparison.baseline, row.blocks or None)
        other = _side(comparison, cell, row.system, row.blocks or None)
        yield TableLine(cell.workload, cell.level, row.system, baseline, other, row, comparison.equivalence)
    if not rows:
        for system in cell.systems:
            side = _side(comparison, cell, system, None)
            yield TableLine(cell.workload, cell.level, system, side, None, None, comparison.equivalence)


def _side(comparison: SweepComparison, cell: ComparedCell, system: str, blocks: Sequence[str] | None) -> Side:
    name = comparison.baseline if system == NOISE_FLOOR_SYSTEM else system
    return Side(comparison.systems.get(name), cell.systems.get(system), blocks)


def verdict_text(row: ComparisonRow, equivalence: float) -> str:
    """Return the verdict of a row in a few words."""
    if row.result is ComparisonResult.SAME:
        return f"same within {100 * equivalence:g} %"
    return str(row.result)


def ratio_text(ratio: Ratio | None) -> str:
    """Return a ratio with its interval, such as 1.136 [1.098, 1.175]; a dash for None."""
    return NONE if ratio is None else interval_text(ratio)
