"""Tables of a few columns that a terminal and a Markdown page show alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from weighbridge.core.terminal import OUTCOME_STYLES


@dataclass(frozen=True)
class SummaryColumn:
    """A column of a table.

    Attributes:
        name: Its heading.
        cells: One a line.
        left: Aligned to the left; numbers are not.
    """

    name: str
    cells: tuple[str, ...]
    left: bool = False


def rich_table(columns: Sequence[SummaryColumn]) -> Table:
    """Return the table for a terminal; the words of a verdict are coloured."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column.name,
            justify="left" if column.left else "right",
            no_wrap=True,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell, style=OUTCOME_STYLES.get(cell, "")) for cell in cells))
    return table


def markdown_table(columns: Sequence[SummaryColumn]) -> str:
    """Return the table in Markdown."""
    rows = [
        [column.name for column in columns],
        ["---" if column.left else "---:" for column in columns],
        *zip(*(map(_cell, column.cells) for column in columns), strict=True),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
