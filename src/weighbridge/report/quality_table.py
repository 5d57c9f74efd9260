"""The table of compared answers: texts of its columns, on a terminal and as Markdown."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import NONE, accuracy
from weighbridge.core.long_names import short_names, whole_lines
from weighbridge.quality.accuracy import AnswerCounts
from weighbridge.quality.quality_sentences import points_text, quality_sentences, signed_text
from weighbridge.records.quality_comparison import (
    PairedAccuracy,
    QualityComparison,
    QualityFinding,
    QualityRow,
    SystemQuality,
)
from weighbridge.report.accuracy_texts import share_text, stderr_text
from weighbridge.report.summary_columns import SummaryColumn, markdown_table

_SYSTEM_WIDTH = 12
_LEAST_WIDTHS = {"System": _SYSTEM_WIDTH, "Finding": len("inconclusive")}
_STYLES = {
    QualityFinding.BETTER: "bold green",
    QualityFinding.WORSE: "bold red",
    QualityFinding.SAME: "bold",
    QualityFinding.NOT_COMPARABLE: "bold yellow",
}


@dataclass(frozen=True)
class QualityLine:
    """One line: a system, and its answers beside the baseline's.

    Attributes:
        system: Its name.
        quality: Its own accuracy.
        row: Beside the baseline; None: it is the baseline.
        margin: Share within which a difference counts as none.
    """

    system: str
    quality: SystemQuality
    row: QualityRow | None
    margin: float

    @property
    def finding(self) -> str:
        """What the pairs allow to say, in the words of the table."""
        if self.row is None:
            return NONE
        if self.row.finding is QualityFinding.SAME:
            return f"same within {points_text(self.margin)}"
        return str(self.row.finding)


@dataclass(frozen=True)
class QualityColumn:
    """A column of the table.

    Attributes:
        name: Its heading.
        text: The text of a line.
        left: Aligned to the left; numbers are not.
        narrow: A terminal has it too.
    """

    name: str
    text: Callable[[QualityLine], str]
    left: bool = False
    narrow: bool = True


def p_text(row: QualityRow | None) -> str:
    """Return the p value after Holm of a row; a dash without one."""
    if row is None or row.p_adjusted is None:
        return NONE
    return "< 0.001" if row.p_adjusted < 0.001 else f"{row.p_adjusted:.2g}"


def _difference(line: QualityLine) -> str:
    return (
        NONE
        if line.row is None or line.row.paired is None
        else signed_text(line.row.paired).replace(" points", "")
    )


def _alone(line: QualityLine) -> str:
    if line.row is None or line.row.paired is None:
        return NONE
    return f"{line.row.paired.only_a:,} / {line.row.paired.only_b:,}"


QUALITY_COLUMNS = (
    QualityColumn("System", lambda line: line.system, left=True),
    QualityColumn("Questions", lambda line: f"{line.quality.n:,}", narrow=False),
    QualityColumn("Accuracy [95 %]", lambda line: share_text(line.quality)),
    QualityColumn("Std. error", lambda line: stderr_text(line.quality), narrow=False),
    QualityColumn("B - A, points [95 %]", _difference),
    QualityColumn("Only A / B", _alone),
    QualityColumn("p", lambda line: p_text(line.row), narrow=False),
    QualityColumn("Finding", lambda line: line.finding, left=True),
)


def quality_lines(comparison: QualityComparison) -> list[QualityLine]:
    """Return the lines, the baseline's first."""
    names = sorted(comparison.systems, key=lambda name: name != comparison.baseline)
    return [
        QualityLine(name, comparison.systems[name], comparison.row(name), comparison.margin) for name in names
    ]


@dataclass(frozen=True)
class DomainLine:
    """One domain's answers of a system beside the baseline's, as text."""

    system: str
    domain: str
    questions: str
    accuracies: str
    difference: str
    alone: str


def domain_lines(comparison: QualityComparison) -> list[DomainLine]:
    """Return a line for each system and domain."""
    return [
        DomainLine(
            system=row.system,
            domain=domain,
            questions=f"{paired.n:,}",
            accuracies=_accuracies(paired),
            difference=signed_text(paired).replace(" points", ""),
            alone=f"{paired.only_a:,} / {paired.only_b:,}",
        )
        for row in comparison.rows
        for domain, paired in row.by_domain.items()
    ]


def _accuracies(paired: PairedAccuracy) -> str:
    sides = (AnswerCounts(paired.both_right + alone, paired.n) for alone in (paired.only_a, paired.only_b))
    return " / ".join(accuracy(side.share, side.stderr) for side in sides)


def quality_footer(comparison: QualityComparison) -> list[str]:
    """Return what a reader of the table must know: what was asked and how, the interval, notes of systems."""
    first = comparison.systems[comparison.baseline]
    shots = f"{first.shots}-shot" if first.shots else "without solved questions"
    asked = f"MMLU, {first.protocol}, {shots}" + (f", limited to {first.limited}" if first.limited else "")
    sentences = [f"{asked}. Chance is 25 %."]
    if comparison.rows:
        sentences.append(
            f"A is {'the baseline' if comparison.baseline == 'A' else comparison.baseline}, B the system of "
            "the line. Differences are paired by question (Newcombe's method 10; McNemar's exact test, after "
            f"Holm); within {points_text(comparison.margin)} they count as none."
        )
    notes = {name: system.note for name, system in comparison.systems.items() if system.note}
    if len(set(notes.values())) == 1 and len(notes) == len(comparison.systems):
        sentences.append(f"{next(iter(notes.values())).rstrip('.')}.")
    else:
        sentences += [f"{name}: {note.rstrip('.')}." for name, note in notes.items()]
    sentences += [f"{row.system}: {note}." for row in comparison.rows for note in row.notes]
    return sentences


def render_quality(comparison: QualityComparison) -> Group:
    """Return the table for a terminal, and below it a sentence for each row and what a reader must know."""
    table = Table(
        title="Quality (MMLU)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    columns = [column for column in QUALITY_COLUMNS if column.narrow]
    for column in columns:
        table.add_column(
            column.name,
            justify="left" if column.left else "right",
            no_wrap=not column.left,
            overflow="fold",
            min_width=_LEAST_WIDTHS.get(column.name),
        )
    short = short_names((line.system for line in quality_lines(comparison)), "system", _SYSTEM_WIDTH)
    for line in quality_lines(comparison):
        line = replace(line, system=short.get(line.system, line.system))
        style = "" if line.row is None else _STYLES.get(line.row.finding, "")
        table.add_row(
            *(Text(column.text(line), style if column.name == "Finding" else "") for column in columns)
        )
    sentences = [*quality_sentences(comparison), *quality_footer(comparison)]
    return Group(table, *whole_lines(short), *(Text(each, overflow="ignore") for each in sentences))


def quality_markdown(comparison: QualityComparison) -> str:
    """Return verdicts, table and footer as Markdown, below a heading of the second level."""
    lines = quality_lines(comparison)
    table = markdown_table(
        [SummaryColumn(each.name, tuple(map(each.text, lines)), left=each.left) for each in QUALITY_COLUMNS]
    )
    verdicts = "".join(f"- {sentence}\n" for sentence in quality_sentences(comparison))
    footer = "".join(f"- {sentence}\n" for sentence in quality_footer(comparison))
    return f"## Quality (MMLU)\n\n{verdicts}\n{table}\n\n{footer}"
